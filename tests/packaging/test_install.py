"""`cmake --install`: everything in its place below the prefix, and a changed configuration left as it is."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["P2PD_BUILD"]).resolve()
PLACES = [
    "usr/local/bin/p2pd", "usr/local/bin/p2pctl", "usr/local/bin/p2p-relay", "etc/p2pd/p2pd.conf", "etc/p2pd/p2p-relay.conf",
    "usr/local/lib/systemd/system/p2pd.service", "usr/local/lib/systemd/system/p2p-relay.service",
    "usr/local/lib/systemd/user/p2pd.service", "usr/local/lib/sysusers.d/p2pd.conf",
    "usr/local/lib/sysusers.d/p2p-relay.conf", "usr/local/lib/sysctl.d/50-p2pd.conf", "usr/local/share/man/man1/p2pctl.1",
    "usr/local/share/man/man5/p2pd.conf.5", "usr/local/share/man/man7/p2pd-api.7", "usr/local/share/man/man8/p2pd.8",
    "usr/local/share/man/man8/p2p-relay.8", "usr/local/share/bash-completion/completions/p2pctl",
    "usr/local/share/p2pd/openrpc.json",
    "usr/local/share/zsh/site-functions/_p2pctl", "usr/local/share/fish/vendor_completions.d/p2pctl.fish",
]


class Install(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="p2pd-install-"))
        self.addCleanup(shutil.rmtree, self.root)

    def install(self, prefix):
        done = subprocess.run(["cmake", "--install", str(BUILD), "--prefix", prefix], capture_output=True, text=True, check=False,
                              env={**os.environ, "DESTDIR": str(self.root)})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_everything_is_in_its_place(self):
        self.install("/usr/local")
        for place in PLACES:
            self.assertTrue((self.root / place).is_file(), place)
        self.assertFalse(os.access(self.root / "usr/local/share/man/man1/p2pctl.1", os.X_OK))

    def test_a_changed_configuration_stays(self):
        changed = self.root / "etc/p2pd/p2p-relay.conf"
        changed.parent.mkdir(parents=True)
        changed.write_text("log-level = debug\n")
        self.install("/usr/local")
        self.assertEqual(changed.read_text(), "log-level = debug\n")

    def test_below_a_prefix_of_ones_own_nothing_is_outside_it(self):
        self.install("/opt/p2pd")
        self.assertEqual([path.name for path in self.root.iterdir()], ["opt"])
        self.assertTrue((self.root / "opt/p2pd/etc/p2pd/p2p-relay.conf").is_file())


if __name__ == "__main__":
    unittest.main(verbosity=2)
