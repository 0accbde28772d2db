"""Files: what arrives is what was sent, once, under its name, whatever is killed on the way; and every refusal says why."""
import contextlib
import hashlib
import json
import os
import pty
import subprocess
import time

import harness
from case import LabCase, in_own_network, main

MIB = 1 << 20


def digest(path):
    out = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(MIB):
            out.update(piece)
    return out.hexdigest()


class Files(LabCase):
    def setUp(self):
        super().setUp()
        self.outbox = self.lab.folder / "sent"
        self.outbox.mkdir()

    def folder(self, name):
        return self.lab.folder / f"{name}-files"

    def people(self, **arguments):
        relay = self.lab.relay()
        people = []
        for name in ("alice", "bob"):
            people.append(self.lab.daemon(name, [relay], arguments=["--download-dir", str(self.folder(name)),
                                                                    *arguments.get(name, [])]))
        harness.introduce(*people)
        return *people, relay

    def file(self, name, size, seed=b"seed"):
        path = self.outbox / name
        block = hashlib.shake_256(seed + name.encode()).digest(MIB)
        with open(path, "wb") as file:
            for number in range(0, size, MIB):
                piece = number.to_bytes(8, "big") + block[8:]
                file.write(piece[:min(MIB, size - number)])
        return path

    def start_send(self, daemon, *arguments, stdin=subprocess.DEVNULL):
        process = subprocess.Popen([str(self.lab.build / "p2pctl"), "send", *arguments], env=daemon.environment,
                                   stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end_send, process)
        return process

    def end_send(self, process):
        if process.poll() is None:
            process.kill()
        if not process.stdout.closed:
            process.communicate()

    def finished(self, process):
        out, err = process.communicate(timeout=harness.DEADLINE)
        self.assertEqual(process.returncode, 0, err)
        return out, err

    def slow(self, *hosts, rate="200mbit"):
        """A link that gives one time to break it; where hosts have links of their own."""
        for host in hosts if in_own_network() else ():
            host.run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "256kb", "latency", "50ms")

    def under_way(self, daemon):
        return daemon.json("file", "list")["files"]

    def until_bytes(self, daemon, count):
        """Waits until so many bytes of the only transfer are there; False when it is over before."""
        while True:
            files = self.under_way(daemon)
            if not files or files[0]["bytes"] >= count:
                return bool(files)
            time.sleep(0)

    def names(self, name):
        return sorted(entry.name for entry in self.folder(name).iterdir()) if self.folder(name).exists() else []

    def test_contents_mode_time_and_holes_arrive(self):
        alice, bob, _ = self.people()
        plain = self.file("plain.bin", 3 * MIB + 17)
        plain.chmod(0o640)
        os.utime(plain, ns=(0, 1_234_567_890_123_456_789))
        empty = self.file("empty", 0)
        empty.chmod(0o755)
        sparse = self.outbox / "sparse.img"
        with open(sparse, "wb") as file:
            file.write(b"begin")
            file.seek(64 * MIB)
            file.write(b"middle")
            file.truncate(128 * MIB + 1)
        for path in (plain, empty, sparse):
            alice.ctl("send", "bob", "--file", str(path))
            there = self.folder("bob") / path.name
            self.assertEqual(digest(path), digest(there))
            self.assertEqual(path.stat().st_mode, there.stat().st_mode)
            self.assertEqual(path.stat().st_mtime_ns, there.stat().st_mtime_ns)
        self.assertLess((self.folder("bob") / "sparse.img").stat().st_blocks * 512, 8 * MIB)
        self.assertEqual(self.names("bob"), ["empty", "plain.bin", "sparse.img"])

    def test_nothing_is_overwritten(self):
        alice, _, _ = self.people()
        path = self.file("notes.txt", 100)
        self.folder("bob").mkdir(mode=0o700)
        (self.folder("bob") / "notes.txt").symlink_to("/nowhere/at/all")
        for expected in ("notes (1).txt", "notes (2).txt"):
            self.assertIn(expected, alice.ctl("send", "bob", "--file", str(path)).stderr)
            self.assertEqual(digest(self.folder("bob") / expected), digest(path))
        self.assertTrue((self.folder("bob") / "notes.txt").is_symlink())

    def test_standard_input(self):
        alice, _, _ = self.people()
        alice.ctl("send", "bob", "--file", "-", "--name", "piped.txt", text_input="through a pipe\n")
        alice.ctl("send", "bob", "--file", "-", text_input="")
        self.assertEqual((self.folder("bob") / "piped.txt").read_text(), "through a pipe\n")
        self.assertEqual((self.folder("bob") / "stdin").read_text(), "")

    def test_standard_input_outlives_daemons(self):
        alice, bob, _ = self.people()
        self.slow(alice.host, bob.host)
        size = 40 * MIB
        path = self.file("large.bin", size)
        reading, writing = os.pipe()
        sending = self.start_send(alice, "bob", "--file", "-", "--name", "piped.bin", stdin=reading)
        os.close(reading)
        with open(path, "rb") as file, open(writing, "wb") as pipe:
            pipe.write(file.read(MIB))  # more than a pipe holds: p2pctl is reading
            pipe.flush()
            alice.kill()
            alice.start()
            pipe.write(file.read())
        sending.stdout.readline()
        for part, victim in ((0.2, alice), (0.5, bob)):
            if self.until_bytes(alice, int(part * size)):
                victim.kill()
                victim.start()
        self.finished(sending)
        self.assertEqual(self.names("bob"), ["piped.bin"])
        self.assertEqual(digest(path), digest(self.folder("bob") / "piped.bin"))

    def test_whatever_is_killed(self):
        alice, bob, relay = self.people()
        alice.ctl("connect", "bob", "--wait", "direct", "--timeout", "30") if in_own_network() else None
        self.slow(alice.host, bob.host)
        size = 160 * MIB
        path = self.file("large.bin", size)
        sending = self.start_send(alice, "bob", "--file", str(path))
        identity = sending.stdout.readline().strip()
        killed = []
        for part, victim in ((0.1, relay), (0.3, bob), (0.5, alice), (0.7, sending), (0.85, relay)):
            if not self.until_bytes(alice, int(part * size)):
                break
            if victim is sending:
                sending.kill()
                sending.communicate()
                sending = self.start_send(alice, "bob", "--file", str(path))
                self.assertEqual(sending.stdout.readline().strip(), identity, "the transfer was begun anew")
            else:
                victim.kill()
                victim.start()
            killed.append(victim)
        if in_own_network():
            self.assertEqual(len(killed), 5, "it was too quick to be killed")
        out, err = self.finished(sending)
        self.assertIn("bob has it as large.bin", err)
        self.assertEqual(self.names("bob"), ["large.bin"])
        self.assertEqual(digest(path), digest(self.folder("bob") / "large.bin"))
        self.assertEqual(self.under_way(alice), [])
        self.assertEqual(self.under_way(bob), [])
        # The outcome was told: the same file again is another transfer.
        self.assertNotEqual(alice.ctl("send", "bob", "--file", str(path)).stdout.strip(), identity)
        self.assertEqual(self.names("bob"), ["large (1).bin", "large.bin"])

    def test_a_killed_receiver_goes_on_where_it_was(self):
        alice, bob, _ = self.people()
        self.slow(alice.host, bob.host)
        size = 160 * MIB
        path = self.file("large.bin", size)
        sending = self.start_send(alice, "bob", "--file", str(path))
        broken = self.until_bytes(alice, int(0.8 * size))
        bob.kill()
        bob.start()
        self.finished(sending)
        self.assertEqual(digest(path), digest(self.folder("bob") / "large.bin"))
        if in_own_network() and broken:
            sent = alice.peer("bob")["bytes"]
            self.assertLess(sum(sent[f"{way}_tx"] for way in ("relay", "direct", "turn")), 1.6 * size)

    def test_a_transfer_that_ended_unseen_is_not_repeated(self):
        alice, bob, _ = self.people()
        path = self.file("once.bin", 2 * MIB)
        bob.kill()
        sending = self.start_send(alice, "bob", "--file", str(path))
        identity = sending.stdout.readline().strip()
        sending.kill()
        bob.start()
        harness.until(lambda: not self.under_way(alice), "the transfer to end without p2pctl")
        again = alice.ctl("send", "bob", "--file", str(path))
        self.assertEqual(again.stdout.strip(), identity)
        self.assertEqual(self.names("bob"), ["once.bin"])

    def test_several_at_once(self):
        alice, bob, _ = self.people()
        paths = [self.file(f"part{number}", (number + 1) * MIB) for number in range(12)]
        sending = [self.start_send(alice, "bob", "--file", str(path)) for path in paths]
        for process in sending:
            self.finished(process)
        for path in paths:
            self.assertEqual(digest(path), digest(self.folder("bob") / path.name))

    def test_cancelled_at_either_end(self):
        alice, bob, _ = self.people()
        self.slow(alice.host, bob.host, rate="40mbit")
        for number, canceller in enumerate((alice, bob)):
            path = self.file(f"long{number}", 400 * MIB)
            sending = self.start_send(alice, "bob", "--file", str(path))
            identity = sending.stdout.readline().strip()
            harness.until(lambda: [f for f in self.under_way(bob) if f["bytes"] > MIB], "the receiver to have some")
            canceller.ctl("file", "cancel", identity)
            _, error = sending.communicate(timeout=harness.DEADLINE)
            self.assertEqual(sending.returncode, 1)
            self.assertIn("cancelled at the " + ("sender", "receiver")[number], error)
            harness.until(lambda: not self.under_way(alice) and not self.under_way(bob), "both to forget it")
            self.assertEqual(self.names("bob"), [])
        self.says_no(bob, 1, "over already", "file", "cancel", identity)

    def test_cancelled_while_the_other_is_away(self):
        alice, bob, _ = self.people()
        self.slow(alice.host, bob.host, rate="40mbit")
        path = self.file("long", 400 * MIB)
        sending = self.start_send(alice, "bob", "--file", str(path))
        identity = sending.stdout.readline().strip()
        harness.until(lambda: [f for f in self.under_way(bob) if f["bytes"] > MIB], "the receiver to have some")
        bob.kill()
        alice.ctl("file", "cancel", identity)
        sending.communicate(timeout=harness.DEADLINE)
        self.assertEqual(sending.returncode, 1)
        alice.kill()
        bob.start()
        self.assertEqual(len(self.under_way(bob)), 1)
        alice.start()
        alice.ctl("connect", "bob")
        harness.until(lambda: not self.under_way(bob), "the receiver to hear of it")
        self.assertEqual(self.names("bob"), [])

    def test_refusals_say_why(self):
        alice, bob, _ = self.people(bob=["--file-quota", "2M"])
        small, large = self.file("small", 1000), self.file("large", 3 * MIB)
        self.says_nothing_sent(alice, "its quota is used up", large)
        bob.ctl("peer", "set", "alice", "files=refuse")
        self.says_nothing_sent(alice, "does not take files", small)
        bob.ctl("peer", "set", "alice", "files=accept")
        for name, words in (("..", "a folder"), ("a/b", "slash"), ("a\x07b", "control"), ("a\u202etxt", "direction"),
                            ("nul.txt", "device"), ("", "empty"), (".p2pd-x", "p2pd's own")):
            self.says_no(alice, 1, words, "send", "bob", "--file", str(small), "--name", name)
        self.says_no(alice, 1, "is a folder", "send", "bob", "--file", str(self.outbox))
        self.says_no(alice, 1, "No such file", "send", "bob", "--file", str(self.outbox / "none"))
        self.says_no(alice, 1, "not a regular file", "send", "bob", "--file", "/dev/null")
        self.says_no(alice, 1, "not a regular file", "send", "bob", "--file", str(alice.socket))
        os.mkfifo(self.outbox / "fifo")
        self.says_no(alice, 1, "not a regular file", "send", "bob", "--file", str(self.outbox / "fifo"))
        self.says_no(alice, 3, "needs the path", "send", "bob", "--file", "")
        if os.geteuid() != 0:
            closed = self.file("closed", 10)
            closed.chmod(0)
            self.says_no(alice, 1, "Permission denied", "send", "bob", "--file", str(closed))
        self.says_no(alice, 3, "usage", "send", "bob", "text", "--file", str(small))
        self.says_no(alice, 1, "no peer is called", "send", "carol", "--file", str(small))
        self.assertEqual(self.names("bob"), [])
        alice.ctl("send", "bob", "--file", str(small))

    def says_nothing_sent(self, daemon, words, path):
        done = daemon.ctl("send", "bob", "--file", str(path), check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertIn("was not sent", done.stderr)

    def test_a_full_disk_and_a_link_for_a_folder(self):
        alice, bob, _ = self.people(bob=["--disk-reserve", "1000T"])
        path = self.file("small", 1000)
        self.says_nothing_sent(alice, "no room on the receiver's disk", path)
        self.assertEqual(self.names("bob"), [])
        self.folder("bob").rmdir()
        self.folder("bob").symlink_to(self.lab.folder)
        self.says_nothing_sent(alice, "the receiver could not write it", path)

    def test_a_download_folder_that_cannot_be_used_is_told_at_the_start(self):
        relay = self.lab.relay()
        real = self.lab.folder / "real"
        real.mkdir()
        link, file = self.lab.folder / "link", self.file("file", 1)
        link.symlink_to(real)
        for wrong, words in ((link, "is a link; name the folder itself"), (file, "is not a folder")):
            command = [str(self.lab.build / "p2pd"), "--state-dir", str(self.lab.folder / "x"), "--socket",
                       str(self.lab.folder / "x.sock"), "--download-dir", str(wrong)]
            for also in (["--check-config"], []):
                done = subprocess.run(command + also, capture_output=True, text=True, timeout=harness.DEADLINE)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertIn(words, done.stderr)
        alice = self.lab.daemon("alice", [relay], arguments=["--download-dir", str(file / "such")])
        alice.wait_log("received files cannot be stored.*sent/file", "the complaint about the folder")

    def test_a_full_disk_ends_what_does_not_fit_and_nothing_else(self):
        small = self.folder("bob")
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small)], capture_output=True).returncode:
            self.skipTest("a small file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(small)], check=True)
        alice, bob, _ = self.people(bob=["--disk-reserve", "0"])
        self.says_nothing_sent(alice, "no room on the receiver's disk", self.file("large", 30 * MIB))
        # It fits when it is begun, and no more when it is half there.
        self.slow(alice.host, bob.host, rate="80mbit")
        sending = self.start_send(alice, "bob", "--file", str(self.file("half", 20 * MIB)))
        harness.until(lambda: [f for f in self.under_way(bob) if f["bytes"] > MIB], "the receiver to have some")
        with open(small / "other", "wb") as other:
            try:
                while other.write(bytes(MIB)):
                    other.flush()
            except OSError:
                pass
        _, error = sending.communicate(timeout=harness.DEADLINE)
        self.assertEqual(sending.returncode, 1)
        self.assertIn("no room on the receiver's disk", error)
        harness.until(lambda: not self.under_way(bob), "the receiver to forget it")
        self.assertEqual(self.names("bob"), ["other"])
        (small / "other").unlink()
        path = self.file("fits", 5 * MIB)
        alice.ctl("send", "bob", "--file", str(path))
        self.assertEqual(digest(path), digest(small / "fits"))

    def test_files_that_are_refused_from_now_on_leave_nothing(self):
        alice, bob, _ = self.people()
        self.slow(alice.host, bob.host, rate="40mbit")
        sending = self.start_send(alice, "bob", "--file", str(self.file("long", 400 * MIB)))
        harness.until(lambda: [f for f in self.under_way(bob) if f["bytes"] > MIB], "the receiver to have some")
        bob.ctl("peer", "set", "alice", "files=refuse")
        bob.kill()
        bob.start()
        _, error = sending.communicate(timeout=harness.DEADLINE)
        self.assertEqual(sending.returncode, 1)
        self.assertIn("does not take files", error)
        harness.until(lambda: not self.under_way(bob), "the receiver to forget it")
        self.assertEqual(self.names("bob"), [])

    def test_a_bar_on_a_terminal(self):
        alice, bob, _ = self.people()
        self.slow(alice.host, bob.host, rate="200mbit")
        master, slave = pty.openpty()
        with open(master, "rb", buffering=0) as screen:
            sending = subprocess.Popen([str(self.lab.build / "p2pctl"), "send", "bob", "--file",
                                        str(self.file("shown", 20 * MIB))], env=alice.environment, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=slave)
            os.close(slave)
            shown = b""
            with contextlib.suppress(OSError):  # what a terminal whose other end is gone reads as
                while piece := screen.read(65536):
                    shown += piece
        self.assertEqual(sending.wait(timeout=harness.DEADLINE), 0)
        self.assertRegex(shown, rb"\r\x1b\[K\[#*\.*\] +\d+ %")
        self.assertIn(b" of 20.0 MiB", shown)
        self.assertRegex(shown, rb"\r\x1b\[Kbob has it as shown\s*$")

    def test_a_file_that_changes_is_refused(self):
        alice, bob, _ = self.people()
        self.slow(alice.host, bob.host, rate="40mbit")
        path = self.file("growing", 100 * MIB)
        sending = self.start_send(alice, "bob", "--file", str(path))
        harness.until(lambda: [f for f in self.under_way(bob) if f["bytes"] > MIB], "the receiver to have some")
        with open(path, "ab") as file:
            file.write(b"more")
        _, error = sending.communicate(timeout=harness.DEADLINE)
        self.assertEqual(sending.returncode, 1)
        self.assertIn("changed while it was sent", error)
        harness.until(lambda: not self.under_way(bob), "the receiver to forget it")
        self.assertEqual(self.names("bob"), [])

    def test_leftovers_go_at_the_next_start(self):
        alice, bob, _ = self.people()
        alice.ctl("send", "bob", "--file", str(self.file("first", 10)))
        own = self.folder("bob") / f".p2pd-{bob.id()[:12]}-{'0' * 32}.part"
        foreign = self.folder("bob") / f".p2pd-{alice.id()[:12]}-{'0' * 32}.part"
        own.touch()
        foreign.touch()
        bob.kill()
        bob.start()
        harness.until(lambda: not own.exists(), "the leftover to be removed")
        self.assertTrue(foreign.exists(), "another daemon's temporary file was removed")

    def test_events_tell_how_it_goes(self):
        alice, bob, _ = self.people()
        self.slow(alice.host, bob.host, rate="100mbit")
        path = self.file("watched", 30 * MIB)
        with bob.follow("--json", "watch") as next_line:
            next_line()
            sending = self.start_send(alice, "--json", "bob", "--file", str(path))
            told = []
            while not told or told[-1]["type"] not in ("done", "failed"):
                event = json.loads(next_line())
                if event["topic"] == "file":
                    told.append(event)
        self.assertEqual(told[-1]["type"], "done", told[-1])
        self.assertEqual(told[-1]["path"], str(self.folder("bob") / "watched"))
        moving = [event for event in told if event["type"] == "progress" and event["state"] == "active"]
        if in_own_network():
            self.assertTrue(any(event["rate"] and event["left_ms"] is not None for event in moving), told)
        self.assertTrue(all(event["bytes"] <= event["size"] == 30 * MIB for event in told))
        out, _ = self.finished(sending)
        self.assertEqual(json.loads(out)["state"], "done")


if __name__ == "__main__":
    main()
