"""Streams to services of peers: bytes, their ends and what goes wrong, through real daemons, programs and sockets."""
import asyncio
import contextlib
import ctypes
import hashlib
import http.server
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import threading
import unittest

import harness
from case import LabCase, main

MIB = 1 << 20


def echo(connection):
    """Says everything back, and ends when the other end has."""
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def loopback_socket(host):
    """A TCP socket of the host's, whose network is not this process's: a socket stays where it was made."""
    made = []

    def make():
        if host.holder:
            with open(f"/proc/{host.holder.pid}/ns/net", encoding="ascii") as there:
                if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), 0) != 0:  # of this thread alone
                    raise OSError(ctypes.get_errno(), "setns")
        made.append(socket.socket())

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


def is_root():
    """Of the machine, not only of a user namespace: sshd changes to other users."""
    with open("/proc/self/uid_map", encoding="ascii") as ranges:
        return os.geteuid() == 0 and int(ranges.read().split()[2]) > 1000


class Server:
    """A server in this process, on the host's loopback or a Unix socket; each client gets a thread of `serve`."""

    def __init__(self, case, host=None, serve=echo, path=None):
        self.listener = socket.socket(socket.AF_UNIX) if path else loopback_socket(host)
        self.listener.bind(path or ("127.0.0.1", 0))
        self.listener.listen(512)
        self.target = f"unix:{path}" if path else f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        self.serve = serve
        self.clients = []
        threading.Thread(target=self.accept, daemon=True).start()
        case.addCleanup(self.close)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.clients.append(connection)
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        with contextlib.suppress(OSError):
            self.serve(connection)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.clients:
            connection.close()


