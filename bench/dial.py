"""From `p2pctl connect` to the first usable path and to the direct one, each time between fresh daemons."""
from measure import OURS, median_of, harness


def dial(bench):
    runs = []
    for _ in range(bench.runs):
        with bench.lab() as lab:
            relay = lab.relay()
            alice, bob = lab.daemon("alice", [relay]), harness.Daemon(lab, harness.Host("bob", "127.0.0.1"), [relay])
            harness.introduce(alice, bob)
            for daemon in (alice, bob):
                daemon.ctl("wait", "online")
            done = alice.json("connect", "bob", "--wait", "direct", "--timeout", "30")
            runs.append({"to_relay_ms": done["to_relay_ms"], "to_direct_ms": done["to_direct_ms"]})
    return {"dial": {OURS: median_of(runs)}}
