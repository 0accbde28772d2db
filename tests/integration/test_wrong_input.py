"""Wrong input typed by hand: each has its own sentence and its own exit status, and nothing is lost or left half done."""
import os
import subprocess

import harness
from case import LabCase, main

STRANGER = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrsa"


class NoDaemon(LabCase):
    def test_no_daemon_is_status_2(self):
        daemon = self.lab.daemon("alice", [], start=False)
        self.says_no(daemon, 2, "no p2pd", "status")

    def test_a_bad_socket_path_is_status_2(self):
        daemon = self.lab.daemon("alice", [], start=False)
        self.says_no(daemon, 2, "/nowhere/at/all.sock", "--socket", "/nowhere/at/all.sock", "id")

    def test_usage_is_status_3(self):
        daemon = self.lab.daemon("alice", [], start=False)
        for arguments in (("fly",), ("send",), ("connect",), ("connect", "bob", "--wait", "forever"), ("--nonsense",),
                          ("--timeout", "x", "status")):
            self.assertEqual(daemon.ctl(*arguments, check=False).returncode, 3, arguments)
        for arguments, words in ((("sned", "bob", "x"), "did you mean send?"), (("--jsno", "id"), "did you mean --json?"),
                                 (("send", "bob", "--fiel", "x"), "did you mean --file?")):
            self.says_no(daemon, 3, words, *arguments)


class Start(LabCase):
    def run_p2pd(self, daemon, *arguments, **places):
        done = subprocess.run([*daemon.command(**places), *arguments], capture_output=True, text=True,
                              timeout=harness.DEADLINE)
        return done.returncode, done.stderr

    def test_a_second_daemon_on_one_state_folder_is_refused_and_the_first_goes_on(self):
        first = self.lab.daemon("alice", [])
        status, error = self.run_p2pd(first, socket=self.lab.folder / "other.sock")
        self.assertEqual(status, 1)
        self.assertIn("another p2pd", error)
        first.ctl("status")

    def test_a_second_daemon_on_one_socket_is_refused_and_the_first_goes_on(self):
        first = self.lab.daemon("alice", [])
        status, error = self.run_p2pd(first, state=self.lab.folder / "other")
        self.assertEqual(status, 1)
        self.assertIn(str(first.socket), error)
        first.ctl("status")

    def test_a_key_that_is_damaged_linked_or_readable_stops_the_daemon_with_the_mend(self):
        daemon = self.lab.daemon("alice", [])
        identity = daemon.id()
        daemon.stop()
        key = daemon.state / "peer.key"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        good = key.read_bytes()
        key.chmod(0o644)
        status, error = self.run_p2pd(daemon)
        self.assertEqual(status, 1)
        self.assertIn("chmod 600", error)
        key.chmod(0o600)
        key.write_bytes(good[:40])
        status, error = self.run_p2pd(daemon)
        self.assertEqual(status, 1)
        self.assertIn("peer.key", error)
        moved = daemon.state / "moved.key"
        moved.write_bytes(good)
        moved.chmod(0o600)
        key.unlink()
        key.symlink_to(moved)
        status, error = self.run_p2pd(daemon)
        self.assertEqual(status, 1)
        self.assertIn("link", error)
        key.unlink()
        moved.rename(key)
        daemon.start()
        self.assertEqual(daemon.id(), identity)

    def test_a_database_of_a_newer_version_is_refused_and_left_alone(self):
        import sqlite3
        daemon = self.lab.daemon("alice", [])
        daemon.stop()
        database = sqlite3.connect(daemon.state / "p2pd.db")
        database.execute("PRAGMA user_version = 9999")
        database.commit()
        database.close()
        status, error = self.run_p2pd(daemon)
        self.assertEqual(status, 1)
        self.assertIn("newer", error)
        database = sqlite3.connect(daemon.state / "p2pd.db")
        self.assertEqual(database.execute("PRAGMA user_version").fetchone()[0], 9999)

    def test_a_damaged_database_is_set_aside_and_the_identity_stays(self):
        daemon = self.lab.daemon("alice", [])
        identity = daemon.id()
        daemon.stop()
        (daemon.state / "p2pd.db").write_bytes(b"this is no database" * 1000)
        daemon.start()
        self.assertEqual(daemon.id(), identity)
        self.assertTrue(list(daemon.state.glob("p2pd.db.damaged-*")))
        self.assertIn("set aside", daemon.log())

    def test_bad_options_are_status_3(self):
        daemon = self.lab.daemon("alice", [], start=False)
        for arguments, words in ((("--relay", "http://x"), "relay"), (("--workers", "0"), "workers"),
                                 (("--config", "/nowhere"), "/nowhere"), (("--nonsense",), "--nonsense is not an option; see"),
                                 (("--log-lvl", "x"), "did you mean --log-level?"),
                                 (("--relays=x",), "did you mean --relay?")):
            status, error = self.run_p2pd(daemon, *arguments)
            self.assertEqual(status, 3, error)
            self.assertIn(words, error)
        config = self.lab.folder / "p2pd.conf"
        config.write_text("direct = on\n\npresense = none\n")
        status, error = self.run_p2pd(daemon, "--config", str(config), "--check-config")
        self.assertEqual(status, 3, error)
        self.assertIn(f"{config}:3: presense is not an option; did you mean presence?", error)
        config.write_bytes(b"\x00\xff\xfe\n")
        status, error = self.run_p2pd(daemon, "--config", str(config), "--check-config")
        self.assertEqual(status, 3, error)
        self.assertIn(f"{config}:1: ", error)


