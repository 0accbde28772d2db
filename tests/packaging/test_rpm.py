"""The RPM spec: rpm can read it, and makes both packages of this build with everything that is installed in one of them."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["P2PD_BUILD"]).resolve()
SOURCE = pathlib.Path(os.environ["P2PD_SOURCE"]).resolve()
SPEC = SOURCE / "packaging" / "rpm" / "p2pd.spec"


@unittest.skipUnless(shutil.which("rpmbuild"), "rpmbuild is not installed")
class Rpm(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="p2pd-rpm-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def run_in(self, *command):
        done = subprocess.run([str(word) for word in command], cwd=self.folder, capture_output=True, text=True, check=False,
                              env={**os.environ, "HOME": str(self.folder)})
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        return done.stdout

    def test_it_has_the_projects_version(self):
        version = re.search(r"project\(p2pd VERSION ([0-9.]+)", (SOURCE / "CMakeLists.txt").read_text()).group(1)
        self.assertIn(f"\nVersion:        {version}\n", self.run_in("rpmspec", "-P", SPEC))

    def test_both_packages_are_made(self):
        tree = self.folder / "SOURCES" / "p2pd-0.1.0"
        (tree / "docs").mkdir(parents=True)
        for name in ("LICENSE", "README.md", "docs/api.md", "docs/architecture.md", "docs/protocol.md"):
            shutil.copy(SOURCE / name, tree / name)
        self.run_in("tar", "-C", tree.parent, "-czf", tree.parent / "p2pd-0.1.0.tar.gz", tree.name)
        # rpm fails when something is installed that no package lists, and the other way round. Stripping takes long.
        self.run_in("rpmbuild", "-bb", "--nodeps", "--define", f"_topdir {self.folder}", "--define", f"p2pd_build {BUILD}",
                    "--define", "debug_package %{nil}", "--define", "__os_install_post %{nil}", "--define",
                    "__find_requires %{nil}", "--define", "_binary_payload w1.gzdio", SPEC)
        listed = {}
        for package in self.folder.glob("RPMS/*/*.rpm"):
            listed[package.name.split("-0.1.0")[0]] = self.run_in("rpm", "-qlp", package).splitlines()
        self.assertEqual(sorted(listed), ["p2p-relay", "p2pd"])
        self.assertIn("/usr/bin/p2pctl", listed["p2pd"])
        self.assertIn("/usr/bin/p2p-relay", listed["p2p-relay"])


if __name__ == "__main__":
    program = unittest.main(exit=False, verbosity=2)
    for test, reason in program.result.skipped:
        print(f"SKIPPED, NOT TESTED: {test}: {reason}", file=sys.stderr)
    sys.exit(not program.result.wasSuccessful())
