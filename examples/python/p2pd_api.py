"""The API of p2pd for the examples beside this file: JSON-RPC 2.0, one object a line, over a Unix socket. Copy it freely."""
import collections
import json
import os
import select
import socket


class Refused(Exception):
    """p2pd said no; `reason` is a word of the list in docs/api.md."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.reason = error["data"]["reason"]


def socket_path():
    named, folder = os.environ.get("P2PD_SOCKET"), os.environ.get("XDG_RUNTIME_DIR")
    if named:
        return named
    if folder and os.path.exists(f"{folder}/p2pd/p2pd.sock"):
        return f"{folder}/p2pd/p2pd.sock"
    return "/run/p2pd/p2pd.sock"


class Api:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.connect(socket_path())
        except OSError as error:
            raise ConnectionError(f"cannot reach p2pd at {socket_path()}: {error.strerror}") from None
        self.input = b""
        self.events = collections.deque()
        self.last_id = 0

    def call(self, method, descriptor=None, **params):
        """The result. Events that come before it are kept for next_event()."""
        self.last_id += 1
        request = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}
        line = json.dumps(request).encode() + b"\n"
        # A descriptor travels beside the first byte of its request.
        sent = socket.send_fds(self.socket, [line], [] if descriptor is None else [descriptor])
        if sent < len(line):
            self.socket.sendall(line[sent:])
        while True:
            answer = self.read_line()
            if "method" in answer:
                self.events.append(answer["params"])
            elif "error" in answer:
                raise Refused(answer["error"])
            elif answer["id"] == self.last_id:
                return answer["result"]

    def next_event(self):
        """The next event of any subscription; waits for it."""
        if self.events:
            return self.events.popleft()
        answer = self.read_line()
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["params"]

    def event_or_input(self, file, seconds=None):
        """Waits for an event, for input in `file`, or for some seconds: 'event', 'input' or None."""
        if self.events or b"\n" in self.input:
            return "event"
        ready, _, _ = select.select([self.socket] + ([file] if file else []), [], [], seconds)
        return "event" if self.socket in ready else "input" if ready else None

    def take_stream(self):
        """After stream.open or stream.listen: the socket, and the bytes of the stream that came with the answer."""
        early, self.input = self.input, b""
        return self.socket, early

    def read_line(self):
        while b"\n" not in self.input:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError("p2pd closed the connection")
            self.input += chunk
        line, _, self.input = self.input.partition(b"\n")
        return json.loads(line)


def received(api, peer=None):
    """Messages in the inbox, the oldest first; each is removed when the caller asks for the next one."""
    which = {"peer": peer} if peer else {}
    while messages := api.call("message.list", limit=1, **which)["messages"]:
        yield messages[0]
        api.call("message.ack", up_to=messages[0]["cursor"], **which)
