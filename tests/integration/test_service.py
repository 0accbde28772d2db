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


def unused_id(number):
    """A peer ID that nobody has the key of."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return "".join(alphabet[(number >> shift) & 31] for shift in (5, 0)) + "a" * 50


if __name__ == "__main__":
    main()