class Peers(LabCase):
    def test_names_and_ids(self):
        alice = self.lab.daemon("alice", [])
        alice.ctl("peer", "add", "bob", STRANGER)
        self.says_no(alice, 1, "no peer is called", "connect", "nobody")
        self.says_no(alice, 1, "own ID", "peer", "add", "me", alice.id())
        self.says_no(alice, 1, "own ID", "connect", alice.id())
        self.says_no(alice, 1, "canonical", "peer", "add", "carol", STRANGER[:-1] + "b")
        self.says_no(alice, 1, "52", "peer", "add", "carol", "abc")
        self.says_no(alice, 1, "lower case", "peer", "add", "carol", STRANGER.upper())
        self.says_no(alice, 1, "name", "peer", "add", "bad name", "b" + STRANGER[1:])
        self.says_no(alice, 1, "another peer", "peer", "add", "bob", "b" + STRANGER[1:])
        alice.ctl("peer", "add", "carol", STRANGER[:20] + "c" + STRANGER[21:])
        self.says_no(alice, 1, "bob", "status", STRANGER[:20])
        self.assertEqual({peer["name"] for peer in alice.json("peer", "list")["peers"]}, {"bob", "carol"})

    def test_connecting_says_why_it_fails(self):
        relay = self.lab.relay()
        alice = self.lab.daemon("alice", [relay])
        alice.ctl("peer", "add", "bob", STRANGER)
        alice.ctl("wait", "online")
        self.says_no(alice, 5, "bob", "connect", "bob", "--timeout", "1")
        relay.kill()
        harness.until(lambda: alice.json("status")["relay"]["state"] != "online", "the relay's end to be noticed")
        self.says_no(alice, 1, "no relay is reachable", "connect", "bob", "--timeout", "1")

    def test_one_side_alone_does_not_connect(self):
        relay = self.lab.relay()
        alice, bob = self.lab.daemon("alice", [relay]), self.lab.daemon("bob", [relay])
        alice.ctl("peer", "add", "bob", bob.id())
        for daemon in (alice, bob):
            daemon.ctl("wait", "online")
        self.says_no(alice, 5, "lists this machine", "connect", "bob", "--timeout", "1")
        self.assertEqual(bob.json("peer", "list")["peers"], [])


class Messages(LabCase):
    def test_sizes(self):
        alice = self.lab.daemon("alice", [])
        alice.ctl("peer", "add", "bob", STRANGER)
        alice.ctl("send", "bob", "")
        alice.ctl("send", "bob", "-", text_input="x" * (1024 * 1024))
        self.says_no(alice, 1, "1 MiB", "send", "bob", "-", text_input="x" * (1024 * 1024 + 1))
        sizes = [message["size"] for message in alice.json("outbox")["messages"]]
        self.assertEqual(sizes, [0, 1024 * 1024])

    def test_cancelling(self):
        alice = self.lab.daemon("alice", [])
        alice.ctl("peer", "add", "bob", STRANGER)
        sent = alice.json("send", "bob", "hello")
        alice.ctl("outbox", "cancel", sent["id"])
        self.assertEqual(alice.json("outbox")["messages"], [])
        self.says_no(alice, 1, "delivered or cancelled", "outbox", "cancel", sent["id"])

    def test_a_full_size_message_and_an_empty_one_arrive(self):
        alice, bob, _ = self.pair()
        big = os.urandom(512 * 1024).hex()
        alice.ctl("send", "bob", "-", text_input=big)
        alice.ctl("send", "bob", "")
        first, second = harness.receive(bob, "alice", 2)
        self.assertEqual(first["text"], big)
        self.assertEqual(second["text"], "")

    def test_bytes_that_are_no_text_arrive_as_they_are(self):
        alice, bob, _ = self.pair()
        import base64
        body = bytes(range(256))
        alice.ctl("send", "bob", "-", text_input=body)
        self.assertEqual(base64.b64decode(harness.receive(bob, "alice")[0]["data_base64"]), body)


if __name__ == "__main__":
    main()
