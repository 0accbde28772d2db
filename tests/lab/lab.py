#!/usr/bin/env python3
"""The NAT laboratory: real daemons behind routers that behave as the world's do, on one machine, in network namespaces.

usage: lab.py BUILD list                     the kinds of network
       lab.py BUILD prove [KIND]...          what an RFC 5780 probe finds behind each
       lab.py BUILD pair KIND KIND           two daemons, one behind each, connected
       lab.py BUILD matrix [--part] [--rtt MS] [--judge] [--json FILE]   every pair, as a table
       lab.py BUILD reasons [--json FILE] [REASON]...   each reason for not being direct, made and asked for
       lab.py BUILD scenes [--judge] [--sleep SECONDS] [--flips N] [--json FILE] [SCENE]...   what happens to networks while data flows
Needs root, or a system where `unshare -Urn` works. docs/lab.md says what each router does.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import internet
import harness
import matrix
import reasons
import routers
import scenes
import world


def list_kinds(_):
    for name, kind in routers.KINDS.items():
        print(f"{name:22} {kind.text}")


def prove(options):
    kinds = options.kinds or list(routers.KINDS)
    with internet.Internet(options.build, keep=options.keep) as net:
        relay = net.open_relay()
        places = [routers.place(net, kind, kind) for kind in kinds]
        print(f"{'network':22} {'mapping':9} {'filtering':10} {'ports':11} {'hairpin':8} {'mapped to'}")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for place, result in zip(places, pool.map(lambda place: routers.prove(place, relay), places)):
                if not result["udp"]:
                    print(f"{place.kind:22} no UDP")
                    continue
                print(f"{place.kind:22} {result['mapping']:9} {result['filtering']:10} {result['ports']:11} "
                      f"{'yes' if result['hairpin'] else 'no':8} {result['mapped'][0]}")


def pair(options):
    return run_matrix(options, [tuple(options.kinds)])


def run_matrix(options, pairs):
    print(matrix.HEADER, flush=True)
    with world.World(options.build, keep=options.keep) as net:
        if options.keep:
            print(f"logs in {net.folder}", file=sys.stderr)
        results = matrix.run(net, pairs, options.at_a_time, lambda result: print(matrix.line(result), flush=True), options.rtt,
                             options.judge)
    if options.json:
        options.json.write_text(matrix.as_json(results))
    wrong = [result for result in results if result["path"] != result["expected"]]
    slowest = {key: max((result.get(key) or 0 for result in results), default=0) for key in ("to_relay_ms", "to_direct_ms")}
    late = sum(matrix.late(result, options.rtt) for result in results)
    print(f"{len(results)} pairs, {sum(result['path'] == 'direct' for result in results)} direct, {len(wrong)} not as expected, "
          f"{late} later than {matrix.longest_to_direct(options.rtt):.0f} ms; slowest: {slowest['to_relay_ms']:.0f} ms to the relay, {slowest['to_direct_ms']:.0f} ms to direct")
    return 1 if wrong or (late and options.judge) else 0


def play(options):
    chosen = {"flips": {"count": options.flips}, "sleeps": {"seconds": options.sleep}}

    def run(net, name):
        return scenes.play(net, name, options.judge, **chosen.get(name, {}))
    wanted = options.scenes or [name for name in scenes.SCENES if name not in options.without]
    return run_named(options, "scenes", wanted, run, scenes.line)


def explain(options):
    return run_named(options, "reasons", options.reasons or reasons.REASONS, reasons.show, reasons.line)


def run_named(options, what, names, run, line):
    told = run_all(options, names, run, line)
    late = [name for name, one in told.items() if "late" in one]
    if late:
        # Together they make each other wait: once more, one at a time, before it counts.
        options.at_a_time = 1
        told |= run_all(options, late, run, line)
    if options.json:
        options.json.write_text(json.dumps({what: told}, indent=1))
    return 1 if any("failure" in one or "late" in one for one in told.values()) else 0


def run_all(options, names, run, line):
    told = {}
    # What a thread has started ends with the thread: the pool outlives the world.
    with concurrent.futures.ThreadPoolExecutor(options.at_a_time) as pool, \
            world.World(options.build, keep=options.keep) as net:
        if options.keep:
            print(f"logs in {net.folder}", file=sys.stderr)
        running = {pool.submit(run, net, name): name for name in names}
        for future in concurrent.futures.as_completed(running):
            told[running[future]] = future.result()
            print(line(running[future], future.result()), flush=True)
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", help="the build folder with p2pd, p2pctl, p2p-relay")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs, and name it")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("list").set_defaults(run=list_kinds)
    proving = commands.add_parser("prove")
    proving.add_argument("kinds", nargs="*", choices=[[], *routers.KINDS], metavar="KIND")
    proving.set_defaults(run=prove)
    one = commands.add_parser("pair")
    one.add_argument("kinds", nargs=2, choices=routers.KINDS, metavar="KIND")
    one.add_argument("--rtt", type=float, default=0, metavar="MS", help="the round trip between any two sites, the relay's too")
    one.set_defaults(run=pair, json=None, at_a_time=1, judge=False)
    every = commands.add_parser("matrix")
    every.add_argument("--part", action="store_true", help="what is run where there is no time for all")
    every.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results there too")
    every.add_argument("--rtt", type=float, default=0, metavar="MS", help="the round trip between any two sites, the relay's too")
    every.add_argument("--judge", action="store_true", help="fail when a pair is slow to direct")
    every.add_argument("--at-a-time", type=int, default=3, metavar="N", help="how many pairs are connected together")
    every.set_defaults(run=lambda options: run_matrix(options, matrix.PART if options.part else matrix.all_pairs()))
    playing = commands.add_parser("scenes")
    playing.add_argument("scenes", nargs="*", choices=[[], *scenes.SCENES], metavar="SCENE")
    playing.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results there too")
    playing.add_argument("--at-a-time", type=int, default=3, metavar="N", help="how many scenes play together")
    playing.add_argument("--flips", type=int, default=20, metavar="N", help="how often the path flips")
    playing.add_argument("--sleep", type=float, default=15, metavar="SECONDS", help="how long a machine sleeps")
    playing.add_argument("--without", action="append", default=[], choices=scenes.SCENES, metavar="SCENE", help="all but this one")
    playing.add_argument("--judge", action="store_true", help="fail when a time is above what is wanted")
    playing.set_defaults(run=play)
    why = commands.add_parser("reasons")
    why.add_argument("reasons", nargs="*", choices=[[], *reasons.REASONS], metavar="REASON")
    why.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results there too")
    why.add_argument("--at-a-time", type=int, default=4, metavar="N", help="how many are made together")
    why.set_defaults(run=explain)
    options = parser.parse_args()
    if options.run is not list_kinds:
        missing = [] if harness.namespaces_work() else ["network namespaces are not permitted here"]
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            missing.append("/dev/net/tun may not be opened here")
        if missing:
            print(f"SKIPPED, NOT TESTED: {' and '.join(missing)}", file=sys.stderr)
            return 77
        harness.rerun_in_own_network()
    try:
        return options.run(options) or 0
    except (harness.Failed, subprocess.SubprocessError) as failure:
        print(f"the lab failed: {failure}{getattr(failure, 'stderr', None) or ''}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
