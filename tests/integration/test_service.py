"""p2pd and p2p-relay under a service manager: what they tell it, and that signals do what systemd expects of them."""
import base64
import io
import json
import os
import re
import select
import signal
import socket
import subprocess
import tarfile

import harness
from case import LabCase, main

WATCHDOG_USEC = "400000"


class Manager:
    """The end of sd_notify(3) that systemd has: a datagram socket, and who wrote each message."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.environment = {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": WATCHDOG_USEC}

    def next(self, process):
        """The next message of that process, as a dictionary."""
        ready, _, _ = select.select([self.socket], [], [], harness.DEADLINE)
        if not ready:
            raise harness.Failed("the service manager was told nothing")
        data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        pid = int.from_bytes(ancillary[0][2][:4], "little")
        assert pid == process.pid, f"process {pid} wrote {data!r}"
        return dict(line.split("=", 1) for line in data.decode().splitlines())

    def until(self, process, name, value=".*"):
        """The next message with this assignment; those before it are skipped."""
        while True:
            message = self.next(process)
            if re.fullmatch(value, message.get(name, "\n")):
                return message


class Service(LabCase):

    def setUp(self):
        super().setUp()
        self.manager = Manager(self.lab.folder / "notify")
        self.addCleanup(self.manager.socket.close)

    def start(self, daemon):
        """Starts a daemon under the manager and waits for READY, with nothing but that."""
        while select.select([self.manager.socket], [], [], 0)[0]:
            self.manager.socket.recv(4096)  # of an earlier process
        daemon.spawn(daemon.command(), {**os.environ, **self.manager.environment})
        return self.manager.until(daemon.process, "READY", "1")

    def test_ready_means_that_the_socket_answers_and_the_peers_are_there(self):
        relay = self.lab.relay()
        alice = self.lab.daemon("alice", [relay])
        for number in range(20):
            alice.ctl("peer", "add", f"peer{number}", unused_id(number + 1))
        alice.stop()
        for _ in range(5):
            message = self.start(alice)
            self.assertIn("20 peers", message["STATUS"])
            self.assertEqual(len(alice.json("peer", "list")["peers"]), 20)
            self.assertEqual(alice.kill(signal.SIGTERM), 0)

    def test_the_status_line_follows_relays_and_peers(self):
        relay = self.lab.relay()
        alice, bob = self.lab.daemon("alice", [relay], start=False), self.lab.daemon("bob", [relay])
        self.start(alice)
        harness.introduce(alice, bob)
        alice.ctl("connect", "bob", "--wait", "direct")
        self.manager.until(alice.process, "STATUS", "1 of 1 relays online, 1 of 1 peers connected, 1 directly")
        relay.kill()
        self.manager.until(alice.process, "STATUS", "0 of 1 relays online, 1 of 1 peers connected, 1 directly")

    def test_the_watchdog_is_told_while_all_answer_and_the_end_is_announced(self):
        alice = self.lab.daemon("alice", [], start=False)
        self.start(alice)
        for _ in range(3):
            self.manager.until(alice.process, "WATCHDOG", "1")
        alice.process.send_signal(signal.SIGTERM)
        self.manager.until(alice.process, "STOPPING", "1")
        self.assertEqual(alice.process.wait(timeout=harness.DEADLINE), 0)
        self.lab.programs.remove(alice)

    def test_a_thread_that_hangs_silences_the_watchdog(self):
        for thread in ("data plane", "store"):
            alice = self.lab.daemon(thread.replace(" ", "-"), [], start=False)
            alice.spawn(alice.command(), {**os.environ, **self.manager.environment, "P2PD_DEBUG": "1"})
            self.manager.until(alice.process, "WATCHDOG", "1")
            alice.ctl("call", "debug.hang", json.dumps({"thread": thread}))
            alice.wait_log("a thread does not answer", "the missing answer to be noticed")
            while select.select([self.manager.socket], [], [], 0)[0]:
                self.manager.next(alice.process)
            alice.kill()
            self.assertFalse(select.select([self.manager.socket], [], [], 0)[0])

    def test_a_stop_ends_whatever_hangs(self):
        for thread in ("data plane", "store"):
            alice = self.lab.daemon(thread.replace(" ", "-"), [], env={"P2PD_DEBUG": "1"})
            alice.ctl("call", "debug.hang", json.dumps({"thread": thread}))
            self.assertEqual(alice.kill(signal.SIGTERM), 1)
            self.assertRegex(alice.log(), "ending without them|could not stop in 5 seconds")

    def test_a_watchdog_of_another_process_is_not_ours(self):
        alice = self.lab.daemon("alice", [], start=False)
        self.manager.environment["WATCHDOG_PID"] = "1"
        self.start(alice)
        alice.process.send_signal(signal.SIGTERM)
        while True:
            message = self.manager.next(alice.process)
            self.assertNotIn("WATCHDOG", message)
            if "STOPPING" in message:
                break
        self.assertEqual(alice.process.wait(timeout=harness.DEADLINE), 0)
        self.lab.programs.remove(alice)

    def test_the_relay_tells_its_manager_too(self):
        relay = self.lab.relay()
        relay.stop()
        command = [str(self.lab.build / "p2p-relay"), "--state-dir", str(relay.state), "--listen", relay.address]
        relay.spawn(command, {**os.environ, **self.manager.environment})
        self.manager.until(relay.process, "READY", "1")
        host, port = relay.address.rsplit(":", 1)
        relay.host.run("python3", "-c", f"import socket; socket.create_connection(('{host}', {port}), 10).close()")
        self.manager.until(relay.process, "WATCHDOG", "1")
        relay.process.send_signal(signal.SIGHUP)
        self.assertGreater(int(self.manager.until(relay.process, "RELOADING", "1")["MONOTONIC_USEC"]), 0)
        self.manager.until(relay.process, "READY", "1")
        relay.process.send_signal(signal.SIGTERM)
        self.manager.until(relay.process, "STOPPING", "1")
        self.assertEqual(relay.process.wait(timeout=harness.DEADLINE), 0)
        self.lab.programs.remove(relay)

    def test_the_journal_gets_priorities_instead_of_times(self):
        alice = self.lab.daemon("alice", [], start=False)
        reader, writer = os.pipe()
        info = os.fstat(writer)
        environment = {**os.environ, "JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"}
        alice.process = alice.host.start(alice.command(), writer, environment)
        self.lab.programs.append(alice)
        os.close(writer)
        harness.until(alice.ready, "the socket to answer")
        alice.stop()
        with open(reader, encoding="utf-8") as lines:
            text = lines.read()
        self.assertRegex(text, r"(?m)^<6>info daemon: started ")
        self.assertRegex(text, r"(?m)^<4>warn relay: no relay is configured")
        for line in text.splitlines():
            self.assertRegex(line, r"^<[3467]>")


class Reload(LabCase):

    def configured(self, name, text):
        """A daemon with a configuration file of its own and nothing else; more of it may follow in conf.d."""
        folder = self.lab.folder / f"{name}-etc"
        (folder / "conf.d").mkdir(parents=True)
        (folder / "p2pd.conf").write_text(text)
        daemon = self.lab.daemon(name, [], arguments=["--config", str(folder / "p2pd.conf")], start=False)
        daemon.config = folder / "p2pd.conf"
        return daemon

    def test_a_connection_with_messages_on_it_survives_another_relay(self):
        one, other = self.lab.relay("one"), self.lab.relay("other")
        alice = self.configured("alice", f"relay = {one.url}\ndirect = off\n").start()
        bob = self.configured("bob", f"relay = {one.url}\ndirect = off\n").start()
        harness.introduce(alice, bob)
        alice.ctl("connect", "bob")
        before = alice.peer("bob")["connection"]
        sent = 0

        def send_some():
            nonlocal sent
            for _ in range(5):
                alice.ctl("send", "bob", f"message {sent}")
                sent += 1

        for daemon in (alice, bob):
            send_some()
            daemon.config.write_text(f"relay = {other.url}\ndirect = off\n")
            daemon.process.send_signal(signal.SIGHUP)
            send_some()
            daemon.wait_log(r"configuration read again changed=relay ", "the reload")
            send_some()
        got = [message["text"] for message in harness.receive(bob, "alice", sent)]
        self.assertEqual(got, [f"message {number}" for number in range(sent)])
        # The old relay goes in the end, and still nothing happens to the connection.
        for daemon in (alice, bob):
            harness.until(lambda: only_relay(daemon, other), f"{daemon.name} to keep the new relay alone")
        self.assertEqual(one.kill(signal.SIGTERM), 0)
        alice.ctl("send", "bob", "last")
        self.assertEqual(harness.receive(bob, "alice")[0]["text"], "last")
        self.assertEqual(alice.peer("bob")["connection"], before)
        attempts = alice.json("history", "bob")["attempts"]
        self.assertEqual([attempt["ended"] for attempt in attempts], [None], attempts)

    def test_what_changes_at_once_and_what_does_not_is_told(self):
        relay = self.lab.relay()
        alice = self.configured("alice", f"relay = {relay.url}\nstun = {relay.stun}\n").start()
        bob = self.lab.daemon("bob", [relay])
        harness.introduce(alice, bob)
        if alice.json("connect", "bob", "--wait", "direct")["path"] != "direct":
            self.fail("no direct path")
        self.assertEqual(alice.json("reload"), {"changed": [], "needs_restart": []})
        with alice.config.open("a") as config:
            config.write("direct = off\nlog-level = debug\nworkers = 2\n")
        self.assertEqual(alice.json("reload"), {"changed": ["direct", "log-level"], "needs_restart": ["workers"]})
        harness.until(lambda: alice.peer("bob")["path"] == "relay", "the path to be the relay's")
        self.assertEqual(alice.peer("bob")["why_not_direct"], "disabled")
        in_force = alice.json("call", "daemon.config")["options"]
        self.assertEqual((in_force["direct"], in_force["workers"], in_force["log-level"]), ("off", "1", "debug"))
        extra = alice.config.parent / "conf.d" / "10.conf"
        extra.write_text("direct = on\npresence = none\n")
        self.assertEqual(alice.json("reload"), {"changed": ["direct", "presence"], "needs_restart": ["workers"]})
        alice.ctl("ping", "bob", "--until-direct", "--timeout", "60")
        harness.until(lambda: bob.peer("alice")["presence"] == "gone", "bob to see nothing of alice any more")
        self.assertEqual(alice.json("history", "bob")["attempts"][0]["ended"], None)

    def test_the_log_level_changes_while_it_runs(self):
        alice = self.lab.daemon("alice", [self.lab.relay()])
        alice.ctl("wait", "online")
        self.assertNotIn(" debug ", alice.log())
        alice.ctl("log-level", "debug")
        bob = self.lab.daemon("bob", alice.relays)
        harness.introduce(alice, bob)
        alice.ctl("connect", "bob")
        self.assertIn(" debug ", alice.log())
        alice.ctl("log-level", "error")
        said = len(alice.log())
        alice.ctl("disconnect", "bob")
        self.assertNotIn(" info ", alice.log()[said:])
        done = alice.ctl("log-level", "loud", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("error", done.stderr)

    def test_a_wrong_file_changes_nothing_and_is_told_with_its_place(self):
        relay = self.lab.relay()
        alice = self.configured("alice", f"relay = {relay.url}\nlog-level = info\n").start()
        alice.ctl("wait", "online")
        before = alice.json("call", "daemon.config")
        alice.config.write_text("log-level = debug\nrelay = http://wrong\ncolour = red\n")
        error = self.says_no(alice, 1, f"{alice.config}:2: relay: ", "reload")
        self.assertIn(f"{alice.config}:3: colour is not an option", error)
        alice.process.send_signal(signal.SIGHUP)
        harness.until(lambda: alice.log().count("the configuration was not taken over") == 2, "the second refusal")
        alice.config.unlink()
        self.says_no(alice, 1, "cannot read the configuration file", "reload")
        self.assertEqual(alice.json("call", "daemon.config"), before)
        status = alice.json("status")
        self.assertEqual([(r["url"], r["state"]) for r in status["relays"]], [(status["relay"]["url"], "online")])

    def test_a_token_that_was_mended_is_used_at_once(self):
        tokens = self.lab.folder / "tokens"
        tokens.write_text("right\n")
        relay = self.lab.relay(arguments=["--access", f"token:{tokens}"])
        token = self.lab.folder / "token"
        token.write_text("wrong\n")
        alice = self.configured("alice", f"relay = {relay.url}\nrelay-token-file = {token}\n").start()
        harness.until(lambda: alice.json("status")["relays"][0]["error"], "the relay's refusal")
        token.write_text("right\n")
        self.assertEqual(alice.json("reload")["changed"], ["relay-token-file"])
        alice.ctl("wait", "online")
        token.write_text("other\n")
        self.assertEqual(alice.json("reload")["changed"], ["relay-token-file"])
        self.assertEqual(alice.json("status")["relay"]["state"], "online", "a session ended for a token of later ones")

    def test_the_manager_sees_the_reload_and_its_end(self):
        manager = Manager(self.lab.folder / "notify")
        self.addCleanup(manager.socket.close)
        alice = self.configured("alice", "")
        alice.spawn(alice.command(), {**os.environ, **manager.environment})
        manager.until(alice.process, "READY", "1")
        for text in ("log-level = debug\n", "nonsense\n"):
            alice.config.write_text(text)
            alice.process.send_signal(signal.SIGHUP)
            self.assertGreater(int(manager.until(alice.process, "RELOADING", "1")["MONOTONIC_USEC"]), 0)
            manager.until(alice.process, "READY", "1")


class Bundle(LabCase):

    def setUp(self):
        super().setUp()
        tokens = self.lab.folder / "tokens"
        tokens.write_text("very-secret-token\n")
        self.token = self.lab.folder / "token"
        self.token.write_text("very-secret-token\n")
        self.relay = self.lab.relay(arguments=["--access", f"token:{tokens}"])
        alice, bob, _ = self.pair([self.relay], arguments=["--relay-token-file", str(self.token)])
        self.alice, self.bob = alice, bob
        alice.ctl("connect", "bob", "--wait", "direct")
        alice.ctl("send", "bob", "very private words")
        harness.receive(bob, "alice")
        self.folder = self.lab.folder / "bundles"
        self.folder.mkdir()

    def bundle(self, *arguments):
        """Its files, of the archive that p2pctl made in a folder of its own."""
        done = subprocess.run([str(self.lab.build / "p2pctl"), "bundle", *arguments], cwd=self.folder,
                              env=self.alice.environment, capture_output=True, timeout=harness.DEADLINE)
        self.assertEqual(done.returncode, 0, done.stderr)
        content = done.stdout
        if "-" not in arguments:
            name = done.stdout.decode()
            self.assertRegex(name, r"\Ap2pd-bundle-[0-9T]+(-[0-9]+)?\.tar\.gz\n\Z")
            path = self.folder / name.strip()
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
            content = path.read_bytes()
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return {member.name.split("/", 1)[1]: archive.extractfile(member).read().decode()
                    for member in archive.getmembers()}

    def secrets(self):
        """In all the forms in which they could stand in a text."""
        for daemon in (self.alice, self.bob):
            key = (daemon.state / "peer.key").read_bytes()
            yield from (key.hex(), base64.b64encode(key).decode().rstrip("="), base64.b32encode(key).decode().lower())
            for line in key.decode(errors="replace").split():
                if len(line) > 20 and "-" not in line:
                    yield line
        yield "very-secret-token"
        yield "very private words"

    def test_it_has_what_happened_and_no_secret(self):
        files = self.bundle()
        bob = self.bob.id()
        self.assertLessEqual({"about.json", "config.json", "status.json", "log.txt", f"history/{bob}.json"}, set(files))
        self.assertEqual(json.loads(files["config.json"])["options"]["relay-token-file"], str(self.token))
        self.assertEqual(json.loads(files["status.json"])["peers"][0]["path"], "direct")
        self.assertTrue(json.loads(files[f"history/{bob}.json"])["attempts"][0]["candidates"])
        self.assertRegex(files["log.txt"], r"(?m)Z info daemon: started ")
        self.assertRegex(files["log.txt"], r"(?m)Z debug peer: dial ", "what is not logged is in the ring")
        for secret in self.secrets():
            for name, text in files.items():
                self.assertNotIn(secret, text, name)

    def test_never_over_another_and_to_standard_output(self):
        for _ in range(4):  # most of them in one second
            self.bundle()
        self.assertEqual(len(list(self.folder.iterdir())), 4)
        self.assertIn("log.txt", self.bundle("-"))
        self.assertEqual(len(list(self.folder.iterdir())), 4)
        self.says_no(self.alice, 3, "with - to standard output", "bundle", "elsewhere.tar.gz")
        os.chmod(self.folder, 0o500)
        if os.geteuid() != 0:
            done = subprocess.run([str(self.lab.build / "p2pctl"), "bundle"], cwd=self.folder,
                                  env=self.alice.environment, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("cannot write p2pd-bundle-", done.stderr)

    def test_anonymous_it_says_neither_who_nor_where(self):
        files = self.bundle("--anonymize")
        alice, bob = self.alice.id(), self.bob.id()
        words = [alice, bob, alice[:10], bob[:10], "bob", str(self.lab.folder), self.alice.host.address + ":",
                 self.bob.host.address + ":", socket.gethostname(), *self.secrets()]
        if self.lab.loopback:
            words = [word for word in words if not word.startswith("127.")]
        for name, text in files.items():
            for word in words:
                self.assertNotRegex(name + text, r"(?<![a-zA-Z0-9])" + re.escape(word), name)
        peer = json.loads(files["status.json"])["peers"][0]
        self.assertEqual((peer["id"], peer["name"]), (peer["name"], peer["id"]))
        self.assertIn(f"history/{peer['id']}.json", files)
        self.assertRegex(files["log.txt"], rf"peer={peer['id']}\b")
        if not self.lab.loopback:
            self.assertRegex(peer["remote_candidate"], r"^host addr-[0-9]+-v4-private:[0-9]+$")


def only_relay(daemon, relay):
    relays = daemon.json("status")["relays"]
    return len(relays) == 1 and relays[0]["state"] == "online" and relay.address in relays[0]["url"]


def unused_id(number):
    """A peer ID that nobody has the key of."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return "".join(alphabet[(number >> shift) & 31] for shift in (5, 0)) + "a" * 50


if __name__ == "__main__":
    main()
