"""From the packages to a received file: two fresh Debians and a relay on a third, paired by invitation, and a large file sent while
the relay, both daemons and both p2pctl are killed.

usage: transfer.py FOLDER-OF-THE-PACKAGES BASE [--size BYTES]     4 GiB by default
"""
import argparse
import contextlib
import hashlib
import json
import pathlib
import subprocess
import sys
import time

import machine

NAME = "archive.bin"
RECEIVED = "/var/lib/p2pd/files"
PATIENCE = 1800.0


BEGUN = time.monotonic()


def step(text):
    print(f"== {time.monotonic() - BEGUN:6.1f} s  {text}", flush=True)


def require(condition, text):
    if not condition:
        raise machine.Failed(text)


def make_file(path, size):
    """Bytes that repeat nowhere, quickly; returns their SHA-256."""
    key = hashlib.sha256(b"p2pd transfer").hexdigest()
    with open(path, "wb") as out:
        source = subprocess.Popen(["openssl", "enc", "-aes-256-ctr", "-K", key, "-iv", "0" * 32, "-nosalt", "-in", "/dev/zero"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        digest, left = hashlib.sha256(), size
        while left:
            piece = source.stdout.read(min(left, 1 << 20))
            digest.update(piece)
            out.write(piece)
            left -= len(piece)
        source.kill()
        source.communicate()
    return digest.hexdigest()


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


class Pair:
    def __init__(self, stack, packages, base):
        network = machine.Network()
        self.relay, self.alice, self.bob = (
            stack.enter_context(contextlib.closing(machine.Machine(name, [base], network))) for name in ("relay", "alice", "bob"))
        self.packages = packages

    def ctl(self, host, *words, **options):
        return host.run("p2pctl", *words, **options).strip()

    def json(self, host, *words):
        return json.loads(self.ctl(host, "--json", *words))

    def install_and_start(self):
        self.relay.install(self.packages["p2p-relay"])
        self.relay.sh("printf 'listen = 0.0.0.0:8080\\nstun-listen = 0.0.0.0:3478\\n' >>/etc/p2pd/p2p-relay.conf")
        self.relay.run("systemctl", "start", "p2p-relay")
        for host in (self.alice, self.bob):
            host.install(self.packages["p2pd"])
            host.sh(f"echo 'relay = ws://{self.relay.address}:8080' >/etc/p2pd/conf.d/10-relay.conf")
            host.run("systemctl", "start", "p2pd")
            self.ctl(host, "wait", "online", "--timeout", "60")

    def pair(self):
        ticket = self.ctl(self.alice, "invite", "--name", "bob")
        self.ctl(self.bob, "accept", "-", "--name", "alice", input=ticket + "\n")
        print(self.ctl(self.alice, "connect", "bob", "--wait", "direct", "--timeout", "60"), flush=True)

    def kill(self, host, unit):
        before = host.ctl("show", "-P", "MainPID", unit)
        host.run("kill", "-KILL", before)
        machine.until(lambda: host.ctl("show", "-P", "MainPID", unit) not in (before, "0")
                      and host.ctl("is-active", unit) == "active", f"{unit} on {host.name} to be started again")

    def received(self):
        """Bytes of the file that have come in, as the receiver's disk has them."""
        sizes = [path.stat().st_size for path in (self.bob.root / RECEIVED[1:]).rglob("*") if path.is_file()]
        return max(sizes, default=0)

    def sender(self):
        return self.alice.start("p2pctl", "send", "bob", "--file", f"/root/{NAME}", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def send_through_kills(pair, size):
    """Each of the five is killed once, at a later part of the file each time."""
    sending = pair.sender()

    def reached(eighths):
        machine.until(lambda: pair.received() >= size * eighths // 8 or sending.poll() is not None,
                      f"{eighths} eighths of the file", PATIENCE)
        require(sending.poll() is None, f"p2pctl ended early: {sending.stdout.read() if sending.poll() is not None else ''}")
        return f"{pair.received() >> 20} MiB are there"

    step(f"{reached(1)}: the relay is killed")
    pair.kill(pair.relay, "p2p-relay")
    step(f"{reached(2)}: the receiver's p2pd is killed")
    pair.kill(pair.bob, "p2pd")
    step(f"{reached(3)}: the sender's p2pd is killed; its p2pctl hands it the file again")
    pair.kill(pair.alice, "p2pd")
    # Begun only now: the death of its daemon ends what watches it.
    watching = pair.bob.start("p2pctl", "watch", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    watching.stdout.readline()
    step(f"{reached(5)}: both p2pctl are killed; the same command typed again takes up the transfer")
    for host, typed in ((pair.alice, sending), (pair.bob, watching)):
        host.run("pkill", "-KILL", "-x", "p2pctl")
        typed.communicate()
    sending = pair.sender()
    said, _ = sending.communicate(timeout=PATIENCE)
    require(sending.returncode == 0, f"p2pctl send ended with status {sending.returncode}:\n{said}")


def check_received(pair, size, digest):
    folder = pair.bob.root / RECEIVED[1:]
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
    require(files == [NAME], f"there is more or less than the one file: {files}")
    require((folder / NAME).stat().st_size == size, "the size differs")
    require(sha256(folder / NAME) == digest, "the hash differs")
    for host in (pair.alice, pair.bob):
        require(host.ctl("is-active", "p2pd") == "active", f"p2pd is not running on {host.name}")
        under_way = pair.json(host, "file", "list")["files"]
        require(under_way == [], f"{host.name} believes that something is under way: {under_way}")
    print(f"received: {sorted(path.name for path in folder.iterdir())}, {size} bytes, SHA-256 {digest} at both ends", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=pathlib.Path)
    parser.add_argument("base", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=4 << 30)
    options = parser.parse_args()
    base = options.base.resolve()
    packages = {name: next(options.packages.resolve().glob(f"{name}_[0-9]*.deb")) for name in ("p2pd", "p2p-relay")}
    machine.fresh_root(base, packages.values())
    with contextlib.ExitStack() as stack:
        step("three fresh machines boot")
        pair = Pair(stack, packages, base)
        step("the packages are installed, the services started")
        pair.install_and_start()
        step("invited, accepted, connected")
        pair.pair()
        step(f"a file of {options.size} bytes is made")
        digest = make_file(pair.alice.root / "root" / NAME, options.size)
        step("it is sent")
        try:
            send_through_kills(pair, options.size)
            check_received(pair, options.size, digest)
        except machine.Failed:
            for host, unit in ((pair.relay, "p2p-relay"), (pair.alice, "p2pd"), (pair.bob, "p2pd")):
                print(f"--- {host.name}\n" + host.sh(f"journalctl -q -u {unit} -n 40 --no-pager"), file=sys.stderr)
            raise
        step("it is there once, whole, under its name, and nothing else is")


if __name__ == "__main__":
    try:
        main()
    except machine.Failed as failure:
        sys.exit(f"failed: {failure}")
