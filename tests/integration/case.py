"""The test case the integration tests share: a lab a test, in a network namespace of the whole program's own."""
import os
import sys
import unittest

import harness


class LabCase(unittest.TestCase):
    def setUp(self):
        self.lab = harness.Lab(os.environ["P2PD_BUILD"], loopback=not in_own_network())
        self.addCleanup(self.lab.close)

    def pair(self, relays=None, **options):
        """alice and bob on one relay, each listing the other."""
        relays = relays if relays is not None else [self.lab.relay()]
        alice, bob = self.lab.daemon("alice", relays, **options), self.lab.daemon("bob", relays, **options)
        harness.introduce(alice, bob)
        return alice, bob, relays

    def stun_relay(self):
        """A relay with two STUN addresses: RFC 5780."""
        host = self.lab.host("relay")
        second = "127.0.0.2"
        if host.holder:
            second = "10.77.0.201"
            host.run("ip", "addr", "add", f"{second}/24", "dev", "eth0")
        return self.lab.relay(arguments=["--stun-listen", f"{second}:0"])

    def place_behind(self, name, router_name, nat, forward=""):
        """A host in a network of its own, behind a router with this source NAT and this rule for what it forwards."""
        router, inside = self.lab.host(router_name), self.lab.host(name)
        inside.run("ip", "link", "del", "eth0")
        inside.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "lan", "netns", str(router.holder.pid))
        for host, device, address in ((inside, "eth0", "192.168.7.2"), (router, "lan", "192.168.7.1")):
            host.run("ip", "addr", "add", f"{address}/24", "dev", device)
            host.run("ip", "link", "set", device, "up")
        inside.run("ip", "route", "add", "default", "via", "192.168.7.1")
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        router.run("nft", "table ip nat { chain out { type nat hook postrouting priority srcnat; oifname eth0 " + nat + "; }; }")
        router.run("nft", "table inet rules { chain through { type filter hook forward priority 0; " + forward + "}; }")
        return inside

    def says_no(self, daemon, status, words, *arguments, **options):
        """p2pctl refuses: with this exit status, one line on stderr holding these words, nothing on stdout."""
        done = daemon.ctl(*arguments, check=False, **options)
        self.assertEqual(done.returncode, status, f"p2pctl {arguments}: {done.stdout}{done.stderr}")
        error = done.stderr if isinstance(done.stderr, str) else done.stderr.decode()
        self.assertIn(words, error)
        self.assertFalse(done.stdout, done.stdout)
        return error


def in_own_network():
    return os.environ.get("P2PD_OWN_NETWORK") == "1"


def needs_namespaces(test):
    """For what cannot be shown on loopback."""
    return unittest.skipUnless(in_own_network(), "needs network namespaces, which are not permitted here")(test)


def main():
    if not in_own_network() and harness.namespaces_work():
        harness.rerun_in_own_network()
    program = unittest.main(exit=False, verbosity=2)
    result = program.result
    for test, reason in result.skipped:
        print(f"SKIPPED, NOT TESTED: {test}: {reason}", file=sys.stderr)
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)
