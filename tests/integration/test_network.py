"""The network under a daemon changes: it notices by itself, and what was connected stays so."""
import time

import harness
import servers
from case import LabCase, main, needs_namespaces


def move(daemon, address):
    """The host's only address goes, another comes: what a laptop sees between two networks."""
    daemon.host.run("ip", "addr", "flush", "dev", "eth0")
    daemon.host.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")


class BehindADeadResolver(harness.Daemon):
    """Names are asked for, and nobody answers."""

    def command(self, state=None, socket=None):
        return servers.seeing(self.state, {"resolv.conf": "nameserver 127.0.0.1\n"}, super().command(state, socket))


class Network(LabCase):
    def direct_pair(self):
        alice, bob, relays = self.pair()
        alice.ctl("connect", "bob", "--wait", "direct", "--timeout", "30")
        bob.ctl("wait", "alice", "--direct", "--timeout", "30")
        return alice, bob, relays

    def exchange(self, alice, bob, word):
        """Messages both ways; prints how long they took."""
        began = time.monotonic()
        alice.ctl("send", "bob", f"{word} from alice")
        bob.ctl("send", "alice", f"{word} from bob")
        self.assertEqual([m["text"] for m in harness.receive(bob, "alice")], [f"{word} from alice"])
        self.assertEqual([m["text"] for m in harness.receive(alice, "bob")], [f"{word} from bob"])
        print(f"{word}: messages both ways after {time.monotonic() - began:.2f} s", flush=True)

    @needs_namespaces
    def test_a_host_that_moved_keeps_its_connection_and_is_direct_again(self):
        alice, bob, _ = self.direct_pair()
        connection = alice.peer("bob")["connection"]
        move(alice, "10.77.0.201")
        self.exchange(alice, bob, "moved")
        harness.until(lambda: "10.77.0.201" in str(alice.peer("bob")["local_candidate"]), "a pair with the new address")
        self.assertEqual(alice.peer("bob")["path"], "direct")
        harness.until(lambda: bob.peer("alice")["path"] == "direct", "bob to be direct as well")
        self.assertEqual(alice.peer("bob")["connection"], connection)
        self.assertIn("the network changed", alice.log())

    @needs_namespaces
    def test_both_ends_moved_at_once(self):
        alice, bob, _ = self.direct_pair()
        connection = alice.peer("bob")["connection"]
        move(alice, "10.77.0.201")
        move(bob, "10.77.0.202")
        self.exchange(alice, bob, "both moved")
        harness.until(lambda: "10.77.0.202" in str(alice.peer("bob")["remote_candidate"]), "a pair with the new addresses")
        self.assertEqual(alice.peer("bob")["connection"], connection)

    @needs_namespaces
    def test_a_relay_session_is_back_when_the_network_is(self):
        relay = self.lab.relay()
        alice = self.lab.daemon("alice", [relay])
        alice.ctl("wait", "online")
        alice.host.run("ip", "link", "set", "eth0", "down")
        harness.until(lambda: alice.json("status")["relay"]["state"] != "online", "the session to be given up")
        alice.host.run("ip", "link", "set", "eth0", "up")
        alice.ctl("wait", "online")

    @needs_namespaces
    def test_the_address_that_worked_before_is_told_first(self):
        """Of two addresses only the second one leads to the peer, and a restart does not forget it."""
        alice, bob, _ = self.pair()
        first, second = alice.host.address, "10.77.0.201"
        alice.host.run("ip", "addr", "add", f"{second}/24", "dev", "eth0")
        bob.host.run("nft", f"table inet closed {{ chain in {{ type filter hook input priority 0; "
                            f"ip saddr {first} meta l4proto udp drop; }}; }}")

        def told_first():
            alice.ctl("connect", "bob", "--wait", "direct", "--timeout", "30")
            candidates = alice.json("history", "bob")["attempts"][0]["candidates"]
            return [one["address"].rsplit(":", 1)[0] for one in candidates if one["side"] == "local"][0]

        self.assertEqual(told_first(), first)
        self.assertIn(second, alice.peer("bob")["local_candidate"])
        alice.ctl("disconnect", "bob")
        self.assertEqual(told_first(), second)
        alice.stop()
        alice.start()
        self.assertEqual(told_first(), second)

    @needs_namespaces
    def test_a_name_that_is_being_looked_up_does_not_hold_up_the_end(self):
        host = self.lab.host("alice")
        host.run("nft", "table inet quiet { chain in { type filter hook input priority 0; udp dport 53 drop; }; }")
        alice = BehindADeadResolver(self.lab, host, ["ws://relay.test:443"])
        self.assertEqual(alice.stop(), 0, alice.log())

    @needs_namespaces
    def test_a_new_address_is_told_and_one_of_loopback_is_not(self):
        alice = self.lab.daemon("alice", [self.lab.relay()])
        alice.ctl("wait", "online")
        with alice.follow("--json", "watch") as next_event:
            self.assertIn("snapshot", next_event())
            alice.host.run("ip", "addr", "add", "127.0.0.5/8", "dev", "lo")
            alice.host.run("ip", "addr", "add", "10.99.0.1/24", "dev", "eth0")
            while '"changed"' not in next_event():
                pass
        self.assertEqual(alice.log().count("the network changed"), 1)


if __name__ == "__main__":
    main()
