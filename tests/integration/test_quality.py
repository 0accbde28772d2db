"""How good a connection is: in status, as an event a second while somebody listens, and in the history."""
import json

import harness
from case import LabCase, main


class Quality(LabCase):
    def test_status_events_and_history_tell_it(self):
        alice, bob, _ = self.pair()
        self.assertIsNone(alice.peer("bob")["quality"])
        alice.ctl("connect", "bob", "--wait", "direct", "--timeout", "30")
        alice.ctl("send", "bob", "-", text_input="x" * 100_000)
        harness.receive(bob, "alice")
        quality = alice.peer("bob")["quality"]
        self.assertLess(0, quality["rtt_ms"])
        self.assertLess(0, quality["packets_sent"])
        self.assertLessEqual(1, quality["switches"])
        self.assertLess(0, quality["time_ms"]["direct"] + quality["time_ms"]["relay"])
        self.assertIn("quality", alice.ctl("status", "bob").stdout)
        with alice.follow("--json", "watch") as next_event:
            seen = []
            while len(seen) < 2:
                event = json.loads(next_event())
                if event["type"] == "quality":
                    seen.append(event)
        for event in seen:
            self.assertEqual((event["topic"], event["name"], event["path"]), ("peer", "bob", "direct"))
            self.assertLessEqual({"rtt_ms", "jitter_ms", "loss", "delivery_rate", "bytes", "time_ms", "switches"}, set(event))
        self.assertLess(seen[0]["time_ms"]["direct"], seen[1]["time_ms"]["direct"])
        alice.ctl("disconnect", "bob")

        def kept():
            quality = alice.json("history", "bob")["attempts"][0]["quality"]
            return quality if quality["bytes"]["direct_tx"] > 100_000 else None

        kept = harness.until(kept, "the history to have how it ended")
        self.assertLess(0, kept["time_ms"]["direct"])
        self.assertIn("round trip", alice.ctl("history", "bob").stdout)
        self.assertIsNone(alice.peer("bob")["quality"])


if __name__ == "__main__":
    main()
