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
