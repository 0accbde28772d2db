"""Events as a program gets them: by topic and peer, a snapshot first, numbered without a gap, and what a slow reader is told."""
import json

import harness
from api_client import Connection
from case import LabCase, main


class Events(LabCase):
    def subscriber(self, daemon, **params):
        client = Connection(daemon)
        self.addCleanup(client.close)
        if params:
            answer = client.call("events.subscribe", params)
            self.assertIn("result", answer, answer)
        return client

    def three(self):
        """alice, who lists bob and carol."""
        relays = [self.lab.relay()]
        alice, bob, carol = (self.lab.daemon(name, relays) for name in ("alice", "bob", "carol"))
        harness.introduce(alice, bob)
        harness.introduce(alice, carol)
        return alice, bob, carol

    def test_by_topic_and_peer(self):
        alice, bob, carol = self.three()
        of_bob = self.subscriber(alice, topics=["peer", "message"], peers=["bob"])
        of_both = self.subscriber(alice, topics=["message"], peers=["bob", carol.id()])
        self.assertEqual([peer["name"] for peer in of_bob.next()["peers"]], ["bob"])
        self.assertEqual({peer["name"] for peer in of_both.next()["peers"]}, {"bob", "carol"})
        for peer in ("carol", "bob"):
            alice.ctl("send", peer, "hello")
            told = of_both.until("delivered")
            self.assertEqual([(e["topic"], e["name"]) for e in told], [("message", peer)])
        told = of_bob.until("delivered")
        self.assertEqual({event["name"] for event in told}, {"bob"})
        self.assertEqual({event["topic"] for event in told}, {"peer", "message"})
        self.assertEqual([event["seq"] for event in told], list(range(2, 2 + len(told))))

    def test_the_snapshot_shows_the_files_under_way(self):
        relays = [self.lab.relay()]
        alice = self.lab.daemon("alice", relays)
        absent = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqraa"
        alice.ctl("peer", "add", "absent", absent)
        path = self.lab.folder / "some.file"
        path.write_text("content")
        alice.ctl("send", "absent", "--file", str(path), "--timeout", "0.5", check=False)
        self.assertEqual([f["file"] for f in self.subscriber(alice, topics=["file"]).next()["files"]], ["some.file"])
        self.assertNotIn("files", self.subscriber(alice, topics=["peer"]).next())

    def test_what_is_asked_for_wrongly(self):
        alice = self.lab.daemon("alice", [])
        client = self.subscriber(alice)
        for params, reason in (({"topics": ["peer"], "peers": []}, "invalid_params"), ({"topics": []}, "invalid_params"),
                               ({"topics": ["weather"]}, "invalid_params"), ({"topics": ["peer"], "peers": ["eve"]}, "unknown_peer")):
            self.assertEqual(client.call("events.subscribe", params)["error"]["data"]["reason"], reason)

    def test_p2pctl_watches_topics_and_peers(self):
        alice, _, _ = self.three()
        with alice.follow("--json", "watch", "--topic", "message", "carol") as next_event:
            self.assertEqual([p["name"] for p in json.loads(next_event())["peers"]], ["carol"])
            for peer in ("bob", "carol"):
                alice.ctl("send", peer, "hello")
            event = json.loads(next_event())
            self.assertEqual((event["topic"], event["type"], event["name"]), ("message", "delivered", "carol"))
        self.says_no(alice, 3, "weather", "watch", "--topic", "weather")
        self.says_no(alice, 1, "eve", "watch", "eve")

    def test_who_does_not_read_is_told_once_and_may_begin_again(self):
        alice = self.lab.daemon("alice", [])
        slow = self.subscriber(alice)
        subscriptions = [slow.call("events.subscribe", {"topics": ["daemon"]})["result"]["subscription"] for _ in range(16)]
        busy = self.subscriber(alice)
        # More than the daemon keeps for a client, and than the socket takes.
        for _ in range(8):
            for _ in range(100):
                busy.socket.sendall(b'{"jsonrpc":"2.0","id":1,"method":"daemon.reload"}\n')
            for _ in range(100):
                self.assertIn("result", json.loads(busy.lines.readline()))
        told = {number: [] for number in subscriptions}
        over = 0
        while over < len(subscriptions):
            event = slow.next()
            told[event["subscription"]].append(event)
            over += event["type"] == "overflow"
        for events in told.values():
            self.assertEqual([event["seq"] for event in events], list(range(1, len(events) + 1)))
            self.assertEqual([e["type"] for e in events if e["type"] != "reloaded"], ["snapshot", "overflow"])
            self.assertEqual(events[-1]["type"], "overflow")
            self.assertLess(len(events), 800)
        slow.call("events.subscribe", {"topics": ["daemon"]})
        self.assertEqual(slow.next()["type"], "snapshot")
        busy.call("daemon.reload")
        self.assertEqual(slow.next()["type"], "reloaded")


if __name__ == "__main__":
    main()
