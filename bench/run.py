#!/usr/bin/env python3
"""All measurements in one run: medians of several runs and ratios to TLS over TCP, as a table and as JSON.

usage: bench/run.py BUILD_FOLDER [--runs N] [--json FILE] [--peers N] [--sessions N]

Absolute figures hold for this machine at this moment; compare within one run only.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "integration"))
import harness  # noqa: E402
import relay as relay_cost  # noqa: E402
from relay import anonymous_kib  # noqa: E402


def median_of(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0] if key != "what"}


def measure(build, program, *arguments):
    done = subprocess.run([str(build / "bench" / program), *arguments], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise harness.Failed(f"{program} {arguments}: {done.stderr}")
    return json.loads(done.stdout)


def side_by_side(build, runs, arguments):
    """p2pd's transport and TLS over TCP in turn, so that a drifting machine meets both."""
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(measure(build, "bench_transport", *arguments))
        theirs.append(measure(build, "bench_tls", *arguments))
    return median_of(ours), median_of(theirs)


def cpu_ticks(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def dial_times(build, runs):
    """Milliseconds from p2pctl's connect to the relay path and to the direct path, each time with fresh daemons."""
    out = []
    for _ in range(runs):
        with harness.Lab(build, loopback=not own_network()) as lab:
            relay = lab.relay()
            alice, bob = lab.daemon("alice", [relay]), lab.daemon("bob", [relay])
            harness.introduce(alice, bob)
            for daemon in (alice, bob):
                daemon.ctl("wait", "online")
            done = alice.json("connect", "bob", "--wait", "direct", "--timeout", "30")
            out.append({"to_relay_ms": done["to_relay_ms"], "to_direct_ms": done["to_direct_ms"]})
    return median_of(out)


def memory(build, count):
    """RssAnon of one daemon without peers, with one and with `count` idle ones, on the relay only and direct."""
    out = {}
    for mode in ("off", "on"):
        with harness.Lab(build, loopback=True) as lab:
            relay = lab.relay()
            hub = lab.daemon("hub", [relay], arguments=["--direct", mode])
            label = "direct" if mode == "on" else "relay only"
            out[f"no peer ({label}), KiB"] = anonymous_kib(hub.process)
            others = []
            for number in range(count):
                host = harness.Host(f"peer{number}", "127.0.0.1")
                other = harness.Daemon(lab, host, [relay], arguments=["--direct", mode])
                harness.introduce(hub, other)
                hub.ctl("connect", other.name, "--wait", "direct" if mode == "on" else "relay", "--timeout", "60")
                others.append(other)
                if number == 0:
                    out[f"1 peer ({label}), KiB"] = anonymous_kib(hub.process)
            full = anonymous_kib(hub.process)
            out[f"{count} peers ({label}), KiB"] = full
            if count > 1:
                out[f"each further peer ({label}), KiB"] = round((full - out[f"1 peer ({label}), KiB"]) / (count - 1), 1)
            before = cpu_ticks(hub.process)
            harness.select.select([], [], [], 10)
            share = (cpu_ticks(hub.process) - before) / os.sysconf("SC_CLK_TCK") / 10 * 100
            out[f"idle CPU with {count} peers ({label}), % of a core"] = round(share, 2)
    return out


def api_calls(build, runs):
    """What one connection can ask of a daemon with one peer, which is away, so that messages are stored and not sent on."""
    absent = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqraa"
    message = json.dumps({"peer": "absent", "text": "x" * 256})
    loads = {"daemon.status, one by one": ("daemon.status", "{}", 20_000, 1),
             "daemon.status, pipelined": ("daemon.status", "{}", 60_000, 64),
             "durable 256-byte messages, pipelined": ("message.send", message, 20_000, 128)}
    measured = {title: [] for title in loads}
    for _ in range(runs):
        with harness.Lab(build, loopback=True) as lab:
            daemon = lab.daemon("alice", [])
            daemon.ctl("peer", "add", "absent", absent)
            for title, (method, params, count, window) in loads.items():
                measured[title].append(measure(build, "bench_api", str(daemon.socket), method, params, str(count), str(window)))
    return {title: median_of(each) for title, each in measured.items()}


def own_network():
    return os.environ.get("P2PD_OWN_NETWORK") == "1"


def main():
    parser = argparse.ArgumentParser(description="measures p2pd beside TLS over TCP")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=2_000, help="of one relay")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if not own_network() and harness.namespaces_work():
        harness.rerun_in_own_network()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
    build = options.build.resolve()

    result = {}
    for title, arguments in (("1 GiB on one stream", ["throughput", str(1 << 30)]), ("ping-pong of 64 bytes", ["pingpong", "20000"])):
        ours, tls = side_by_side(build, options.runs, arguments)
        result[title] = {"p2pd": ours, "TLS over TCP": tls, "ratio": {key: round(ours[key] / tls[key], 3) for key in ours}}
    result["dial"] = dial_times(build, options.runs)
    result["API calls on one connection"] = api_calls(build, options.runs)
    result["memory and idle"] = memory(build, options.peers)

    result["relay (one run)"] = relay_cost.measure(build, options.sessions)

    print(f"medians of {options.runs} runs, loopback, two processes\n")
    for title, values in result.items():
        print(title)
        for name, value in values.items():
            text = "  ".join(f"{key} {figure}" for key, figure in value.items()) if isinstance(value, dict) else value
            print(f"  {name:<52} {text}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
