"""TURN, with a real coturn: two daemons whose gateways let no UDP flow between them, but to the TURN server."""
import shutil
import unittest

import case
import harness
import servers

USER, PASSWORD, SHARED = "relay-user", "relay-password", "a-secret-shared-with-the-server"


@unittest.skipUnless(shutil.which("turnserver"), "needs coturn")
@case.needs_namespaces
class Turn(case.LabCase):
    def setUp(self):
        super().setUp()
        self.relay = self.lab.relay()
        self.alice_host, self.bob_host = self.lab.host("alice"), self.lab.host("bob")
        for host, other in ((self.alice_host, self.bob_host), (self.bob_host, self.alice_host)):
            # Nothing goes between the two but through others.
            host.run("nft", f"table inet apart {{ chain in {{ type filter hook input priority 0; ip saddr {other.address} drop; }}; }}")

    def serve(self, *lines):
        self.host = self.lab.host("turn")
        self.server = servers.coturn(self.lab, self.host, *lines)

    def secret(self, text):
        file = self.lab.folder / "turn-secret"
        file.write_text(text + "\n")
        return str(file)

    def flows(self, uri, secret):
        alice, bob, _ = self.pair([self.relay], arguments=["--turn", uri, "--turn-secret-file", self.secret(secret)])
        alice.ctl("connect", "bob")
        harness.until(lambda: alice.peer("bob")["path"] == "turn" and bob.peer("alice")["path"] == "turn",
                      "the TURN path at both ends")
        status = alice.peer("bob")
        self.assertEqual(status["why_not_direct"], "checks_failed")
        self.assertIn("relay ", status["local_candidate"] + " " + status["remote_candidate"])
        before = alice.peer("bob")["bytes"]
        for text in ("over TURN", "x" * 100_000):
            alice.ctl("send", "bob", "-", text_input=text)
            self.assertEqual(harness.receive(bob, "alice")[0]["text"], text)
        after = alice.peer("bob")["bytes"]
        self.assertGreater(after["turn_tx"] - before["turn_tx"], 100_000)
        return alice, bob

    def turn_of(self, daemon):
        server, = daemon.json("netcheck")["turn"]
        return server

    def test_a_shared_secret_over_udp(self):
        self.serve("use-auth-secret", f"static-auth-secret={SHARED}")
        alice, _ = self.flows(f"turn:{self.lab.host('turn').address}:3478", SHARED)
        server = self.turn_of(alice)
        self.assertEqual((server["transport"], server["allocated"], server["error"]), ("udp", True, None))
        self.assertTrue(server["relayed"].startswith(self.host.address + ":"))

    def test_user_and_password_over_tcp(self):
        self.serve("lt-cred-mech", f"user={USER}:{PASSWORD}", "no-udp")
        alice, _ = self.flows(f"turn:{self.lab.host('turn').address}:3478?transport=tcp", f"{USER} {PASSWORD}")
        server = self.turn_of(alice)
        self.assertEqual((server["transport"], server["allocated"]), ("tcp", True))

    def test_wrong_credentials_leave_the_relay(self):
        self.serve("use-auth-secret", f"static-auth-secret={SHARED}")
        alice, bob, _ = self.pair([self.relay], arguments=["--turn", f"turn:{self.host.address}", "--turn-secret-file",
                                                          self.secret("another")])
        alice.ctl("connect", "bob")
        harness.until(lambda: alice.peer("bob")["why_not_direct"] == "checks_failed", "the checks to fail")
        self.assertEqual(alice.peer("bob")["path"], "relay")
        alice.ctl("send", "bob", "by the relay")
        self.assertEqual(harness.receive(bob, "alice")[0]["text"], "by the relay")
        server = self.turn_of(alice)
        self.assertFalse(server["allocated"])
        self.assertIn("credentials", server["error"])
        self.server.kill()
        self.assertEqual(self.turn_of(alice)["error"], "no answer")
        self.assertIn("no answer", alice.ctl("netcheck").stdout)


if __name__ == "__main__":
    case.main()
