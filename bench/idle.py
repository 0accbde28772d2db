"""What peers cost while nothing happens: anonymous memory and CPU time of a daemon with none, one, ten and many.

The others are real daemons of the same machine, so --peers 1000 needs 16 GiB of memory and some minutes.
"""
import select
import time

from measure import OURS, anonymous_kib, cpu_seconds, harness

# A path is idle 30 s after its last QUIC packet: only then its heartbeats slow down (peer/link_path.cpp). What is left
# of the dials by then (searching for the packet size, checks of pairs that lead nowhere) is over long before. The rest
# is for the last beat of the quicker kind.
SETTLE_SECONDS = 45
# Two of the slow heartbeats, so that their phase makes no difference.
IDLE_SECONDS = 30


def idle(bench):
    return {f"idle, {label}": {OURS: idle_peers(bench, mode, bench.peers)}
            for label, mode in (("on the relay only", "off"), ("direct", "on"))}


def idle_peers(bench, mode, count):
    """Hubs of one, ten and `count` peers, which settle and are measured side by side."""
    out = {}
    with bench.lab() as lab:
        relay = lab.relay()
        hubs = {size: lab.daemon(f"hub{size}", [relay], arguments=["--direct", mode])
                for size in sorted({1, min(10, count), count})}
        out["kib_without_peers"] = anonymous_kib(hubs[count].process)
        for number in range(count):
            host = harness.Host(f"peer{number}", "127.0.0.1")
            other = harness.Daemon(lab, host, [relay], arguments=["--direct", mode])
            for size, hub in hubs.items():
                if number < size:
                    harness.introduce(hub, other)
                    hub.ctl("connect", other.name, "--wait", "direct" if mode == "on" else "relay", "--timeout", "60")
        select.select([], [], [], SETTLE_SECONDS)
        cpu = idle_cpu(hubs)
        for size, hub in hubs.items():
            peers = "1_peer" if size == 1 else f"{size}_peers"
            out[f"kib_with_{peers}"] = anonymous_kib(hub.process)
            out[f"cpu_percent_with_{peers}"] = cpu[size]
        if count > 1:
            further = out[f"kib_with_{count}_peers"] - out["kib_with_1_peer"]
            out["kib_each_further_peer"] = round(further / (count - 1), 1)
    return out


def idle_cpu(daemons):
    """Percent of a core, of each."""
    start, before = time.monotonic(), {key: cpu_seconds(daemon.process) for key, daemon in daemons.items()}
    select.select([], [], [], IDLE_SECONDS)
    passed = time.monotonic() - start
    return {key: round((cpu_seconds(daemon.process) - before[key]) / passed * 100, 3) for key, daemon in daemons.items()}
