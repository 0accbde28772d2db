"""What the project is for: connected means bytes move, on the path it says, and a change of path loses none."""
import re

import harness
from case import LabCase, main, needs_namespaces


def quic_on_relay(daemon, name):
    counted = daemon.peer(name)["bytes"]
    return counted["relay_tx"] + counted["relay_rx"]


class Paths(LabCase):
    def test_from_relay_to_direct_and_not_one_quic_byte_on_the_relay_afterwards(self):
        alice, bob, _ = self.pair()
        done = alice.json("connect", "bob", "--wait", "direct", "--timeout", "30")
        self.assertEqual(done["path"], "direct")
        self.assertLess(0, done["to_relay_ms"])
        self.assertLessEqual(done["to_relay_ms"], done["to_direct_ms"])
        bob.ctl("wait", "alice", "--direct", "--timeout", "30")
        before = quic_on_relay(alice, "bob"), quic_on_relay(bob, "alice")
        self.assertLess(0, before[0])
        direct_before = alice.peer("bob")["bytes"]["direct_tx"]
        body = "x" * 100_000
        for _ in range(5):
            alice.ctl("send", "bob", "-", text_input=body)
        self.assertEqual([m["text"] for m in harness.receive(bob, "alice", 5)], [body] * 5)
        self.assertEqual((quic_on_relay(alice, "bob"), quic_on_relay(bob, "alice")), before)
        self.assertGreater(alice.peer("bob")["bytes"]["direct_tx"] - direct_before, 500_000)
        reply = alice.json("call", "peer.ping", '{"peer": "bob"}')
        self.assertEqual(reply["path"], "direct")

    def test_direct_off_stays_on_the_relay_and_says_so(self):
        relays = [self.lab.relay()]
        alice = self.lab.daemon("alice", relays, arguments=["--direct", "off"])
        bob = self.lab.daemon("bob", relays)
        harness.introduce(alice, bob)
        alice.ctl("connect", "bob")
        alice.ctl("send", "bob", "by relay")
        self.assertEqual(harness.receive(bob, "alice")[0]["text"], "by relay")
        self.assertEqual(alice.peer("bob")["why_not_direct"], "disabled")
        harness.until(lambda: bob.peer("alice")["why_not_direct"] == "peer_disabled", "bob to know why")
        self.assertEqual(alice.peer("bob")["bytes"]["direct_tx"], 0)
        self.says_no(alice, 1, "direct", "connect", "bob", "--wait", "direct")
        done = bob.ctl("connect", "alice", "--wait", "direct", "--timeout", "5", check=False)
        self.assertEqual(done.returncode, 6, done.stderr)

    def test_no_direct_for_one_connection(self):
        alice, bob, _ = self.pair()
        done = alice.json("connect", "bob", "--no-direct")
        self.assertEqual(done["path"], "relay")
        alice.ctl("send", "bob", "hello")
        harness.receive(bob, "alice")
        self.assertEqual(alice.peer("bob")["bytes"]["direct_tx"], 0)

    @needs_namespaces
    def test_a_silently_dead_direct_path_is_left_and_taken_again(self):
        alice, bob, _ = self.pair()
        alice.ctl("connect", "bob", "--wait", "direct", "--timeout", "30")
        bob.ctl("wait", "alice", "--direct", "--timeout", "30")
        self.lab.cut_udp(alice.host)
        for number in range(20):
            alice.ctl("send", "bob", f"cut {number}")
            bob.ctl("send", "alice", f"cut {number}")
        expected = [f"cut {number}" for number in range(20)]
        self.assertEqual([m["text"] for m in harness.receive(bob, "alice", 20)], expected)
        self.assertEqual([m["text"] for m in harness.receive(alice, "bob", 20)], expected)
        harness.until(lambda: alice.peer("bob")["path"] == "relay", "the dead path to be left")
        self.lab.mend_udp(alice.host)
        alice.ctl("wait", "bob", "--direct", "--timeout", "60")
        bob.ctl("wait", "alice", "--direct", "--timeout", "60")

    def test_the_relays_death_leaves_the_direct_path_alone(self):
        alice, bob, (relay,) = self.pair()
        alice.ctl("connect", "bob", "--wait", "direct", "--timeout", "30")
        connection = alice.peer("bob")["connection"]
        relay.kill()
        alice.ctl("send", "bob", "without a relay")
        self.assertEqual(harness.receive(bob, "alice")[0]["text"], "without a relay")
        relay.start()
        alice.ctl("wait", "online", "--timeout", "60")
        bob.ctl("wait", "online", "--timeout", "60")
        self.assertEqual(alice.peer("bob")["connection"], connection)

    def test_one_of_two_relays_dies_and_the_connection_lives(self):
        relays = [self.lab.relay("relay1"), self.lab.relay("relay2")] if not self.lab.loopback else [self.lab.relay()]
        if self.lab.loopback:
            self.skipTest("needs network namespaces for two relays")
        alice, bob, _ = self.pair(relays=relays, arguments=["--direct", "off"])
        alice.ctl("connect", "bob")
        connection = alice.peer("bob")["connection"]
        for dying, living in (relays, relays[::-1]):
            dying.kill()
            alice.ctl("send", "bob", "over the other relay")
            self.assertEqual(harness.receive(bob, "alice")[0]["text"], "over the other relay")
            dying.start()
            for daemon in (alice, bob):
                harness.until(lambda: all(r["state"] == "online" for r in daemon.json("status")["relays"]), "both relays")
        self.assertEqual(alice.peer("bob")["connection"], connection)

    def test_a_relay_with_two_urls_is_joined_once(self):
        relay = self.lab.relay(arguments=["--listen", f"{self.lab.host('relay').address}:0"])
        other_url = harness.until(lambda: re.findall(r"relay: listening .*?url=\"?(ws://[0-9.:]+)", relay.log())[1:],
                                  "the relay's second address")[0]
        alice, bob = self.lab.daemon("alice", [relay]), self.lab.daemon("bob", [relay])
        alice.ctl("peer", "add", "bob", bob.id(), "--relay", other_url)
        bob.ctl("peer", "add", "alice", alice.id())
        alice.wait_log("one is enough", "the second URL to be known as the same relay's")
        alice.ctl("send", "bob", "hello")
        self.assertEqual(harness.receive(bob, "alice")[0]["text"], "hello")
        self.assertNotIn("a newer session of the same key took over", alice.log())
        states = {relay["url"]: relay["state"] for relay in alice.json("status")["relays"]}
        self.assertEqual(states[relay.url], "online")

    def test_history_and_watch_tell_the_story(self):
        alice, bob, _ = self.pair()
        with alice.follow("--json", "watch") as next_event:
            self.assertIn("snapshot", next_event())
            alice.ctl("connect", "bob", "--wait", "direct", "--timeout", "30")
            while '"direct"' not in next_event():
                pass
        attempt = alice.json("history", "bob")["attempts"][0]
        self.assertLessEqual({"local", "remote"}, {c["side"] for c in attempt["candidates"]})
        self.assertIn("direct", {path["to"] for path in attempt["paths"]})
        self.assertIsNotNone(attempt["to_direct_ms"])


if __name__ == "__main__":
    main()
