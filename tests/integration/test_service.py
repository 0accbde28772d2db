"""p2pd and p2p-relay under a service manager: what they tell it, and that signals do what systemd expects of them."""
import json
import os
import re
import select
import signal
import socket

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


def only_relay(daemon, relay):
    relays = daemon.json("status")["relays"]
    return len(relays) == 1 and relays[0]["state"] == "online" and relay.address in relays[0]["url"]


def unused_id(number):
    """A peer ID that nobody has the key of."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return "".join(alphabet[(number >> shift) & 31] for shift in (5, 0)) + "a" * 50


if __name__ == "__main__":
    main()
