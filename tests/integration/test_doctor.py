"""doctor: both ends' networks in one verdict."""
import harness
from case import LabCase, main, needs_namespaces


class Doctor(LabCase):
    def test_of_a_direct_path_and_of_both_ends(self):
        alice, bob, _ = self.pair()
        alice.ctl("connect", "bob", "--wait", "direct", "--timeout", "30")
        found = alice.json("doctor", "bob")
        self.assertEqual((found["name"], found["path"], found["why_not_direct"]), ("bob", "direct", None))
        self.assertIn("is direct", found["verdict"])
        for side, host in (("here", alice.host), ("there", bob.host)):
            self.assertEqual(found[side]["ipv4"]["mapping"], "none")
            self.assertTrue(found[side]["ipv4"]["outside"].startswith(host.address + ":"))
            self.assertIn("host", {candidate["type"] for candidate in found[side]["candidates"]})
        shown = alice.ctl("doctor", "bob").stdout
        for words in ("is direct", "here", "at bob", "IPv4"):
            self.assertIn(words, shown)

    def test_switched_off_there_it_tells_no_address(self):
        relay = self.lab.relay()
        alice = self.lab.daemon("alice", [relay])
        bob = self.lab.daemon("bob", [relay], arguments=["--direct", "off"])
        for one, other in ((alice, bob), (bob, alice)):
            one.ctl("peer", "add", other.name, other.id())
        alice.ctl("connect", "bob")
        found = alice.json("doctor", "bob")
        self.assertEqual(found["why_not_direct"], "peer_disabled")
        self.assertIn("switched off at bob", found["verdict"])
        self.assertFalse(found["there"]["direct"])
        self.assertIsNone(found["there"]["ipv4"]["outside"])
        self.assertEqual(found["there"]["candidates"], [])
        found = bob.json("doctor", "alice")
        self.assertEqual(found["why_not_direct"], "disabled")
        self.assertIn("p2pd.conf", found["advice"])
        # Nor is an address told to who has direct paths off.
        alice.ctl("peer", "set", "bob", "direct=off")
        self.assertFalse(bob.json("doctor", "alice")["there"]["direct"])

    def test_without_a_connection_it_says_what_failed(self):
        alice, bob, (relay,) = self.pair()
        found = alice.json("doctor", "bob")
        self.assertEqual((found["path"], found["there"]), (None, None))
        self.assertIn("not connected with bob", found["verdict"])
        self.assertIn("p2pctl connect bob", found["advice"])
        relay.kill()
        alice.wait_log("relay: ", "the relay's end")
        self.assertIn("not connected with bob", alice.json("doctor", "bob")["verdict"])

    @needs_namespaces
    def test_two_symmetric_nats_are_found_and_named(self):
        relay = self.stun_relay()
        alice, bob = (self.lab.daemon(self.place_behind(name, f"router-{name}", "masquerade random").name, [relay])
                      for name in ("alice", "bob"))
        harness.introduce(alice, bob)
        with alice.follow("--json", "watch") as next_event:
            alice.ctl("connect", "bob")
            # Both networks are checked without being asked, once ICE has given up.
            while '"why_not_direct":"symmetric_nat"' not in next_event():
                pass
        self.assertEqual(alice.peer("bob")["why_not_direct"], "symmetric_nat")
        found = alice.json("doctor", "bob")
        self.assertEqual(found["why_not_direct"], "symmetric_nat")
        self.assertIn("here: symmetric; at bob: symmetric", found["verdict"])
        self.assertIn("open a port", found["advice"])

    def test_wrong_input(self):
        alice, _, _ = self.pair()
        self.says_no(alice, 1, "carol", "doctor", "carol")
        self.says_no(alice, 1, "timeout_ms", "call", "peer.diagnose", '{"peer": "bob", "timeout_ms": -1}')


if __name__ == "__main__":
    main()
