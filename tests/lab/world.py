"""Daemons in the lab's networks, and their API as a program would use it."""
import itertools
import json
import select
import socket
import time

import harness
import internet
import routers
import servers


class Api:
    """One connection to a daemon's socket (docs/api.md)."""

    def __init__(self, path):
        self.path, self.numbers = str(path), itertools.count(1)
        self.connect()

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(harness.DEADLINE)
        self.socket.connect(self.path)
        self.lines = self.socket.makefile("r", encoding="utf-8")

    def reconnect(self):
        """After a long silence, which the daemon ends."""
        self.close()
        self.connect()

    def __call__(self, method, **params):
        number = next(self.numbers)
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(self.lines.readline())
        if "error" in answer:
            raise harness.Failed(f"{method} {params}: {answer['error']['message']}")
        return answer["result"]

    def close(self):
        self.lines.close()
        self.socket.close()


class Machine(harness.Daemon):
    """A daemon in a Place."""

    def __init__(self, net, place, relays, arguments=(), files=None):
        self.place, self.files = place, files
        self.downloads = net.folder / f"{place.host.name}-files"
        options = ["--download-dir", str(self.downloads)] + [word for relay in relays for word in relay.options(place.ipv6_only)]
        self.downloads.mkdir(mode=0o700, exist_ok=True)
        super().__init__(net, place.host, [], arguments=options + net.daemon_options + list(arguments))

    def command(self, state=None, socket=None):
        command = super().command(state, socket)
        return servers.seeing(self.state, self.files, command) if self.files else command

    def api(self):
        return Api(self.socket)

    def move(self, kind):
        """The machine is taken off its network and put into another one."""
        self.lab.unplug(self.place)
        self.place = routers.place(self.lab, kind, self.name)


class World(internet.Internet):
    """An internet with a relay; machines are put into it by the kind of their network."""

    def __init__(self, build, keep=False):
        self.daemon_options = ["--log-level", "debug"] if keep else []
        super().__init__(build, keep=keep)
        self.relay = self.open_relay()

    def settle(self, place, relays=None, arguments=(), files=None):
        """`files`: texts that the daemon sees in /etc, by their names there."""
        return Machine(self, place, [self.relay] if relays is None else relays, arguments, files)


def wait_for(ask, good, what, deadline=harness.DEADLINE, step=0.05):
    """Asks until the answer is good, and returns it. The failure tells the last answer."""
    end = time.monotonic() + deadline
    while True:
        answer = ask()
        if good(answer):
            return answer
        if time.monotonic() > end:
            raise harness.Failed(f"waited {deadline:.0f} s for {what}; the last answer was {answer}")
        select.select([], [], [], step)
