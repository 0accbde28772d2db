"""What the measurements share: programs that report one JSON line, medians of runs, and what a process costs.

A section is a function of a Bench that returns {title: {who: {figure: number}}}. Where several do the same task, the first
is p2pd and each other one a yardstick of the same run.
"""
import ctypes
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "integration"))
import harness  # noqa: E402

OURS = "p2pd"
TLS = "TLS over TCP"


class Bench:
    def __init__(self, build, runs, peers, sessions):
        self.build, self.runs, self.peers, self.sessions = build, runs, peers, sessions

    def run(self, program, *arguments):
        """One run of a program of bench/: the figures of its line."""
        done = subprocess.run([str(self.build / "bench" / program), *map(str, arguments)], capture_output=True, text=True,
                              timeout=300)
        if done.returncode != 0:
            raise harness.Failed(f"{program} {arguments}: {done.stderr}")
        figures = json.loads(done.stdout)
        figures.pop("what", None)
        return figures

    def side_by_side(self, ways, runs=None):
        """`ways` are functions of one run by who it is; in turn, so that a drifting machine meets all of them."""
        figures = {who: [] for who in ways}
        for _ in range(runs or self.runs):
            for who, once in ways.items():
                figures[who].append(once())
        return {who: median_of(each) for who, each in figures.items()}

    def lab(self):
        return harness.Lab(self.build, loopback=True)


def median_of(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def cpu_seconds(*processes):
    """User and system time of processes that are still running, to the nanosecond: /proc counts in hundredths."""
    clock, total = ctypes.c_int(), 0.0
    for process in processes:
        error = ctypes.CDLL(None).clock_getcpuclockid(process.pid, ctypes.byref(clock))
        if error != 0:
            raise harness.Failed(f"no CPU clock of {process.pid}: {os.strerror(error)}")
        total += time.clock_gettime(clock.value)
    return total


def anonymous_kib(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise harness.Failed("no RssAnon")


def connected_pair(lab, *arguments):
    """Two daemons that know and have reached each other on a direct path."""
    relay = lab.relay()
    pair = []
    for name in ("alice", "bob"):
        pair.append(harness.Daemon(lab, harness.Host(name, "127.0.0.1"), [relay], arguments=arguments))
    harness.introduce(*pair)
    pair[0].ctl("connect", "bob", "--wait", "direct", "--timeout", "30")
    return pair
