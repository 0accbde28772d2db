"""What peers cost while nothing happens: anonymous memory and CPU time of a daemon with none, one and many.

The others are real daemons of the same machine, so --peers 1000 needs 16 GiB of memory and some minutes.
"""
import select
import time

from measure import OURS, anonymous_kib, cpu_seconds, harness

IDLE_SECONDS = 10


def idle(bench):
    return {f"idle, {label}": {OURS: idle_peers(bench, mode, bench.peers)}
            for label, mode in (("on the relay only", "off"), ("direct", "on"))}


def idle_peers(bench, mode, count):
    out = {}
    with bench.lab() as lab:
        relay = lab.relay()
        hub = lab.daemon("hub", [relay], arguments=["--direct", mode])
        out["kib_without_peers"] = anonymous_kib(hub.process)
        for number in range(count):
            host = harness.Host(f"peer{number}", "127.0.0.1")
            other = harness.Daemon(lab, host, [relay], arguments=["--direct", mode])
            harness.introduce(hub, other)
            hub.ctl("connect", other.name, "--wait", "direct" if mode == "on" else "relay", "--timeout", "60")
            if number == 0:
                out["kib_with_1_peer"] = anonymous_kib(hub.process)
                out["cpu_percent_with_1_peer"] = idle_cpu(hub)
        out[f"kib_with_{count}_peers"] = anonymous_kib(hub.process)
        if count > 1:
            further = out[f"kib_with_{count}_peers"] - out["kib_with_1_peer"]
            out["kib_each_further_peer"] = round(further / (count - 1), 1)
            out[f"cpu_percent_with_{count}_peers"] = idle_cpu(hub)
    return out


def idle_cpu(daemon):
    """Percent of a core."""
    start, before = time.monotonic(), cpu_seconds(daemon.process)
    select.select([], [], [], IDLE_SECONDS)
    return round((cpu_seconds(daemon.process) - before) / (time.monotonic() - start) * 100, 2)
