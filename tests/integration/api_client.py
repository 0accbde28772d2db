"""The API as a program speaks it: one connection, requests one by one, events kept apart from answers."""
import json
import socket

import harness


class Connection:
    def __init__(self, daemon):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(harness.DEADLINE)
        self.socket.connect(str(daemon.socket))
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.events = []

    def call(self, method, params=None, descriptor=None):
        """The whole answer, with `result` or `error`."""
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}).encode() + b"\n"
        sent = socket.send_fds(self.socket, [line], [] if descriptor is None else [descriptor])
        if sent < len(line):  # nothing at all would be an error where the daemon has answered and closed by now
            self.socket.sendall(line[sent:])
        while True:
            answer = json.loads(self.lines.readline())
            if "id" in answer:
                return answer
            self.events.append(answer["params"])

    def next(self):
        """The next event."""
        return self.events.pop(0) if self.events else json.loads(self.lines.readline())["params"]

    def until(self, kind):
        """The events up to and with the first of this type."""
        out = [self.next()]
        while out[-1]["type"] != kind:
            out.append(self.next())
        return out

    def close(self):
        self.lines.close()
        self.socket.close()
