"""The examples, in each language, between two real daemons."""
import os
import pathlib
import select
import signal
import subprocess
import sys

import harness
from case import LabCase, main

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


class Program:
    """An example beside a daemon; its lines one by one."""

    def __init__(self, case, command, daemon, name, *arguments):
        self.name = name
        self.process = subprocess.Popen([*command, *arguments], env=daemon.environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.input = b""
        case.addCleanup(self.end)

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def line(self):
        while b"\n" not in self.input:
            ready, _, _ = select.select([self.process.stdout], [], [], harness.DEADLINE)
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not chunk:
                self.process.kill()
                raise harness.Failed(f"{self.name}: no line; {self.process.communicate()[1].decode()}")
            self.input += chunk
        line, _, self.input = self.input.partition(b"\n")
        return line.decode()

    def finish(self):
        """Its input ends; what else it says, and its exit status."""
        out, error = self.process.communicate(timeout=harness.DEADLINE)
        return self.input.decode() + out.decode(), error.decode(), self.process.returncode

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


class Examples:
    """The tests; a class below for each language."""
    language = None

    def setUp(self):
        super().setUp()
        self.alice, self.bob, _ = self.pair()

    def command(self, name):
        if self.language == "python":
            return [sys.executable, str(EXAMPLES / "python" / f"{name}.py")]
        return [str(pathlib.Path(os.environ["P2PD_BUILD"]).resolve() / "examples" / name)]

    def start(self, daemon, name, *arguments):
        return Program(self, self.command(name), daemon, name, *arguments)

    def test_chat(self):
        self.alice.ctl("send", "bob", "from before")
        alice, bob = self.start(self.alice, "chat", "bob"), self.start(self.bob, "chat", "alice")
        self.assertEqual(bob.line(), "alice: from before")
        for number in range(20):
            alice.type(f"question {number} ü")
            self.assertEqual(bob.line(), f"alice: question {number} ü")
            bob.type(f"answer {number}")
            self.assertEqual(alice.line(), f"bob: answer {number}")
        alice.type("the last\nof two lines")
        self.assertEqual(alice.finish(), ("", "", 0))
        self.assertEqual([bob.line(), bob.line()], ["alice: the last", "alice: of two lines"])

    def test_request_and_response(self):
        early = self.start(self.alice, "ask", "bob", "1", "2", "3")
        # Asked before anybody answers: the question waits in bob's inbox.
        harness.until(lambda: self.bob.ctl("--json", "recv").stdout, "the question")
        answer = self.start(self.bob, "answer")
        self.assertEqual(early.finish(), ("6\n", "", 0))
        self.assertEqual(answer.line(), "alice asked: 1 2 3")
        self.assertEqual(self.start(self.alice, "ask", "bob", "40", "-1").finish()[0], "39\n")
        self.assertEqual(self.start(self.alice, "ask", "bob", "many").finish()[0], "these are not all numbers\n")
        self.assertEqual(self.bob.ctl("--json", "recv").stdout, "")

    def test_a_watched_folder(self):
        folder = self.lab.folder / "outgoing"
        folder.mkdir()
        (folder / "old").write_text("was here before")
        watcher = self.start(self.alice, "watch_folder", str(folder), "bob")
        self.assertEqual(watcher.line(), f"watching {folder}")
        files = {"first": b"x", "second file.txt": os.urandom(300_000), "empty": b""}
        for name, content in files.items():
            (folder / name).write_bytes(content)
        self.assertEqual({watcher.line() for _ in files}, {f"{name}: done" for name in files})
        stored = {f["file"]: pathlib.Path(f["path"]).read_bytes() for f in self.bob.json("file", "list", "--all")["files"]}
        self.assertEqual(stored, files)

    def test_echo(self):
        server = self.start(self.bob, "echo_server")
        self.assertEqual(server.line(), "listening")
        talking = self.start(self.alice, "echo_client", "bob")
        talking.type("one line")
        self.assertEqual(server.line(), "a stream from alice")
        data = os.urandom(1 << 20)
        done = subprocess.run(self.command("echo_client") + ["bob"], env=self.alice.environment, input=data, capture_output=True,
                              timeout=harness.DEADLINE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout, data)
        self.assertEqual(talking.finish(), ("one line\n", "", 0))

    def test_what_goes_wrong_is_a_sentence(self):
        for name, arguments in (("chat", ["eve"]), ("ask", ["eve", "1"]), ("watch_folder", [str(self.lab.folder), "eve"])):
            out, error, status = self.start(self.alice, name, *arguments).finish()
            self.assertEqual((out, status), ("", 1), error)
            self.assertRegex(error, rf"^{name}(\.py)?: .*eve")
            self.assertEqual(error.count("\n"), 1, error)
        for name in ("chat", "ask", "watch_folder"):
            self.assertIn("usage: ", self.start(self.alice, name).finish()[1])
        status = self.alice.stop()
        self.assertEqual(status, 0)
        self.assertIn(str(self.alice.socket), self.start(self.alice, "chat", "bob").finish()[1])


class Python(Examples, LabCase):
    language = "python"


class Cpp(Examples, LabCase):
    language = "cpp"


if __name__ == "__main__":
    main()
