"""What one connection to the API can ask: calls a second with their latency, and durable messages, stored and delivered."""
import json
import subprocess
import time

from measure import OURS, connected_pair, cpu_seconds, median_of, harness

BODY = "x" * 256
# Below what may wait for one peer.
MESSAGES = 9_000
DELIVERED = 30_000
WINDOW = 128


def someone(number):
    """The ID of a peer that is nowhere."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnop" + alphabet[number // 32] + alphabet[number % 32] + "aa"


def message_to(peer):
    return json.dumps({"peer": peer, "text": BODY})


def calls(bench):
    """A daemon with one peer, which is away: messages to such are stored and not sent on."""
    loads = {"daemon.status, one by one": ("daemon.status", "{}", 20_000, 1),
             "daemon.status, pipelined": ("daemon.status", "{}", 60_000, 64)}
    measured = {title: [] for title in [*loads, "durable 256-byte messages, stored"]}
    with bench.lab() as lab:
        daemon = lab.daemon("alice", [])
        for number in range(bench.runs):
            daemon.ctl("peer", "add", f"absent{number}", someone(number))
            if number > 0:
                daemon.ctl("peer", "remove", f"absent{number - 1}")
            for title, load in loads.items():
                measured[title].append(load_once(bench, daemon, *load))
            measured["durable 256-byte messages, stored"].append(
                load_once(bench, daemon, "message.send", message_to(f"absent{number}"), MESSAGES, WINDOW))
    return {title: {OURS: median_of(each)} for title, each in measured.items()}


def load_once(bench, daemon, method, params, count, window):
    before = cpu_seconds(daemon.process)
    figures = bench.run("bench_api", daemon.socket, method, params, count, window)
    figures["daemon_cpu_us_per_call"] = round((cpu_seconds(daemon.process) - before) * 1e6 / count, 1)
    return figures


def delivered(bench):
    """All the way: stored by the sender's daemon, sent, stored by the receiver's and taken by the program there."""
    runs = []
    with bench.lab() as lab:
        alice, bob = connected_pair(lab)
        for _ in range(bench.runs):
            runs.append(deliver_once(bench, alice, bob))
    return {"durable 256-byte messages, delivered and read": {OURS: median_of(runs)}}


def deliver_once(bench, alice, bob):
    before = cpu_seconds(alice.process, bob.process)
    start = time.monotonic()
    with subprocess.Popen([bench.build / "bench" / "bench_inbox", bob.socket, "alice", str(DELIVERED)]) as reader:
        sent = bench.run("bench_api", alice.socket, "message.send", message_to("bob"), DELIVERED, WINDOW)
        if reader.wait(timeout=harness.DEADLINE) != 0:
            raise harness.Failed("bench_inbox failed")
    took = time.monotonic() - start
    used = cpu_seconds(alice.process, bob.process) - before
    return {"messages_per_s": round(DELIVERED / took), "accepted_per_s": sent["calls_per_s"],
            "both_daemons_cpu_us_per_message": round(used * 1e6 / DELIVERED, 1)}
