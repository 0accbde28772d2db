"""Streams: of the transport alone (two processes with a QUIC connection each), and between programs through both daemons.

By itself: bench/run.py BUILD --only transport, --only streams.
"""
from measure import OURS, TLS, connected_pair, cpu_seconds

GIB = 1 << 30
# How many of a size make about a second.
MESSAGES = {256: 2_000_000, 1_000: 1_000_000, 10_000: 100_000, 100_000: 10_000}
ROUNDS = 20_000


def transport(bench):
    """Beside TLS over TCP in two processes, and beside datagrams without a protocol."""
    def both(*task):
        return {OURS: lambda: bench.run("bench_transport", *task), TLS: lambda: bench.run("bench_tls", *task)}

    bulk = both("throughput", GIB)
    if (bench.build / "bench" / "bench_udp").exists():
        bulk["UDP with GSO"] = lambda: bench.run("bench_udp", "throughput", GIB)
    out = {"1 GiB on one stream": bench.side_by_side(bulk)}
    out["1 GiB on 100 streams"] = bench.side_by_side({OURS: lambda: bench.run("bench_transport", "throughput", GIB, 100)})
    for size, count in MESSAGES.items():
        out[f"messages of {size:,} bytes on one stream"] = bench.side_by_side(both("messages", size, count))
    out["ping-pong of 64 bytes"] = bench.side_by_side(both("pingpong", ROUNDS))
    return out


def streams(bench):
    """Application to application: two programs at the Unix sockets of two daemons on a direct path."""
    out = {}
    with bench.lab() as lab:
        alice, bob = connected_pair(lab)

        def through(*task):
            before = cpu_seconds(alice.process, bob.process)
            figures = bench.run("bench_stream", alice.socket, bob.socket, "bob", *task)
            used = cpu_seconds(alice.process, bob.process) - before
            if task[0] == "throughput":
                figures["cpu_s_per_gib"] = round(figures["cpu_s_per_gib"] + used * GIB / task[1], 2)
            elif task[0] == "messages":
                figures["cpu_us_per_message"] = round(figures["cpu_us_per_message"] + used * 1e6 / task[2], 3)
            return figures

        for title, task in (("1 GiB", ("throughput", GIB)), ("messages of 256 bytes", ("messages", 256, MESSAGES[256])),
                            ("ping-pong of 64 bytes", ("pingpong", ROUNDS))):
            out[f"{title}, application to application"] = bench.side_by_side(
                {OURS: lambda task=task: through(*task), TLS: lambda task=task: bench.run("bench_tls", *task)})
    return out
