"""Completion as typed: a real shell on a terminal, Tab keys, and a real daemon that knows the peers."""
import os
import pathlib
import pty
import select
import shutil
import subprocess
import sys
import time
import unittest

SOURCE = pathlib.Path(os.environ["P2PD_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests" / "integration"))
import harness  # noqa: E402

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source {script}"),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -D -u; fpath=({folder} $fpath); "
                                 "autoload -U _p2pctl; compdef _p2pctl p2pctl"),
    "fish": (["fish", "--no-config", "-i"], "source {script}"),
}
# What is typed (a tab completes), and the arguments that p2pctl then gets.
TYPED = [
    ("p2pctl conn\tdesk\t", ["connect", "desktop"]),
    ("p2pctl pe\tse\tlap\t", ["peer", "set", "laptop"]),
    ("p2pctl connect --wai\tdir\tlap\t", ["connect", "--wait", "direct", "laptop"]),
    ("p2pctl wait onl\t", ["wait", "online"]),
    ("p2pctl --socket {socket} ping -c 3 --unt\tdesk\t", ["--socket", "{socket}", "ping", "-c", "3", "--until-direct", "desktop"]),
    ("p2pctl log-level deb\t", ["log-level", "debug"]),
    ("p2pctl help hist\t", ["help", "history"]),
    ("p2pctl connect zzz\t", ["connect", "zzz"]),
]
# Answers the completion's own question with the real program, and notes whatever else it is called with.
STAND_IN = """#!/bin/sh
case "$*" in *--json*) exec {real} "$@" ;; esac
for word in "$@"; do printf '%s\\n' "$word"; done >{notes}.new
mv {notes}.new {notes}
"""


class Terminal:
    """A shell that believes that someone sits in front of it."""

    def __init__(self, command, env):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, env)

    def read(self, seconds):
        """What it shows meanwhile; terminal queries are answered, as fish asks for its terminal's abilities."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if ready:
            try:
                got = os.read(self.fd, 65536)
            except OSError:
                return
            self.seen += got
            if b"\x1b[c" in got or b"\x1b[0c" in got:
                os.write(self.fd, b"\x1b[?62c")

    def until(self, condition, what):
        end = time.monotonic() + 30
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"waited for {what}; the terminal shows: {self.seen[-1500:]!r}")
            self.read(0.05)

    def type(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = harness.Lab(os.environ["P2PD_BUILD"], loopback=True)
        cls.addClassCleanup(cls.lab.close)
        cls.daemon = cls.lab.daemon("alice", [])
        for name in ("desktop", "laptop"):
            other = cls.lab.daemon(name, [])
            cls.daemon.ctl("peer", "add", name, other.id())

    def shell(self, name):
        command, load = SHELLS[name]
        if shutil.which(command[0]) is None:
            self.skipTest(f"{name} is not installed")
        folder = self.lab.folder / name
        (folder / "bin").mkdir(parents=True)
        script = folder / "_p2pctl"
        script.write_text(self.daemon.ctl("completion", name).stdout)
        notes = folder / "notes"
        stand_in = folder / "bin" / "p2pctl"
        stand_in.write_text(STAND_IN.format(real=self.lab.build / "p2pctl", notes=notes))
        stand_in.chmod(0o755)
        env = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb", "PS1": "$ ",
               "P2PD_SOCKET": str(self.daemon.socket), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        terminal = Terminal(command, env)
        self.addCleanup(terminal.close)
        ready = folder / "ready"
        terminal.type(load.format(script=script, folder=folder) + f"; touch {ready}\n")
        terminal.until(ready.exists, f"{name} to load the script")
        return terminal, notes

    def check(self, name):
        terminal, notes = self.shell(name)
        for typed, expected in TYPED:
            with self.subTest(shell=name, typed=typed):
                notes.unlink(missing_ok=True)
                # A tab at a time, with the answer read in between: a shell drops what comes while it thinks.
                for part in typed.format(socket=self.daemon.socket).split("\t")[:-1]:
                    seen = len(terminal.seen)
                    terminal.type(part + "\t")
                    terminal.until(lambda: len(terminal.seen) > seen + len(part) // 2, "an echo")
                terminal.type("\n")
                terminal.until(notes.exists, f"{name} to run {typed!r}")
                self.assertEqual(notes.read_text().splitlines(), [e.format(socket=self.daemon.socket) for e in expected])

    def test_bash(self):
        self.check("bash")

    def test_zsh(self):
        self.check("zsh")

    def test_fish(self):
        self.check("fish")

    def test_another_shell_is_refused_with_what_there_is(self):
        done = subprocess.run([str(self.lab.build / "p2pctl"), "completion", "tcsh"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("bash, zsh and fish", done.stderr)
        self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    program = unittest.main(exit=False, verbosity=2)
    for test, reason in program.result.skipped:
        print(f"SKIPPED, NOT TESTED: {test}: {reason}", file=sys.stderr)
    sys.exit(not program.result.wasSuccessful())
