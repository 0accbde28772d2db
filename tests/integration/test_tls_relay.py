"""wss relays: the certificate must be right, and a wrong one is named as the reason."""
import subprocess

import harness
from case import LabCase, main


class TlsRelay(LabCase):
    def certificate(self, name, address):
        cert, key = self.lab.folder / f"{name}.pem", self.lab.folder / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                        "-addext", f"subjectAltName=IP:{address}", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        return cert, key

    def test_a_good_certificate(self):
        host = self.lab.host("relay")
        cert, key = self.certificate("good", host.address)
        relay = self.lab.relay(tls=(cert, key))
        self.assertTrue(relay.url.startswith("wss://"), relay.url)
        alice, bob, _ = self.pair(relays=[relay], arguments=["--relay-ca", str(cert)])
        alice.ctl("connect", "bob")
        alice.ctl("send", "bob", "over TLS")
        self.assertEqual(harness.receive(bob, "alice")[0]["text"], "over TLS")

    def test_a_wrong_certificate_is_the_named_reason(self):
        host = self.lab.host("relay")
        relay = self.lab.relay(tls=self.certificate("good", host.address))
        other, _ = self.certificate("other", host.address)
        alice = self.lab.daemon("alice", [relay], arguments=["--relay-ca", str(other)])
        error = harness.until(lambda: alice.json("status")["relay"].get("error"), "the dial to fail")
        self.assertIn("certificate", error)
        self.assertNotEqual(alice.json("status")["relay"]["state"], "online")


if __name__ == "__main__":
    main()
