"""A thousand connections at once through `p2pctl forward`, each getting a megabyte of its own whose hash is verified, with and
without one more that asked for 64 MB and never reads.

By itself: bench/run.py BUILD --only forward.
"""
import contextlib
import subprocess

from measure import connected_pair, harness

CONNECTIONS = 1_000
SIZE = 1_000_000


def forward(bench):
    with bench.lab() as lab:
        alice, bob = connected_pair(lab)
        with running(bench.build / "bench" / "bench_forward", "serve") as port:
            bob.ctl("expose", "bench", f"tcp:127.0.0.1:{port}", "--allow", "alice")
            with running(bench.build / "p2pctl", "--socket", alice.socket, "forward", "0", "bob", "bench") as listening:
                def once(*stalled):
                    return bench.run("bench_forward", "ask", listening.rpartition(":")[2], CONNECTIONS, SIZE, *stalled)

                return {"1,000 connections of 1 MB through forward": bench.side_by_side(
                    {"beside a stalled reader": lambda: once("stalled"), "no stalled reader": once}, min(bench.runs, 3))}


@contextlib.contextmanager
def running(*command):
    """A program that says in its first line where it listens."""
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    try:
        line = process.stdout.readline().strip()
        if not line:
            raise harness.Failed(f"{command[0]} did not begin to listen")
        yield line
    finally:
        process.terminate()
        process.communicate()
