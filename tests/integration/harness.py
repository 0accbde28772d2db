"""Real processes for tests and the demo: hosts in network namespaces, a relay, daemons, and p2pctl typed for them.

Lab() makes a segment of hosts of its own where it may (as root, or in a user namespace), each host a network namespace on
one bridge. Elsewhere, Lab(loopback=True) runs everything on loopback. Everything started is ended, also when the program
that uses this is killed: hosts and processes hang on pipes of their parent.
"""
import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SANITIZER = re.compile(r"WARNING: ThreadSanitizer.*(?:\n.*){0,40}|ERROR: (?:Address|Leak)Sanitizer.*(?:\n.*){0,40}|"
                       r".*runtime error:.*|assertion failed:.*")
DEADLINE = 60.0  # how long a wait may take at all; a generous bound against hanging, never a measurement
PORTS = itertools.count(1)


class Failed(Exception):
    pass


def _die_with_parent():
    """In the child: SIGKILL when the parent ends, so that a killed test leaves nothing behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def namespaces_work():
    """Whether this user may make network namespaces: as root, or inside a user namespace."""
    return subprocess.run(_enter_own_network() + ["ip", "link", "set", "lo", "up"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def _enter_own_network():
    return ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]


def rerun_in_own_network():
    """Runs this program again inside a network namespace of its own; returns only inside it."""
    if os.environ.get("P2PD_OWN_NETWORK") == "1":
        return
    os.environ["P2PD_OWN_NETWORK"] = "1"
    command = _enter_own_network() + [sys.executable] + sys.argv
    os.execvp(command[0], command)


class Host:
    """A machine of the lab: a network namespace held open by a process that ends with us, or just loopback."""

    def __init__(self, name, address, holder=None):
        self.name, self.address, self.holder = name, address, holder

    def prefix(self):
        return ["nsenter", "-t", str(self.holder.pid), "-n"] if self.holder else []

    def run(self, *command):
        return subprocess.run(self.prefix() + list(command), check=True, capture_output=True, text=True)

    def start(self, command, log, env=None):
        return subprocess.Popen(self.prefix() + command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                                preexec_fn=_die_with_parent)


def open_namespace(name, address):
    """A host in a network namespace of its own, without a network card."""
    # `cat` holds the namespace and ends when our end of its pipe is closed, however that comes about.
    holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, preexec_fn=_die_with_parent)
    holder.stdout.readline()
    return Host(name, address, holder)


class Lab:
    def __init__(self, build, loopback=False, keep=False):
        self.build = pathlib.Path(build).resolve()
        self.loopback = loopback
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="p2pd-"))
        self.keep = keep
        self.hosts, self.programs = {}, []
        self.open_network()

    def open_network(self):
        """What the hosts are plugged into: one bridge."""
        if not self.loopback:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            subprocess.run(["ip", "link", "add", "segment", "type", "bridge"], check=True)
            subprocess.run(["ip", "link", "set", "segment", "up"], check=True)

    def close_network(self):
        if not self.loopback:
            subprocess.run(["ip", "link", "del", "segment"], check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends everything. Fails when a program does not end cleanly or a sanitizer found something in it."""
        problems = []
        for program in list(self.programs)[::-1]:  # daemons before the relays they stand on
            name, status = program.name, program.stop()
            if status != 0:
                problems.append(f"{name} ended with status {status}")
        for log in sorted(self.folder.glob("*.log")):
            found = SANITIZER.search(log.read_text(errors="replace"))
            if found:
                problems.append(f"{log.name}: {found.group(0)}")
        for host in self.hosts.values():
            if host.holder:
                host.holder.communicate()
        self.close_network()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        if problems:
            raise Failed("\n".join(problems))

    def host(self, name):
        if name in self.hosts:
            return self.hosts[name]
        if self.loopback:
            host = Host(name, "127.0.0.1")
        else:
            address = f"10.77.0.{len(self.hosts) + 1}"
            host = open_namespace(name, address)
            # Never used again: the kernel removes a dead namespace's devices some time after its last process.
            port = f"p{next(PORTS)}"
            subprocess.run(["ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns",
                            str(host.holder.pid)], check=True)
            subprocess.run(["ip", "link", "set", port, "master", "segment", "up"], check=True)
            # Without duplicate address detection an address works from the moment it is there.
            host.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0")
            for step in (["ip", "link", "set", "lo", "up"], ["ip", "addr", "add", f"{address}/24", "dev", "eth0"],
                         ["ip", "link", "set", "eth0", "up"]):
                host.run(*step)
        self.hosts[name] = host
        return host

    def cut_udp(self, host):
        """Every UDP packet of the host is dropped, in and out: the direct path dies silently, the relay's TCP lives."""
        host.run("nft", "table inet cut { chain in { type filter hook input priority 0; meta l4proto udp drop; }; "
                        "chain out { type filter hook output priority 0; meta l4proto udp drop; }; }")

    def mend_udp(self, host):
        host.run("nft", "delete table inet cut")

    def relay(self, name="relay", **options):
        return Relay(self, self.host(name), **options)

    def daemon(self, name, relays, **options):
        return Daemon(self, self.host(name), relays, **options)


