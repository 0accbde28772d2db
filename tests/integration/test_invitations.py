"""Invitations: two machines become peers by a ticket, once, and every ticket that does not work says why."""
import base64
import json
import signal
import subprocess
import zlib

import harness
from case import LabCase, main

PREFIX = b"p2pd1"


def unpack(ticket):
    """The ticket's payload: u32 expiry, inviter[32], id[8], secret[16], relays."""
    text = ticket.strip()[len(PREFIX):].upper()
    return bytearray(base64.b32decode(text + "=" * (-len(text) % 8))[:-4])


def pack(payload):
    whole = bytes(payload) + zlib.crc32(PREFIX + bytes(payload)).to_bytes(4, "big")
    return PREFIX.decode() + base64.b32encode(whole).decode().rstrip("=").lower()


class Invitations(LabCase):
    def setUp(self):
        super().setUp()
        self.relay = self.lab.relay()
        self.alice = self.lab.daemon("alice", [self.relay])
        self.alice.ctl("wait", "online")

    def invite(self, *options):
        return self.alice.ctl("invite", *options).stdout

    def accept(self, daemon, ticket, *options):
        return daemon.ctl("accept", "-", *options, text_input=ticket)

    def refused(self, daemon, ticket, words, status=1, *options):
        return self.says_no(daemon, status, words, "accept", "-", *options, text_input=ticket)

    def invitation(self, index=0):
        return self.alice.json("invite", "--list")["invitations"][index]

    def names(self, daemon):
        return [peer["name"] for peer in daemon.json("peer", "list")["peers"]]

    def test_one_line_through_standard_input_pairs_two_machines_that_then_talk(self):
        bob = self.lab.daemon("bob", [self.relay])
        with self.alice.follow("--json", "watch") as alice_event, bob.follow("--json", "watch") as bob_event:
            alice_event(), bob_event()  # the snapshots
            done = self.alice.ctl("invite", "--name", "bob")
            self.assertEqual(len(done.stdout.split()), 1)
            paired = self.accept(bob, "\n  " + done.stdout, "--name", "alice")
            self.assertIn("paired with alice", paired.stdout)
            for event, name, identity in ((alice_event, "bob", bob.id()), (bob_event, "alice", self.alice.id())):
                told = json.loads(event())
                while told["type"] != "paired":
                    told = json.loads(event())
                self.assertEqual((told["topic"], told["name"], told["id"]), ("peer", name, identity))
        self.assertEqual(self.names(self.alice), ["bob"])
        self.assertEqual(self.names(bob), ["alice"])
        bob.ctl("connect", "alice")
        self.alice.ctl("send", "bob", "hello bob")
        self.assertEqual(harness.receive(bob, "alice")[0]["text"], "hello bob")
        bob.ctl("send", "alice", "hello alice")
        self.assertEqual(harness.receive(self.alice, "bob")[0]["text"], "hello alice")
        used = self.invitation()
        self.assertEqual((used["state"], used["peer"], used["peer_name"]), ("used", bob.id(), "bob"))

    def test_a_machine_without_a_relay_of_its_own_comes_by_the_tickets(self):
        bob = self.lab.daemon("bob", [])
        self.accept(bob, self.invite())
        name = bob.json("peer", "list")["peers"][0]["name"]
        self.assertEqual(name, "peer-" + self.alice.id()[:8])
        bob.ctl("connect", name)
        self.assertEqual(self.names(self.alice), ["peer-" + bob.id()[:8]])

    def test_a_machine_on_another_relay_can_be_called_after_a_restart_of_both(self):
        other = self.lab.relay("other") if not self.lab.loopback else self.relay
        bob = self.lab.daemon("bob", [other])
        self.accept(bob, self.invite("--name", "bob"), "--name", "alice")
        for daemon in (self.alice, bob):
            daemon.stop()
            daemon.start()
        self.alice.ctl("connect", "bob", "--timeout", "30")

    def test_a_used_ticket_is_no_good_to_another_machine(self):
        bob, carol = self.lab.daemon("bob", [self.relay]), self.lab.daemon("carol", [self.relay])
        ticket = self.invite("--name", "bob")
        self.accept(bob, ticket)
        self.refused(carol, ticket, "used already")
        self.alice.stop()
        self.alice.start()
        self.refused(carol, ticket, "used already")
        self.assertEqual(self.names(self.alice), ["bob"])
        self.assertEqual(self.names(carol), [])

    def test_an_expired_ticket_is_no_good_by_either_clock(self):
        bob = self.lab.daemon("bob", [self.relay])
        ticket = self.invite("--expires", "1s")
        harness.until(lambda: self.invitation()["state"] == "expired", "the invitation to expire")
        self.refused(bob, ticket, "expired at")
        late = unpack(ticket)
        late[0:4] = b"\xff\xff\xff\xff"
        self.refused(bob, pack(late), "by the clock of who made it")
        self.assertEqual(self.names(self.alice), [])

    def test_a_revoked_ticket_is_no_good(self):
        bob = self.lab.daemon("bob", [self.relay])
        by_id, by_ticket = self.invite(), self.invite()
        self.alice.ctl("invite", "--revoke", self.invitation(0)["id"])
        self.alice.ctl("invite", "--revoke", "-", text_input=by_ticket)
        for ticket in (by_id, by_ticket):
            self.refused(bob, ticket, "revoked")
        self.assertEqual([self.invitation(i)["state"] for i in range(2)], ["revoked", "revoked"])
        self.says_no(self.alice, 1, "no such invitation", "invite", "--revoke", "0123456789abcdef")
        used = self.invite()
        self.accept(bob, used)
        self.says_no(self.alice, 1, "used already", "invite", "--revoke", used.strip())

    def test_an_altered_ticket_is_told_from_an_unknown_one(self):
        bob = self.lab.daemon("bob", [self.relay])
        good = self.invite().strip()
        changed = good[:40] + ("a" if good[40] != "a" else "b") + good[41:]
        for bad in (changed, good[:-1], good + "a", good.upper(), "hello", good[:60] + " " + good[60:]):
            self.refused(bob, bad, "not a whole, unchanged ticket")
        self.refused(bob, "p2pd2" + good[5:], "newer")
        self.refused(bob, "", "holds no ticket", 3)
        self.refused(bob, b"\xff\xfe\n", "no ticket")
        self.accept(bob, good)

    def test_ones_own_ticket_is_no_good(self):
        ticket = self.invite()
        self.refused(self.alice, ticket, "this very machine")
        self.assertEqual(self.invitation()["state"], "open")

    def test_who_does_not_know_the_secret_hears_nothing_and_spoils_nothing(self):
        bob = self.lab.daemon("bob", [self.relay])
        self.alice.ctl("log-level", "debug")
        ticket = self.invite()
        forged, unknown = unpack(ticket), unpack(ticket)
        forged[44] ^= 1   # the secret
        unknown[36] ^= 1  # the invitation's ID
        for bad in (forged, unknown):
            self.refused(bob, pack(bad), "did not answer", 5, "--timeout", "3")
        self.assertNotIn("admitted", self.alice.log())
        self.assertNotIn(bob.id()[:10], self.alice.log())
        self.assertEqual(self.invitation()["state"], "open")
        self.accept(bob, ticket)
        self.assertIn("admitted", self.alice.log())

    def test_a_lost_answer_is_asked_for_again(self):
        bob = self.lab.daemon("bob", [self.relay])
        ticket = self.invite("--name", "bob")
        accepting = subprocess.Popen([str(self.lab.build / "p2pctl"), "accept", "-"], env=bob.environment,
                                     stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        accepting.stdin.write(ticket.encode())
        accepting.stdin.close()
        harness.until(lambda: self.invitation()["state"] == "used", "the invitation to be used", step=0.001)
        bob.kill(signal.SIGKILL)
        accepting.wait(timeout=harness.DEADLINE)
        bob.start()
        self.accept(bob, ticket, "--name", "alice")
        self.assertEqual((self.names(self.alice), self.names(bob)), (["bob"], ["alice"]))
        # As if the joiner had been killed before it stored its side.
        bob.ctl("peer", "remove", "alice")
        self.accept(bob, ticket, "--name", "alice")
        bob.ctl("connect", "alice")
        # A peer that was removed does not come back by its old ticket.
        self.alice.ctl("peer", "remove", "bob")
        bob.ctl("peer", "remove", "alice")
        self.refused(bob, ticket, "used already")
        self.assertEqual(self.names(self.alice), [])

    def test_open_invitations_survive_the_inviters_death_and_the_joiner_waits_for_it(self):
        bob = self.lab.daemon("bob", [self.relay])
        ticket = self.invite("--name", "bob")
        self.alice.kill(signal.SIGKILL)
        accepting = subprocess.Popen([str(self.lab.build / "p2pctl"), "accept", "-", "--timeout", "60"],
                                     env=bob.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, text=True)
        accepting.stdin.write(ticket)
        accepting.stdin.close()
        bob.wait_log("invitation: accepting", "bob to begin")
        self.alice.start()
        self.assertEqual(accepting.wait(timeout=harness.DEADLINE), 0)
        self.assertIn("paired with", accepting.stdout.read())
        accepting.stdout.close()
        self.assertEqual(self.names(self.alice), ["bob"])

    def test_an_inviter_that_is_away_and_a_relay_that_is_down_are_told_apart(self):
        bob = self.lab.daemon("bob", [])
        ticket = self.invite()
        self.alice.stop()
        self.refused(bob, ticket, "check that p2pd runs there", 5, "--timeout", "1")
        self.relay.kill()
        harness.until(lambda: bob.json("status")["relays"] == [], "the ticket's relay to be let go")
        self.refused(bob, ticket, "no relay of the ticket is reachable", 1, "--timeout", "1")
        self.assertEqual(self.names(bob), [])

    def test_names_that_are_taken_are_told_before_the_ticket_is_spent(self):
        bob = self.lab.daemon("bob", [self.relay])
        bob.ctl("peer", "add", "desktop", "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrsa")
        ticket = self.invite("--name", "laptop")
        self.refused(bob, ticket, "another peer", 1, "--name", "desktop")
        self.refused(bob, ticket, "cannot be a name", 1, "--name", "a b")
        self.says_no(self.alice, 1, "open invitation", "invite", "--name", "laptop")
        self.accept(bob, ticket, "--name", "alice")
        self.says_no(self.alice, 1, "another peer", "invite", "--name", "laptop")

    def test_a_peer_that_accepts_again_stays_connected_and_takes_the_new_name(self):
        bob = self.lab.daemon("bob", [self.relay])
        harness.introduce(self.alice, bob)
        bob.ctl("connect", "alice")
        self.accept(bob, self.invite("--name", "robert"), "--name", "alicia")
        self.assertEqual((self.names(self.alice), self.names(bob)), (["robert"], ["alicia"]))
        self.assertEqual(bob.peer("alicia")["state"], "established")
        self.alice.ctl("send", "robert", "still here")
        self.assertEqual(harness.receive(bob, "alicia")[0]["text"], "still here")

    def test_a_ticket_needs_a_relay(self):
        dave = self.lab.daemon("dave", [])
        self.says_no(dave, 1, "none is configured", "invite")

    def test_bad_options_are_usage(self):
        for options in (("--expires", "soon"), ("--expires", "0m"), ("--expires", "31d"), ("--list", "--qr"),
                        ("--list", "--revoke", "x"), ("extra",)):
            self.assertEqual(self.alice.ctl("invite", *options, check=False).returncode, 3, options)

    def test_the_secret_is_in_the_ticket_and_nowhere_else(self):
        bob = self.lab.daemon("bob", [self.relay])
        for daemon in (self.alice, bob):
            daemon.ctl("log-level", "debug")
        ticket = self.invite().strip()
        self.accept(bob, ticket)
        secret = bytes(unpack(ticket)[44:60]).hex()
        listed = self.alice.ctl("--json", "invite", "--list").stdout
        for text in (self.alice.log(), bob.log(), listed, self.relay.log()):
            self.assertNotIn(ticket, text)
            self.assertNotIn(secret, text)

    def test_a_qr_code_stands_beside_the_ticket(self):
        done = self.alice.ctl("invite", "--qr")
        self.assertTrue(done.stdout.startswith("p2pd1"))
        self.assertEqual(len(done.stdout.splitlines()), 1)
        self.assertGreater(done.stderr.count("\u2588"), 100)


if __name__ == "__main__":
    main()
