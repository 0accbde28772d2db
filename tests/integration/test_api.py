"""The socket as any program may use or abuse it: raw bytes, by hand."""
import json
import socket

import harness
from case import LabCase, main


class Api(LabCase):
    def setUp(self):
        super().setUp()
        self.daemon = self.lab.daemon("alice", [])
        self.unread = {}

    def open(self):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(harness.DEADLINE)
        client.connect(str(self.daemon.socket))
        self.addCleanup(client.close)
        return client

    def say(self, data):
        """The first line that comes back for these bytes; empty when the daemon closes."""
        client = self.open()
        try:
            client.sendall(data)
        except BrokenPipeError:
            pass  # it may close before all of it is sent
        return self.line(client)

    def line(self, client):
        """The client's next line; what there was of it when the daemon closes."""
        out = self.unread.pop(client, b"")
        while b"\n" not in out:
            try:
                chunk = client.recv(65536)
            except ConnectionResetError:
                break
            if not chunk:
                break
            out += chunk
        line, newline, self.unread[client] = out.partition(b"\n")
        return line + newline

    def error(self, data):
        return json.loads(self.say(data))["error"]

    def call(self, client, number, method, **params):
        client.sendall(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n")

    def test_malformed_json(self):
        self.assertEqual(self.error(b"{nonsense\n")["code"], -32700)
        self.assertEqual(self.error(b'{"jsonrpc":"2.0","id":1}\n')["code"], -32600)
        self.assertEqual(self.error(b"[]\n")["code"], -32600)
        self.assertEqual(self.error(b'{"jsonrpc":"2.0","id":1,"method":"daemon.hello","params":{"client":"\xff"}}\n')["code"], -32700)

    def test_unknown_method_and_wrong_parameters(self):
        self.assertEqual(self.error(b'{"jsonrpc":"2.0","id":1,"method":"daemon.fly"}\n')["code"], -32601)
        wrong = self.error(b'{"jsonrpc":"2.0","id":1,"method":"peer.connect","params":{"peer":7}}\n')
        self.assertEqual(wrong["code"], -32602)
        self.assertIn("peer", wrong["message"])
        missing = self.error(b'{"jsonrpc":"2.0","id":1,"method":"peer.connect","params":{}}\n')
        self.assertEqual(missing["code"], -32602)
        unknown = self.error(b'{"jsonrpc":"2.0","id":1,"method":"daemon.hello","params":{"colour":1}}\n')
        self.assertEqual(unknown["code"], -32602)

    def test_deep_json(self):
        self.assertIn(self.error(b"[" * 1000 + b"]" * 1000 + b"\n")["code"], (-32700, -32600))

    def test_a_request_over_the_limit(self):
        answer = self.say(b'{"jsonrpc":"2.0","id":1,"method":"daemon.hello","params":{"client":"' + b"x" * (3 << 20) + b'"}}\n')
        self.assertTrue(answer == b"" or b"error" in answer, answer[:200])
        self.assertEqual(json.loads(self.say(b'{"jsonrpc":"2.0","id":1,"method":"daemon.hello"}\n'))["result"]["api"], 1)

    def test_http_is_turned_away(self):
        answer = self.say(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b"HTTP/1.1 400", answer)

    def test_garbage_and_half_a_line_leave_the_daemon_up(self):
        client = self.open()
        client.sendall(bytes(range(256)))
        client.close()
        half = self.open()
        half.sendall(b'{"jsonrpc":"2.0"')
        half.close()
        self.daemon.ctl("status")

    def test_batches_and_pipelines(self):
        client = self.open()
        client.sendall(b'[{"jsonrpc":"2.0","id":1,"method":"daemon.hello"},{"jsonrpc":"2.0","id":2,"method":"peer.list"}]\n')
        self.assertEqual({answer["id"] for answer in json.loads(self.line(client))}, {1, 2})
        for number in range(100):
            self.call(client, number, "daemon.hello")
        seen = {json.loads(self.line(client))["id"] for _ in range(100)}
        self.assertEqual(seen, set(range(100)))

    def test_a_request_finds_the_messages_that_came_before_it_in_one_write(self):
        absent = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqraa"
        client, count = self.open(), 100
        lines = [("peer.add", {"name": "absent", "id": absent})]
        lines += [("message.send", {"peer": "absent", "text": str(number)}) for number in range(count)]
        lines += [("outbox.list", {}), ("daemon.status", {})]
        self.call(client, "first", *lines[0][:1], **lines[0][1])
        self.assertIn("result", json.loads(self.line(client)))
        client.sendall(b"".join(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
                                + b"\n" for number, (method, params) in enumerate(lines[1:])))
        answers = {}
        while len(answers) < count + 2:
            answer = json.loads(self.line(client))
            answers[answer["id"]] = answer["result"]
        self.assertEqual([answers[number]["sequence"] for number in range(count)], list(range(1, count + 1)))
        listed = answers[count]["messages"]
        self.assertEqual([row["id"] for row in listed], [answers[number]["id"] for number in range(count)])
        self.assertEqual(self.daemon.peer("absent")["outbox"], count)

    def test_a_status_shows_what_was_changed_just_before(self):
        absent = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqraa"
        client = self.open()

        def asked(method, **params):
            self.call(client, 1, method, **params)
            return json.loads(self.line(client))["result"]

        def shown():
            return [(peer["name"], peer["direct"], peer["outbox"], peer["state"]) for peer in asked("daemon.status")["peers"]]

        self.assertEqual(shown(), [])
        asked("peer.add", name="absent", id=absent)
        self.assertEqual(shown(), [("absent", "on", 0, "idle")])
        self.assertEqual(shown(), [("absent", "on", 0, "idle")])
        asked("peer.set", peer="absent", name="gone", direct=False)
        self.assertEqual(shown(), [("gone", "off", 0, "idle")])
        asked("message.send", peer="gone", text="hello")
        self.assertEqual([row[:3] for row in shown()], [("gone", "off", 1)])
        asked("peer.remove", peer="gone")
        self.assertEqual(shown(), [])

    def test_the_described_methods_are_the_contracts(self):
        document = self.daemon.json("call", "rpc.discover")
        names = {method["name"] for method in document["methods"]}
        self.assertLessEqual({"daemon.hello", "daemon.status", "peer.add", "peer.remove", "peer.set", "peer.list",
                              "peer.connect", "peer.disconnect", "peer.status", "peer.ping", "peer.history", "peer.diagnose",
                              "message.send", "message.list", "message.ack", "outbox.list", "outbox.cancel",
                              "net.report", "log.set_level", "events.subscribe", "events.unsubscribe", "rpc.discover"}, names)
        self.assertFalse([name for name in names if name.startswith("debug.")])

    def test_events_begin_with_a_snapshot_and_have_no_gap(self):
        client = self.open()
        self.call(client, 1, "events.subscribe", topics=["peer", "message", "relay"])
        self.assertIn("subscription", json.loads(self.line(client))["result"])
        first = json.loads(self.line(client))
        self.assertEqual(first["params"]["type"], "snapshot")
        for number in range(5):
            self.daemon.ctl("peer", "add", f"p{number}", "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqr" + "abcde"[number] + "a")
            self.daemon.ctl("connect", f"p{number}", "--timeout", "0.2", check=False)
        sequence = first["params"]["seq"]
        states = 0
        while states < 5:
            event = json.loads(self.line(client))["params"]
            self.assertEqual(event["seq"], sequence + 1)
            sequence = event["seq"]
            states += event["type"] == "state"

    def test_the_socket_is_the_owners_alone(self):
        self.assertEqual(self.daemon.socket.stat().st_mode & 0o777, 0o600)


if __name__ == "__main__":
    main()