def until(condition, what, deadline=DEADLINE, step=0.02):
    """Asks until the answer is true. For states that no command of ours waits for."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {deadline:.0f} s for: {what}")
        select.select([], [], [], step)


class Process:
    """A program of ours with its log in the lab's folder."""

    def __init__(self, lab, host, name):
        self.lab, self.host, self.name = lab, host, name
        self.state = lab.folder / name
        self.state.mkdir(exist_ok=True, mode=0o700)
        self.log_file = lab.folder / f"{name}.log"
        self.process = None

    def spawn(self, command, env=None):
        self.log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        with open(self.log_file, "ab") as log:
            self.process = self.host.start(command, log, env)
        self.lab.programs.append(self)

    def log(self):
        """What it has logged since its last start."""
        return self.log_file.read_bytes()[self.log_start:].decode(errors="replace") if self.log_file.exists() else ""

    def wait_log(self, pattern, what):
        def found():
            if self.process.poll() is not None and not re.search(pattern, self.log()):
                raise Failed(f"{self.name} ended with status {self.process.returncode}:\n{self.log()}")
            return re.search(pattern, self.log())
        return until(found, what)

    def kill(self, with_signal=signal.SIGKILL):
        """Ends it and waits for its end; returns its exit status."""
        self.process.send_signal(with_signal)
        status = self.process.wait(timeout=DEADLINE)
        self.lab.programs.remove(self)
        self.process = None
        return status

    def stop(self):
        return self.kill(signal.SIGTERM)


class Relay(Process):
    def __init__(self, lab, host, tls=None, arguments=()):
        super().__init__(lab, host, host.name if not lab.loopback else "relay")
        self.tls, self.arguments = tls, list(arguments)
        self.address, self.stun = f"{host.address}:0", f"{host.address}:0"
        self.start()

    def start(self):
        command = [str(self.lab.build / "p2p-relay"), "--state-dir", str(self.state), "--listen", self.address,
                   "--stun-listen", self.stun, *self.arguments]
        if self.tls:
            command += ["--tls-cert", str(self.tls[0]), "--tls-key", str(self.tls[1])]
        self.spawn(command)
        found = self.wait_log(r"relay: listening .*?addr=\"?([0-9.:]+)\"?.*url=\"?(wss?://[0-9.:]+)\"?",
                              "the relay to listen")
        self.address, self.url = found.group(1), found.group(2)
        self.stun = self.wait_log(r"stun listening .*?addr=\"?([0-9.:]+)\"?", "the relay's STUN to listen").group(1)
        return self


class Daemon(Process):
    def __init__(self, lab, host, relays, arguments=(), env=None, start=True):
        super().__init__(lab, host, host.name)
        self.relays, self.arguments, self.env = relays, list(arguments), env or {}
        self.socket = lab.folder / f"{self.name}.sock"
        self.environment = {**os.environ, "P2PD_SOCKET": str(self.socket)}
        if start:
            self.start()

    def command(self, state=None, socket=None):
        command = [str(self.lab.build / "p2pd"), "--state-dir", str(state or self.state), "--socket",
                   str(socket or self.socket)]
        for relay in self.relays:
            command += ["--relay", relay if isinstance(relay, str) else relay.url]
            if not isinstance(relay, str):
                command += ["--stun", relay.stun]
        return command + (["--allow-loopback"] if self.lab.loopback else []) + self.arguments

    def start(self):
        self.spawn(self.command(), {**os.environ, **self.env})
        until(lambda: self.ready(), f"{self.name}'s socket to answer")
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with status {self.process.returncode}:\n{self.log()}")
        return self.ctl("id", check=False).returncode == 0

    def ctl(self, *arguments, check=True, text_input=None, timeout=DEADLINE):
        """p2pctl as typed on this host; a CompletedProcess. With check, another status than 0 is a failure."""
        done = subprocess.run([str(self.lab.build / "p2pctl"), *arguments], env=self.environment, input=text_input,
                              capture_output=True, text=not isinstance(text_input, bytes), timeout=timeout)
        if check and done.returncode != 0:
            raise Failed(f"{self.name}: p2pctl {' '.join(arguments)}: status {done.returncode}: {done.stderr}"
                         f"\n--- log of {self.name} ---\n{self.log()[-4000:]}")
        return done

    def json(self, *arguments):
        return json.loads(self.ctl("--json", *arguments).stdout)

    def id(self):
        return self.ctl("id").stdout.strip()

    def peer(self, name):
        return self.json("status", name)

    @contextlib.contextmanager
    def follow(self, *arguments):
        """A p2pctl that goes on; yields a function that returns its next line."""
        process = subprocess.Popen([str(self.lab.build / "p2pctl"), *arguments], env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=_die_with_parent)
        buffer = bytearray()

        def next_line(deadline=DEADLINE):
            end = time.monotonic() + deadline
            while b"\n" not in buffer:
                ready, _, _ = select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))
                if not ready:
                    raise Failed(f"{self.name}: no line from p2pctl {' '.join(arguments)} in {deadline:.0f} s"
                                 f"\n--- log of {self.name} ---\n{self.log()[-4000:]}")
                chunk = os.read(process.stdout.fileno(), 65536)
                if not chunk:
                    raise Failed(f"p2pctl {' '.join(arguments)} ended: {process.stderr.read().decode()}")
                buffer.extend(chunk)
            line, _, rest = bytes(buffer).partition(b"\n")
            buffer[:] = rest
            return line.decode()

        try:
            yield next_line
        finally:
            process.kill()
            process.communicate()


def introduce(one, other):
    """Each lists the other, by host name."""
    one.ctl("peer", "add", other.name, other.id())
    other.ctl("peer", "add", one.name, one.id())


def receive(daemon, sender, count=1):
    """The next messages from `sender`, acknowledged; waits for them."""
    out = []
    with daemon.follow("--json", "recv", sender, "--follow") as next_line:
        while len(out) < count:
            out.append(json.loads(next_line()))
    # Not by --ack: the reader above is ended as soon as it has printed enough.
    daemon.ctl("call", "message.ack", json.dumps({"peer": sender, "up_to": out[-1]["cursor"]}))
    return out
