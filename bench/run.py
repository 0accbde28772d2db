#!/usr/bin/env python3
"""All measurements in one run: medians of several runs, and ratios to yardsticks measured beside them.

usage: bench/run.py BUILD_FOLDER [--only NAME]... [--runs N] [--json FILE] [--svg FILE] [--peers N] [--sessions N]

Absolute figures hold for this machine at this moment; compare within one run only. docs/performance.md says what each
figure is.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import api
import dial
import file
import forward
import idle
import plot
import relay
import transport
from measure import Bench, harness

SECTIONS = {"transport": transport.transport, "streams": transport.streams, "forward": forward.forward,
            "dial": dial.dial, "api": api.calls, "messages": api.delivered, "file": file.transfer, "idle": idle.idle, "relay": relay.relay}


def ratios(by_who):
    """The first of several to each other one, figure by figure."""
    first, *others = by_who
    out = {}
    for other in others:
        out[f"ratio to {other}"] = {key: round(value / by_who[other][key], 3)
                                    for key, value in by_who[first].items() if by_who[other].get(key)}
    return out


def show(titles):
    for title, by_who in titles.items():
        print(f"  {title}")
        for who, figures in {**by_who, **ratios(by_who)}.items():
            print(f"    {who:<24} " + "  ".join(f"{key} {value:,g}" for key, value in figures.items()))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description="measures p2pd beside yardsticks")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="a section; can be repeated")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", type=int, default=100, help="idle ones of one daemon")
    parser.add_argument("--sessions", type=int, default=2_000, help="of one relay")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--svg", type=pathlib.Path)
    options = parser.parse_args()
    if os.environ.get("P2PD_OWN_NETWORK") != "1" and harness.namespaces_work():
        harness.rerun_in_own_network()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
    bench = Bench(options.build.resolve(), options.runs, options.peers, options.sessions)

    print(f"medians of {options.runs} runs on loopback")
    results = {}
    for name in options.only or SECTIONS:
        start = time.monotonic()
        results[name] = SECTIONS[name](bench)
        print(f"{name} ({time.monotonic() - start:.0f} s)")
        show(results[name])
    if options.json:
        with_ratios = {name: {title: {**by_who, **ratios(by_who)} for title, by_who in titles.items()}
                       for name, titles in results.items()}
        options.json.write_text(json.dumps({"runs": options.runs, "results": with_ratios}, indent=1) + "\n")
    if options.svg:
        options.svg.write_text(plot.svg(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