class Api:
    """A connection to a daemon's socket that speaks a line and then, upgraded, bytes."""

    def __init__(self, case, daemon):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(harness.DEADLINE)
        self.socket.connect(str(daemon.socket))
        self.file = self.socket.makefile("rb")
        case.addCleanup(self.close)

    def close(self):
        self.file.close()
        self.socket.close()

    def ask(self, method, behind=b"", **params):
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        self.socket.sendall(line.encode() + b"\n" + behind)

    def answer(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def call(self, method, **params):
        self.ask(method, **params)
        return self.answer()

    def end(self):
        self.socket.shutdown(socket.SHUT_WR)

    def rest(self):
        return self.file.read()


class Streams(LabCase):
    def forward(self, daemon, *arguments):
        """`p2pctl forward` and the port that it listens at."""
        process = subprocess.Popen([str(self.lab.build / "p2pctl"), "forward", *arguments], env=daemon.environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end_process, process)
        where = process.stdout.readline().decode().strip()
        self.assertTrue(where, "forward did not begin")
        return process, where if where.startswith("unix:") else int(where.rsplit(":", 1)[1])

    def end_process(self, process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def dial(self, port):
        connection = socket.create_connection(("127.0.0.1", port), timeout=harness.DEADLINE)
        self.addCleanup(connection.close)
        return connection

    def test_nc_carries_bytes_and_ends_both_ways(self):
        alice, bob, _ = self.pair()
        tcp, unix = Server(self, bob.host), Server(self, path=str(self.lab.folder / "echo.sock"))
        bob.ctl("expose", "echo", tcp.target, "--allow", "alice")
        bob.ctl("expose", "echo.unix", unix.target, "--allow", "alice")
        text = b"one\0two\n" * 40_000
        for service in ("echo", "echo.unix"):
            done = alice.ctl("nc", "bob", service, text_input=text)
            self.assertEqual(hashlib.sha256(done.stdout).digest(), hashlib.sha256(text).digest())
        self.assertEqual(alice.ctl("nc", "bob", "echo", text_input=b"").stdout, b"")
        services = bob.json("services")["services"]
        self.assertEqual([(s["service"], s["target"]) for s in services],
                         [("echo", tcp.target), ("echo.unix", unix.target)])

    def test_refusals_say_why(self):
        alice, bob, _ = self.pair()
        server = Server(self, bob.host)
        # A peer that is named nowhere cannot tell what there is.
        bob.ctl("expose", "secret", server.target)
        for service in ("secret", "nothing"):
            self.says_no(alice, 4, "does not permit", "nc", "bob", service)
        bob.ctl("expose", "echo", server.target, "--allow", "alice")
        self.says_no(alice, 1, "has no service", "nc", "bob", "nothing")
        self.says_no(alice, 4, "does not permit", "nc", "bob", "secret")
        server.close()
        self.says_no(alice, 1, "does not take connections", "nc", "bob", "echo")
        self.says_no(alice, 1, "no peer is called", "nc", "carol", "echo")
        self.says_no(alice, 1, "cannot be a service's name", "nc", "bob", "../etc")
        self.says_no(bob, 1, "names are not looked up", "expose", "x", "tcp:example.org:80")
        self.says_no(bob, 4, "own socket", "expose", "x", f"unix:{bob.socket}", "--allow", "alice")
        self.says_no(bob, 1, "no service 'x' is exposed", "unexpose", "x")
        bob.stop()
        harness.until(lambda: alice.peer("bob")["state"] != "established", "the end of the connection")
        self.says_no(alice, 1, "did not answer", "nc", "bob", "echo", "--timeout", "1")

    def test_programs_open_and_listen_themselves(self):
        alice, bob, _ = self.pair()
        listener = Api(self, bob)
        listener.ask("stream.listen", service="chat", allow=["alice"])
        harness.until(lambda: bob.json("services")["services"], "the listener")
        opener = Api(self, alice)
        opener.ask("stream.open", b"sent before the answer ", peer="bob", service="chat")
        self.assertEqual(opener.answer()["result"]["service"], "chat")
        accepted = listener.answer()["result"]
        self.assertEqual((accepted["name"], accepted["service"]), ("alice", "chat"))
        # Nobody listens just now: the next one does within the time that a stream lingers.
        late = Api(self, alice)
        late.ask("stream.open", peer="bob", service="chat")
        second = Api(self, bob)
        second.ask("stream.listen", service="chat", allow=["alice"])
        self.assertIn("result", late.answer())
        self.assertIn("result", second.answer())
        opener.socket.sendall(b"and after")
        opener.end()
        self.assertEqual(listener.rest(), b"sent before the answer and after")
        listener.socket.sendall(b"an answer behind the end of the question")
        listener.end()
        self.assertEqual(opener.rest(), b"an answer behind the end of the question")

        # A program that has gone takes nothing.
        gone, stays = Api(self, bob), Api(self, bob)
        gone.ask("stream.listen", service="other")
        harness.until(lambda: any(s["listening"] == 1 for s in bob.json("services")["services"]), "the listener")
        stays.ask("stream.listen", service="other")
        gone.close()
        harness.until(lambda: any(s["listening"] == 1 for s in bob.json("services")["services"]), "one listener")
        last = Api(self, alice)
        last.ask("stream.open", peer="bob", service="other")
        self.assertIn("result", last.answer())
        self.assertIn("result", stays.answer())

    def test_streams_without_a_listener_wait_in_a_short_line_and_not_for_ever(self):
        alice, bob, _ = self.pair()
        listener = Api(self, bob)
        listener.ask("stream.listen", service="chat", allow=["alice"])
        harness.until(lambda: bob.json("services")["services"], "the listener")
        self.assertIn("result", Api(self, alice).call("stream.open", peer="bob", service="chat"))
        # Nobody listens any more, for the time being: sixteen wait, one more is one too many.
        line = [Api(self, alice) for _ in range(17)]
        for opener in line:
            opener.ask("stream.open", peer="bob", service="chat", timeout_ms=60_000)
        reasons = []
        while line:
            readable, _, _ = select.select([opener.socket for opener in line], [], [], harness.DEADLINE)
            self.assertTrue(readable, "streams wait for ever")
            for opener in [opener for opener in line if opener.socket in readable]:
                reasons.append(opener.answer()["error"]["data"]["reason"])
                line.remove(opener)
        self.assertEqual(reasons, ["busy"] + ["refused"] * 16)
        self.assertEqual(bob.json("services")["services"], [])

    def test_a_refused_stream_leaves_no_requests_behind_it(self):
        alice, bob, _ = self.pair()
        api = Api(self, alice)
        api.ask("stream.open", b'{"jsonrpc":"2.0","id":9,"method":"peer.remove","params":{"peer":"bob"}}\n',
                peer="bob", service="none")
        self.assertEqual(api.answer()["error"]["data"]["reason"], "not_permitted")
        self.assertEqual(api.rest(), b"")
        self.assertEqual(alice.peer("bob")["name"], "bob")

    def test_a_stream_that_is_given_up_while_it_waits_is_never_opened(self):
        alice, bob, _ = self.pair()
        server = Server(self, bob.host)
        bob.ctl("expose", "echo", server.target, "--allow", "alice")
        bob.stop()
        harness.until(lambda: alice.peer("bob")["state"] != "established", "the end of the connection")
        events = Api(self, alice)
        events.call("events.subscribe", topics=["service"])
        gone = Api(self, alice)
        gone.ask("stream.open", peer="bob", service="echo", timeout_ms=60_000)
        gone.close()
        while (event := events.answer()["params"])["type"] != "refused":
            pass
        self.assertEqual(event["reason"], "cancelled")
        bob.start()
        # What waits is opened in its order.
        self.assertEqual(alice.ctl("nc", "bob", "echo", text_input=b"x").stdout, b"x")
        self.assertEqual(len(server.clients), 1)

    def test_a_stopped_reader_stops_its_writer_and_nobody_else(self):
        alice, bob, _ = self.pair()
        stopped = threading.Event()
        self.addCleanup(stopped.set)
        bob.ctl("expose", "deaf", Server(self, bob.host, lambda connection: stopped.wait()).target, "--allow", "alice")
        bob.ctl("expose", "echo", Server(self, bob.host).target, "--allow", "alice")
        deaf = Api(self, alice)
        self.assertIn("result", deaf.call("stream.open", peer="bob", service="deaf"))
        deaf.socket.settimeout(None)
        deaf.socket.setblocking(False)
        written, block = 0, bytes(MIB)
        quiet = 0
        while quiet < 50:  # turns of the loop in which nothing more was taken, each with a whole command in it
            try:
                written += deaf.socket.send(block)
                quiet = 0
            except BlockingIOError:
                quiet += 1
                if quiet % 10 == 0:
                    self.assertEqual(alice.ctl("nc", "bob", "echo", text_input=b"still here").stdout, b"still here")
            self.assertLess(written, 64 * MIB, "the writer is not stopped")
        alice.ctl("ping", "bob", "-c", "1")
        alice.ctl("send", "bob", "a message")
        self.assertEqual(harness.receive(bob, "alice")[0]["text"], "a message")

    def test_both_directions_while_the_path_changes(self):
        alice, bob, _ = self.pair()
        size = 64 * MIB
        heard = {}

        def serve(connection):
            """Sends as much as it reads, at the same time."""
            with connection:
                writer = threading.Thread(target=send, args=(connection, b"bob"))
                writer.start()
                heard["bob"] = receive(connection)
                writer.join()

        def send(connection, seed):
            block = hashlib.shake_256(seed).digest(MIB)
            for _ in range(size // MIB):
                connection.sendall(block)
            connection.shutdown(socket.SHUT_WR)

        def receive(connection):
            digest, count = hashlib.sha256(), 0
            while data := connection.recv(MIB):
                digest.update(data)
                count += len(data)
            return digest.hexdigest(), count

        def expected(seed):
            return hashlib.sha256(hashlib.shake_256(seed).digest(MIB) * (size // MIB)).hexdigest(), size

        bob.ctl("expose", "bulk", Server(self, bob.host, serve).target, "--allow", "alice")
        _, port = self.forward(alice, "0", "bob", "bulk")
        connection = self.dial(port)
        writer = threading.Thread(target=send, args=(connection, b"alice"))
        writer.start()
        flips = threading.Event()

        def flip():
            for direct in ("off", "on", "off", "on"):
                alice.ctl("peer", "set", "bob", f"direct={direct}")
            flips.set()

        flipper = threading.Thread(target=flip)
        flipper.start()
        self.assertEqual(receive(connection), expected(b"bob"))
        writer.join()
        flipper.join()
        harness.until(lambda: "bob" in heard, "the other direction")
        self.assertEqual(heard["bob"], expected(b"alice"))

    def test_many_clients_through_forward(self):
        count = int(os.environ.get("P2PD_STREAM_CLIENTS", "100"))
        size = MIB if count > 100 else MIB // 16
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        alice, bob, _ = self.pair()
        bob.ctl("expose", "echo", Server(self, bob.host).target, "--allow", "alice")
        process, port = self.forward(alice, "0", "bob", "echo")
        self.says_no(alice, 1, "another program does already", "forward", str(port), "bob", "echo")
        # One of them never reads: it is nobody else's business.
        stalled = self.dial(port)
        stalled.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                stalled.send(bytes(MIB))

        async def client(number):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            sent = hashlib.shake_256(number.to_bytes(4, "big")).digest(size)
            writer.write(sent)
            writer.write_eof()
            heard = await reader.read()
            writer.close()
            return hashlib.sha256(heard).digest() == hashlib.sha256(sent).digest()

        async def clients():
            return await asyncio.gather(*(client(number) for number in range(count)))

        self.assertEqual(asyncio.run(clients()), [True] * count)
        stalled.close()
        # What it has opened ends with it.
        last = self.dial(port)
        last.sendall(b"x")
        self.assertEqual(last.recv(1), b"x")
        process.send_signal(signal.SIGINT)
        process.wait()
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(last.recv(1), b"")

    def test_forward_outlives_the_daemon(self):
        alice, bob, _ = self.pair()
        bob.ctl("expose", "echo", Server(self, bob.host).target, "--allow", "alice")
        process, port = self.forward(alice, "0", "bob", "echo")
        process.stderr.readline()  # who reaches what
        for end in (alice.stop, alice.kill):
            before = self.dial(port)
            before.sendall(b"x")
            self.assertEqual(before.recv(1), b"x")
            end()
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(before.recv(1), b"")
            self.assertIn(b"p2pd has ended", process.stderr.readline())
            # The listener stays; who comes now is told so at once, by the connection's end.
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(self.dial(port).recv(1), b"")
            self.assertIn(b"turned away: p2pd is not running", process.stderr.readline())
            alice.start()
            self.assertIn(b"p2pd is back", process.stderr.readline())
            again = self.dial(port)
            again.sendall(b"again")
            again.shutdown(socket.SHUT_WR)
            self.assertEqual(again.makefile("rb").read(), b"again")
        self.assertIsNone(process.poll())

    def test_a_web_server_under_load(self):
        alice, bob, _ = self.pair()
        body = hashlib.shake_256(b"page").digest(100_000)

        class Page(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page, bind_and_activate=False)
        server.socket.close()
        server.socket = loopback_socket(bob.host)
        server.daemon_threads = True
        server.server_bind()
        server.server_activate()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        bob.ctl("expose", "web", f"tcp:127.0.0.1:{server.server_address[1]}", "--allow", "alice")
        _, port = self.forward(alice, "0", "bob", "web")
        folder = self.lab.folder / "pages"
        folder.mkdir()
        subprocess.run(["curl", "--no-progress-meter", "--fail", "--parallel", "--parallel-immediate", "--parallel-max", "20",
                        "--output", f"{folder}/#1", f"http://127.0.0.1:{port}/[1-100]"], check=True,
                       timeout=4 * harness.DEADLINE)
        pages = list(folder.iterdir())
        self.assertEqual(len(pages), 100)
        for page in pages:
            self.assertEqual(page.read_bytes(), body)

    @unittest.skipUnless(shutil.which("sshd", path="/usr/sbin:/usr/bin") and is_root(), "needs sshd, and to be root")
    def test_ssh_through_nc(self):
        alice, bob, _ = self.pair()
        folder = self.lab.folder / "ssh"
        folder.mkdir(mode=0o700)
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
        (folder / "known").write_text("bob " + (folder / "host.pub").read_text())
        os.makedirs("/run/sshd", exist_ok=True)
        port = loopback_socket(bob.host)
        port.bind(("127.0.0.1", 0))
        number = port.getsockname()[1]
        port.close()
        (folder / "config").write_text(
            f"ListenAddress 127.0.0.1:{number}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
            "PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n")
        with open(self.lab.folder / "sshd.log", "wb") as log:
            daemon = bob.host.start(["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "config")], log)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.terminate)
        harness.until(lambda: "Server listening" in (self.lab.folder / "sshd.log").read_text(), "sshd")
        bob.ctl("expose", "ssh", f"tcp:127.0.0.1:{number}", "--allow", "alice")

        def ssh(command, data=b""):
            return subprocess.run(["ssh", "-F", "none", "-i", str(folder / "user"), "-o", "BatchMode=yes",
                                   "-o", f"UserKnownHostsFile={folder}/known", "-o", "StrictHostKeyChecking=yes",
                                   "-o", f"ProxyCommand={self.lab.build}/p2pctl nc %h ssh", "root@bob", command],
                                  env=alice.environment, input=data, capture_output=True, timeout=harness.DEADLINE)

        text = hashlib.shake_256(b"ssh").digest(4 * MIB)
        done = ssh("cat", text)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(hashlib.sha256(done.stdout).digest(), hashlib.sha256(text).digest())
        self.assertEqual(ssh("exit 7").returncode, 7)
        bob.ctl("unexpose", "ssh")
        done = ssh("true")
        self.assertEqual(done.returncode, 255)
        self.assertIn(b"does not permit", done.stderr)

    def test_a_unix_listener(self):
        alice, bob, _ = self.pair()
        bob.ctl("expose", "echo", Server(self, bob.host).target, "--allow", "alice")
        path = self.lab.folder / "local.sock"
        for _ in range(2):  # the second finds the socket of the first, which was killed
            process, where = self.forward(alice, f"unix:{path}", "bob", "echo")
            self.assertEqual(where, f"unix:{path}")
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(path))
            client.sendall(b"through a Unix socket")
            client.shutdown(socket.SHUT_WR)
            with client, client.makefile("rb") as file:
                self.assertEqual(file.read(), b"through a Unix socket")
            process.kill()
            process.wait()

    def test_a_killed_peer_ends_streams_and_exposures_survive(self):
        alice, bob, _ = self.pair()
        server = Server(self, bob.host)
        bob.ctl("expose", "echo", server.target, "--allow", "alice")
        process = subprocess.Popen([str(self.lab.build / "p2pctl"), "nc", "bob", "echo"], env=alice.environment,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end_process, process)
        process.stdin.write(b"ping\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), b"ping\n")
        bob.kill()
        bob.start()
        _, errors = process.communicate(timeout=harness.DEADLINE)
        self.assertEqual(process.returncode, 1, errors)
        self.assertIn(b"restarted", errors)
        self.assertEqual(alice.ctl("nc", "bob", "echo", text_input=b"again").stdout, b"again")
        self.assertEqual(bob.json("services")["services"][0]["allow"][0]["name"], "alice")

    def test_streams_end_with_their_permission(self):
        alice, bob, _ = self.pair()
        bob.ctl("expose", "echo", Server(self, bob.host).target, "--allow", "alice")
        for take_away, reason in ((("expose", "echo", Server(self, bob.host).target), "not_permitted"),
                                  (("unexpose", "echo"), "not_permitted"), (("peer", "remove", "alice"), "removed")):
            bob.ctl("expose", "echo", Server(self, bob.host).target, "--allow", "alice")
            stream = Api(self, alice)
            opened = stream.call("stream.open", peer="bob", service="echo")
            self.assertIn("result", opened)
            stream.socket.sendall(b"x")
            self.assertEqual(stream.file.read(1), b"x")
            bob.ctl(*take_away)
            self.assertEqual(stream.rest(), b"")
            how = Api(self, alice).call("stream.wait", stream=opened["result"]["stream"])["result"]
            self.assertEqual((how["over"], how["reason"], how["sent"], how["received"]), (True, reason, 1, 1))

    def test_a_unix_target_may_come_later(self):
        alice, bob, _ = self.pair()
        path = str(self.lab.folder / "later.sock")
        said = bob.ctl("expose", "later", f"unix:{path}", "--allow", "alice").stderr
        self.assertIn("there is no such socket yet", said)
        self.says_no(alice, 1, "does not take connections", "nc", "bob", "later")
        Server(self, path=path)
        self.assertEqual(alice.ctl("nc", "bob", "later", text_input=b"x").stdout, b"x")
        self.assertNotIn("yet", bob.ctl("expose", "later", f"unix:{path}", "--allow", "alice").stderr)


if __name__ == "__main__":
    main()
