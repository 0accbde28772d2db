"""A relay for one's friends: lists, tokens and certificates that change while it runs, and what it tells its operator."""
import json
import signal
import subprocess
import sys

import harness
from case import LabCase, main

# Runs on the relay's host: holds silent connections, then tries one more.
CROWD = """
import json, socket, sys, time, urllib.request
relay, metrics, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
def connect():
    host, port = relay.rsplit(":", 1)
    return socket.create_connection((host, int(port)))
def unauthenticated():
    text = urllib.request.urlopen(f"http://{metrics}/metrics").read().decode()
    return f"\\np2p_relay_unauthenticated {count}\\n" in text
held = [connect() for _ in range(count)]
end = time.monotonic() + 4
while not unauthenticated() and time.monotonic() < end:
    pass
late = connect()
late.settimeout(4)
try:
    got = late.recv(1)
except ConnectionResetError:
    got = b""
print(json.dumps({"closed_at_once": got == b""}))
"""
FETCH = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1])
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.headers["Content-Type"])
print(answer.read().decode(), end="")
"""


class RelayAccess(LabCase):
    def start_relay(self, *arguments, **options):
        address = self.lab.host("relay").address
        relay = self.lab.relay(arguments=["--metrics", f"{address}:0", *arguments], **options)
        relay.metrics = relay.wait_log(r"metrics listening addr=\"?([0-9.:]+)", "the metrics to listen").group(1)
        return relay

    def write(self, name, *lines):
        file = self.lab.folder / name
        file.write_text("".join(f"{line}\n" for line in lines))
        file.chmod(0o600)
        return file

    def fetch(self, relay, path):
        done = relay.host.run(sys.executable, "-c", FETCH, f"http://{relay.metrics}{path}")
        head, _, body = done.stdout.partition("\n")
        return int(head.split()[0]), head.partition(" ")[2], body

    def metric(self, relay, sample):
        for line in self.fetch(relay, "/metrics")[2].splitlines():
            name, _, value = line.rpartition(" ")
            if name == f"p2p_relay_{sample}":
                return int(value)
        self.fail(f"no sample {sample}")

    def reload(self, relay, result="good"):
        before = self.metric(relay, f'reloads_total{{result="{result}"}}')
        relay.process.send_signal(signal.SIGHUP)
        harness.until(lambda: self.metric(relay, f'reloads_total{{result="{result}"}}') == before + 1, "the reload")

    def error(self, daemon, words):
        """Waits until the daemon is off its relay for a reason with these words."""
        def told():
            relay = daemon.json("status")["relay"]
            return relay["state"] != "online" and words in relay.get("error", "")
        harness.until(told, f"{daemon.name} to say: {words}")

    def test_a_list_of_keys_that_changes(self):
        allowed = self.write("allowed", "# my friends")
        relay = self.start_relay("--access", f"allow:{allowed}")
        alice, bob = self.lab.daemon("alice", [relay]), self.lab.daemon("bob", [relay])
        harness.introduce(alice, bob)
        self.error(alice, "does not serve this machine; ask its operator")
        self.write("allowed", "# my friends", f"{alice.id()}  # alice", bob.id())
        self.reload(relay)
        for daemon in (alice, bob):
            daemon.ctl("wait", "online")
        alice.ctl("send", "bob", "let in")
        self.assertEqual(harness.receive(bob, "alice")[0]["text"], "let in")
        self.assertGreaterEqual(self.metric(relay, 'refused_total{reason="permission"}'), 1)
        self.assertEqual(self.metric(relay, "access_entries"), 2)

        self.write("allowed", alice.id())
        self.reload(relay)
        self.error(bob, "does not serve this key or token any more")
        self.assertEqual(self.metric(relay, 'sessions_ended_total{reason="permission"}'), 1)

        sessions = self.metric(relay, "sessions_total")
        self.write("allowed", alice.id(), "not a key")
        self.reload(relay, result="bad")
        self.assertRegex(relay.log(), r"what was read before stays in force.*allowed.*line 2")
        self.assertEqual(alice.json("status")["relay"]["state"], "online")
        self.assertEqual(self.metric(relay, "clients"), 1)
        self.assertEqual(self.metric(relay, "sessions_total"), sessions, "alice's session is the one from before")

    def test_tokens_that_change(self):
        old, new = "0123456789abcdef0123456789abcdef", "fedcba9876543210#fedcba987654321"
        relay = self.start_relay("--access", f"token:{self.write('tokens', old)}")
        alice = self.lab.daemon("alice", [relay], arguments=["--relay-token-file", str(self.write("hers", old))])
        bob = self.lab.daemon("bob", [relay], arguments=["--relay-token-file", str(self.write("his", "# the new one", new))])
        carol = self.lab.daemon("carol", [relay])
        alice.ctl("wait", "online")
        for refused in (bob, carol):
            self.error(refused, "ask its operator to allow the peer ID or for a token")
        self.write("tokens", "# from today", new)
        self.reload(relay)
        self.error(alice, "does not serve this key or token any more")
        bob.ctl("wait", "online")
        for log in (relay, alice, bob, carol):
            for token in (old, new):
                self.assertNotIn(token, log.log(), f"a token in the log of {log.name}")

    def certificate(self, name, address):
        cert, key = self.lab.folder / f"{name}.pem", self.lab.folder / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{address}",
                        "-keyout", key, "-out", cert], check=True, capture_output=True)
        return cert, key

    def test_a_certificate_that_is_renewed(self):
        address = self.lab.host("relay").address
        first, renewed = self.certificate("first", address), self.certificate("renewed", address)
        served = [self.lab.folder / "served.pem", self.lab.folder / "served.key"]
        for source, target in zip(first, served):
            target.write_bytes(source.read_bytes())
        relay = self.start_relay(tls=served)
        alice = self.lab.daemon("alice", [relay], arguments=["--relay-ca", str(first[0])])
        alice.ctl("wait", "online")

        served[0].write_bytes(renewed[0].read_bytes())
        self.reload(relay, result="bad")
        self.assertRegex(relay.log(), r"what was read before stays in force.*served\.key")
        bob = self.lab.daemon("bob", [relay], arguments=["--relay-ca", str(first[0])])
        bob.ctl("wait", "online")

        for unusable, complaint in (("not a certificate", r"served\.pem"), (None, r"served\.pem.*No such file")):
            served[0].write_text(unusable) if unusable else served[0].unlink()
            self.reload(relay, result="bad")
            self.assertRegex(relay.log().splitlines()[-1], rf"what was read before stays in force.*{complaint}")

        for source, target in zip(renewed, served):
            target.write_bytes(source.read_bytes())
        self.reload(relay)
        carol = self.lab.daemon("carol", [relay], arguments=["--relay-ca", str(renewed[0])])
        carol.ctl("wait", "online")
        dave = self.lab.daemon("dave", [relay], arguments=["--relay-ca", str(first[0])])
        self.error(dave, "certificate")
        for daemon in (alice, bob):
            self.assertEqual(daemon.json("status")["relay"]["state"], "online")
            self.assertNotIn("not online", daemon.log(), "the session from before goes on")
        self.assertEqual(self.metric(relay, "clients"), 3)

    def test_what_it_tells_its_operator(self):
        relay = self.start_relay()
        status, kind, body = self.fetch(relay, "/healthz")
        self.assertEqual((status, body), (200, "ok\n"))
        self.assertEqual(self.fetch(relay, "/elsewhere")[0], 404)
        status, kind, _ = self.fetch(relay, "/metrics")
        self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
        before = self.metric(relay, "forwarded_packets_total")
        alice, bob, _ = self.pair(relays=[relay], arguments=["--direct", "off"])
        alice.ctl("send", "bob", "by the relay")
        harness.receive(bob, "alice")
        self.assertGreater(self.metric(relay, "forwarded_packets_total"), before)
        self.assertGreater(self.metric(relay, "forwarded_bytes_total"), 0)
        self.assertEqual(self.metric(relay, "clients"), 2)
        alice.stop()
        harness.until(lambda: self.metric(relay, "clients") == 1, "alice to be gone")

    def test_connections_are_dropped_early_when_too_many_say_nothing(self):
        relay = self.start_relay("--max-startups", "2:100:2")
        done = relay.host.run(sys.executable, "-c", CROWD, relay.address, relay.metrics, "2")
        self.assertTrue(json.loads(done.stdout)["closed_at_once"])
        self.assertEqual(self.metric(relay, 'refused_total{reason="early_drop"}'), 1)
        harness.until(lambda: self.metric(relay, "unauthenticated") == 0, "the silent ones to be gone")
        self.lab.daemon("alice", [relay]).ctl("wait", "online")

    def test_a_budget_of_new_connections_for_each_address(self):
        relay = self.start_relay("--rate-handshakes", "0.2")  # two at once, then one in five seconds
        done = relay.host.run(sys.executable, "-c", CROWD, relay.address, relay.metrics, "2")
        self.assertTrue(json.loads(done.stdout)["closed_at_once"])
        self.assertEqual(self.metric(relay, 'refused_total{reason="rate"}'), 1)

    def test_wrong_options_and_files_are_named(self):
        for arguments, words in (
                (["--access", "closed"], "use open, allow:FILE or token:FILE"),
                (["--access", "allow:/nowhere/friends"], '"/nowhere/friends": No such file'),
                (["--access", f"allow:{self.lab.folder}"], "Is a directory"),
                (["--access", f"allow:{self.write('ids', '', 'short')}"], 'ids" line 2: '),
                (["--access", f"token:{self.write('none', '# later')}"], "holds no token, so nobody could connect"),
                (["--access", f"token:{self.write('long', 'x' * 1025)}"], 'long" line 1: the token is longer than 1024'),
                (["--tls-cert", "/nowhere/cert.pem", "--tls-key", "/nowhere/key.pem"], 'certificate "/nowhere/cert.pem"'),
                (["--tls-cert", "/nowhere/cert.pem"], "tls-cert and tls-key go together"),
                (["--acess", "open"], "did you mean --access?"),
                (["--config", str(self.write("conf", "lisen = 127.0.0.1:0"))], "did you mean listen?"),
                (["--public-url", "relay.example"], "public-url: "),
                (["--metrics", "9100"], "use ADDRESS:PORT"),
                (["--max-startups", "100:30"], "START:RATE:FULL")):
            for mode in ([], ["--check-config"]):
                command = [str(self.lab.build / "p2p-relay"), "--state-dir", str(self.lab.folder / "state"),
                           "--listen", "127.0.0.1:0", *arguments, *mode]
                done = subprocess.run(command, capture_output=True, text=True, timeout=harness.DEADLINE)
                self.assertIn(done.returncode, (1, 2), f"{arguments} {mode}: {done.stderr}")
                self.assertIn(words, done.stderr)
                self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    main()
