"""SIGKILL of any of the three, then a restart: nothing to repair by hand, and what was queued arrives once, in order."""
import os
import random
import time

import harness
from case import LabCase, main


class Kills(LabCase):

    def test_any_of_the_three_at_any_moment(self):
        rounds = int(os.environ.get("P2PD_KILLS", "6"))
        seed = int(os.environ.get("P2PD_SEED", str(random.randrange(2**32))))
        print(f"seed {seed}: P2PD_SEED={seed} repeats it", flush=True)
        dice = random.Random(seed)
        alice, bob, (relay,) = self.pair()
        alice.ctl("connect", "bob")
        slowest = 0.0
        for number in range(rounds):
            victim = [alice, bob, relay][number % 3]
            alice.ctl("send", "bob", f"a{number} before")
            bob.ctl("send", "alice", f"b{number} before")
            # Anywhere between at once and a little later than a connection takes.
            harness.until(lambda end=time.monotonic() + dice.random() * 0.3: time.monotonic() > end, "the moment")
            victim.kill()
            for sender, other in ((alice, "bob"), (bob, "alice")):
                if victim is not sender:
                    sender.ctl("send", other, f"{sender.name[0]}{number} meanwhile")
            victim.start()
            for daemon in (alice, bob):
                daemon.ctl("wait", "online", "--timeout", "60")
            back = time.monotonic()
            alice.ctl("ping", "bob", "-c", "1")
            slowest = max(slowest, time.monotonic() - back)
            for receiver, sender in ((bob, alice), (alice, bob)):
                letter = sender.name[0]
                expected = [f"{letter}{number} before"]
                if victim is not sender:
                    expected.append(f"{letter}{number} meanwhile")
                got = [message["text"] for message in harness.receive(receiver, sender.name, len(expected))]
                self.assertEqual(got, expected, f"{receiver.name}, round {number}, {victim.name} killed")
        print(f"slowest: {slowest * 1000:.0f} ms from both relay sessions' return to a ping's reply", flush=True)
        for receiver, sender in ((bob, "alice"), (alice, "bob")):
            self.assertEqual(receiver.ctl("--json", "recv", sender).stdout, "", "a message arrived twice")


if __name__ == "__main__":
    main()
