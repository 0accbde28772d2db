"""rpc.discover against everything: the document itself, docs/api.md, the shipped file, and the answers of running daemons."""
import concurrent.futures
import json
import os
import pathlib
import re
import socket
import tempfile

import harness
from api_client import Connection
from case import LabCase, main
from json_schema import faults, resolve

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "api.md"


def references(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from [item] if key == "$ref" else references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def documented():
    """By method, the parameters' names as docs/api.md has them, with whether they are needed, and the tier."""
    out = {}
    for name, inside, tier in re.findall(r"^### (\w+\.\w+) `\{(.*)\}` \((\w+)\)$", DOCUMENT.read_text(), re.MULTILINE):
        params = {}
        for item in filter(None, inside.split(", ")):
            words = [word.strip() for word in item.split("|")]  # one of several may be left out
            params.update({word.removesuffix("?"): not word.endswith("?") and len(words) == 1 for word in words})
        out[name] = (params, tier)
    return out


def outside(schema, document):
    """Values that a schema does not allow: just over its bounds, another word, another type."""
    if "$ref" in schema:
        yield from outside(resolve(schema["$ref"], document), document)
        return
    if "anyOf" in schema:
        candidates = [value for one in schema["anyOf"] for value in outside(one, document)]
        yield from (value for value in candidates if list(faults(value, schema, document)))
        return
    yield {"another": "type"} if schema.get("type") != "object" else 7
    if "minimum" in schema:
        yield schema["minimum"] - 1
    if "maximum" in schema:
        yield schema["maximum"] + 1
    if "enum" in schema or "pattern" in schema:
        yield "no-such-word"
    if "items" in schema:
        yield from ([value] for value in outside(schema["items"], document))


class OpenRpc(LabCase):
    def setUp(self):
        super().setUp()
        self.connections = {}

    def connection(self, daemon):
        if daemon not in self.connections:
            self.connections[daemon] = Connection(daemon)
            self.addCleanup(self.connections[daemon].close)
        return self.connections[daemon]

    def discovered(self, daemon):
        self.document = self.connection(daemon).call("rpc.discover")["result"]
        return {method["name"]: method for method in self.document["methods"]}

    def fits(self, value, schema, what):
        self.assertEqual(list(faults(value, schema, self.document)), [], what)

    def test_the_document(self):
        methods = self.discovered(self.lab.daemon("alice", []))
        self.assertRegex(self.document["openrpc"], r"^1\.\d+\.\d+$")
        for reference in references(self.document):
            resolve(reference, self.document)
        self.assertEqual({name: ({p["name"]: p["required"] for p in method["params"]}, method["x-tier"])
                          for name, method in methods.items()}, documented())
        for name, method in methods.items():
            with self.subTest(method=name):
                self.assertEqual(method["paramStructure"], "by-name")
                self.assertTrue(method["summary"] and method["errors"])
                example = method["examples"][0]
                given = {p["name"]: p["value"] for p in example["params"]}
                known = {p["name"]: p for p in method["params"]}
                self.assertLessEqual({n for n, p in known.items() if p["required"]}, set(given))
                for param, value in given.items():
                    self.fits(value, known[param]["schema"], param)
                self.fits(example["result"]["value"], method["result"]["schema"], "the example's result")
        shipped = json.loads(pathlib.Path(os.environ["P2PD_BUILD"], "man", "openrpc.json").read_text())
        self.assertEqual(shipped, self.document)

    def test_the_events(self):
        alice, bob, _ = self.pair()
        self.discovered(alice)
        described = {(event["topic"], event["type"]): event["schema"] for event in self.document["x-events"]}
        table = DOCUMENT.read_text().split("| topic | type | keys | when |")[1].split("\n\n")[0]
        rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", table, re.MULTILINE)
        self.assertEqual(set(described), {(topic, kind) for topic, kinds in rows for kind in re.findall(r"`(\w+)`", kinds)})
        listener = Connection(alice)
        self.addCleanup(listener.close)
        listener.call("events.subscribe", {"topics": ["daemon", "relay", "peer", "message", "file", "service", "net"]})
        path = self.lab.folder / "some.file"
        path.write_bytes(b"x" * 100_000)
        seen = set()

        def hear(until):
            while until not in seen:
                event = listener.next()
                seen.add((event["topic"], event["type"]))
                self.fits(event, {"$ref": "#/components/schemas/Event"}, event)
                self.fits(event, described[event["topic"], event["type"]], event)

        alice.ctl("connect", "bob", "--wait", "direct", "--timeout", "30")
        hear(("peer", "path"))
        hear(("peer", "quality"))
        alice.ctl("send", "bob", "--file", str(path))
        hear(("file", "done"))
        alice.ctl("send", "bob", "hello")
        hear(("message", "delivered"))
        bob.ctl("send", "alice", "hello")
        hear(("message", "received"))
        alice.ctl("expose", "some.service", "tcp:127.0.0.1:9")
        hear(("service", "exposed"))
        bob.ctl("nc", "alice", "some.service", check=False)
        hear(("service", "refused"))
        alice.ctl("unexpose", "some.service")
        hear(("service", "unexposed"))
        alice.ctl("netcheck")
        hear(("net", "report"))
        alice.ctl("reload")
        hear(("daemon", "reloaded"))
        self.assertLessEqual({("daemon", "snapshot"), ("peer", "state"), ("peer", "candidate"), ("file", "added")}, seen)

    def test_what_is_wrong_would_be_found(self):
        methods = self.discovered(self.lab.daemon("alice", []))
        schema = methods["peer.status"]["result"]["schema"]
        good = methods["peer.status"]["examples"][0]["result"]["value"]
        for change in ({"state": "asleep"}, {"rtt_ms": "quick"}, {"path": 7}, {"outbox": -1}, {"id": "short"}, {"relays": [1]},
                       {"bytes": {}}, {"wanted": 1}):
            self.assertNotEqual(list(faults({**good, **change}, schema, self.document)), [], change)
        self.assertNotEqual(list(faults({}, schema, self.document)), [])

    def test_what_the_schemas_do_not_allow_is_refused(self):
        alice, _, _ = self.pair()
        tried = set()
        for name, method in self.discovered(alice).items():
            example = {p["name"]: p["value"] for p in method["examples"][0]["params"]}
            for param in method["params"]:
                for value in outside(param["schema"], self.document):
                    with self.subTest(method=name, param=param["name"], value=value):
                        # After an error these close the connection: what follows would be a stream's bytes.
                        asked = Connection(alice) if method["x-upgrades"] else self.connection(alice)
                        answer = asked.call(name, {**example, param["name"]: value})
                        if method["x-upgrades"]:
                            asked.close()
                        self.assertEqual(answer.get("error", answer)["data"]["reason"], "invalid_params", answer)
                        self.assertIn(param["name"], answer["error"]["message"])
                        tried.add(type(value))
        self.assertEqual(tried, {dict, int, str, list})

    def test_answers_of_every_method_are_as_described(self):
        alice, bob, relays = self.pair()
        carol = self.lab.daemon("carol", relays)
        methods = self.discovered(alice)
        called = set()

        def call(daemon, method, refused=None, descriptor=None, **params):
            """The result, or with `refused` the error, which has to be one of the described."""
            called.add(method)
            answer = self.connection(daemon).call(method, params, descriptor)
            row = methods[method]
            if refused:
                self.assertEqual(answer["error"]["data"]["reason"], refused, answer)
                self.assertIn({"$ref": f"#/components/errors/{refused}"}, row["errors"], method)
                described = resolve(f"#/components/errors/{refused}", self.document)
                self.assertEqual((answer["error"]["code"], answer["error"]["data"]), (described["code"], described["data"]))
                return answer["error"]
            self.assertIn("result", answer, (method, answer))
            known = {p["name"]: p["schema"] for p in row["params"]}
            for name, value in params.items():
                self.fits(value, known[name], f"{method} {name}")
            self.fits(answer["result"], row["result"]["schema"], method)
            return answer["result"]

        for method in ("rpc.discover", "daemon.hello", "daemon.status", "daemon.config", "daemon.reload", "daemon.log", "peer.list"):
            call(alice, method)
        call(alice, "log.set_level", level="debug")
        call(alice, "net.report", max_age_ms=3_600_000)
        call(alice, "peer.add", name="dave", id="abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqraa")
        call(alice, "peer.add", refused="name_taken", name="bob", id="abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqraa")
        call(alice, "peer.add", refused="own_id", name="me", id=alice.id())
        call(alice, "peer.add", refused="invalid_id", name="me", id="me")
        call(alice, "peer.set", peer="dave", direct="off", files=False)
        call(alice, "peer.connect", peer="bob", wait="none")
        call(alice, "peer.connect", peer="bob", wait="direct", timeout_ms=30_000)
        call(alice, "peer.connect", refused="timeout", peer="dave", timeout_ms=1)
        for method in ("peer.status", "peer.history", "peer.ping", "peer.diagnose"):
            call(alice, method, peer="bob")
            call(alice, method, refused="unknown_peer", peer="eve")
        self.assertEqual(len(call(alice, "message.send", peer="dave", text="waits")["id"]), 32)
        waiting = call(alice, "outbox.list")["messages"]
        call(alice, "outbox.cancel", id=waiting[0]["id"])
        call(alice, "outbox.cancel", refused="not_found", id=waiting[0]["id"])
        for body in ({"text": "hello"}, {"data_base64": "AAEC"}):
            call(alice, "message.send", peer="bob", reply_to="47723cd5433c7f6f6dd09eba45e55980", **body)
        harness.until(lambda: len(call(bob, "message.list", after=0, limit=1000)["messages"]) == 2, "the messages")
        call(bob, "message.ack", up_to=1)
        with tempfile.TemporaryFile() as file:
            file.write(b"content")
            file.flush()
            sent = call(alice, "file.send", peer="bob", name="some.file", descriptor=file.fileno())
            self.assertEqual(call(alice, "file.list")["files"] == [], False)
            harness.until(lambda: call(bob, "file.list", all=True)["files"][0:] and
                          call(bob, "file.list", all=True)["files"][0]["state"] == "done", "the file")
            harness.until(lambda: call(alice, "file.list", peer="bob", all=True)["files"][0]["state"] == "done", "the news of it")
            call(alice, "file.ack", id=sent["id"])
            waits = call(alice, "file.send", peer="dave", name="other.file", descriptor=file.fileno())
            call(alice, "file.cancel", id=waits["id"])
            call(alice, "file.cancel", refused="not_found", id=waits["id"])
        first = call(alice, "invite.create", name="somebody", expires_ms=600_000)
        ticket = call(alice, "invite.create")["ticket"]
        call(alice, "invite.revoke", id=first["id"])
        call(carol, "invite.accept", ticket=ticket, timeout_ms=60_000)
        call(carol, "invite.accept", refused="ticket_altered", ticket="p2pd1nonsense")
        call(alice, "invite.list")
        self.streams(alice, bob, call)
        call(alice, "peer.disconnect", peer="bob")
        call(alice, "peer.remove", peer="dave")
        self.events(alice, called)
        self.assertEqual(called, set(methods), "methods that this test forgot")

    def streams(self, alice, bob, call):
        call(bob, "service.expose", service="closed", target="tcp:127.0.0.1:9")
        call(bob, "service.list")
        call(bob, "service.expose", refused="unknown_peer", service="x", target="tcp:127.0.0.1:9", allow=["eve"])
        call(bob, "service.unexpose", service="closed")
        call(bob, "service.unexpose", refused="not_found", service="closed")
        listening = Connection(bob)
        self.addCleanup(listening.close)
        self.connections[bob], kept = listening, self.connections[bob]
        # Its answer comes when there is a stream: the two are asked side by side.
        with concurrent.futures.ThreadPoolExecutor() as side:
            heard = side.submit(call, bob, "stream.listen", service="chat", allow=["alice"])
            harness.until(lambda: bob.json("services")["services"], "the listener")
            near, far = socket.socketpair()
            with near, far:
                stream = call(alice, "stream.open", peer="bob", service="chat", timeout_ms=30_000, descriptor=far.fileno())
                far.close()
                self.assertEqual(heard.result()["name"], "alice")
                call(alice, "stream.wait", refused="timeout", stream=stream["stream"], timeout_ms=0)
        listening.close()
        call(alice, "stream.wait", stream=stream["stream"], timeout_ms=60_000)
        call(alice, "stream.wait", refused="not_found", stream=stream["stream"] + 1)
        self.connections[bob] = kept

    def events(self, daemon, called):
        connection = self.connection(daemon)
        number = connection.call("events.subscribe", {"topics": ["peer", "message", "file"], "peers": ["bob"]})["result"]
        self.fits(connection.next(), {"$ref": "#/components/schemas/Event"}, "the snapshot")
        daemon.ctl("send", "bob", "again")
        for event in connection.until("delivered"):
            self.fits(event, {"$ref": "#/components/schemas/Event"}, "an event")
        self.assertEqual(connection.call("events.unsubscribe", number)["result"], {})
        called.update(("events.subscribe", "events.unsubscribe"))


if __name__ == "__main__":
    main()
