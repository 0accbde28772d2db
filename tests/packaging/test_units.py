"""What starts the programs: systemd units that systemd itself accepts and finds closed enough, launchd lists, users."""
import os
import pathlib
import plistlib
import re
import shutil
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["P2PD_BUILD"]).resolve()
PACKAGING = pathlib.Path(os.environ["P2PD_SOURCE"]).resolve() / "packaging"
SYSTEM = ["p2pd.service", "p2p-relay.service"]
MOST_EXPOSED = 20  # tenths: systemd-analyze's threshold for 2.0


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


class Units(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="p2pd-units-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def unit(self, name, template=None):
        """The unit with the programs of this build."""
        text = (PACKAGING / "systemd" / f"{template or name}.in").read_text()
        self.assertEqual(set(re.findall(r"@(\w+)@", text)), {"CMAKE_INSTALL_FULL_BINDIR"})
        path = self.folder / name
        path.write_text(text.replace("@CMAKE_INSTALL_FULL_BINDIR@", str(BUILD)))
        return path

    def verify(self, unit, *arguments):
        return run("systemd-analyze", "verify", "--man=no", *arguments, str(unit),
                   env={**os.environ, "XDG_RUNTIME_DIR": str(self.folder)})

    def exposure(self, unit):
        done = run("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit))
        return done.returncode, done.stdout.strip().splitlines()[-1] if done.stdout else done.stderr

    def test_systemd_accepts_the_units(self):
        for name in SYSTEM:
            with self.subTest(unit=name):
                done = self.verify(self.unit(name))
                self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = self.verify(self.unit("p2pd.service", "p2pd.user.service"), "--user")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_systemd_would_name_a_mistake(self):
        unit = self.unit("p2pd.service")
        unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchdockSec="))
        self.assertIn("WatchdockSec", self.verify(unit).stderr)

    def test_little_is_open_to_a_broken_program(self):
        for name in SYSTEM:
            with self.subTest(unit=name):
                status, verdict = self.exposure(self.unit(name))
                self.assertEqual(status, 0, verdict)

    def test_an_open_unit_would_fail(self):
        unit = self.unit("p2pd.service")
        unit.write_text(re.sub(r"^(Protect|Restrict|SystemCall)\w+=.*$", "", unit.read_text(), flags=re.MULTILINE))
        self.assertNotEqual(self.exposure(unit)[0], 0)

    def test_the_units_use_what_the_programs_offer(self):
        for name, user in (("p2pd.service", "p2pd"), ("p2p-relay.service", "p2p-relay")):
            text = self.unit(name).read_text()
            for line in ("Type=notify", "ExecReload=/bin/kill -HUP $MAINPID", f"StateDirectory={user}", f"User={user}"):
                self.assertIn(f"\n{line}\n", text)
            self.assertRegex(text, r"\nWatchdogSec=\d+s\n")
        self.assertIn("\nRuntimeDirectory=p2pd\n", self.unit("p2pd.service").read_text())
        # With these p2pd would take a user's service for the system's.
        user = self.unit("p2pd.service", "p2pd.user.service").read_text()
        self.assertNotRegex(user, r"\n(State|Runtime)Directory=")

    def test_what_is_opened_is_explained(self):
        for name in SYSTEM:
            text = self.unit(name).read_text()
            for opened in ("RestrictAddressFamilies=", "PrivateUsers=no"):
                before = text[:text.index(f"\n{opened}")].rsplit("\n\n", 1)[1]
                self.assertRegex(before, r"(?m)^# - ", f"{name}: {opened} without its reason")

    def test_sysusers_makes_the_users(self):
        for user in ("p2pd", "p2p-relay"):
            root = self.folder / user
            (root / "etc").mkdir(parents=True)
            done = run("systemd-sysusers", f"--root={root}", str(PACKAGING / "sysusers" / f"{user}.conf"))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex((root / "etc/passwd").read_text(), rf"(?m)^{user}:x:\d+:\d+:.*:/var/lib/{user}:/usr/sbin/nologin$")
            self.assertRegex((root / "etc/group").read_text(), rf"(?m)^{user}:x:")

    def test_the_kernel_knows_the_settings(self):
        for line in (PACKAGING / "sysctl/50-p2pd.conf").read_text().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.partition(" = ")
                self.assertTrue(pathlib.Path("/proc/sys", *name.split(".")).exists(), name)
                self.assertEqual(int(value), 4 * 1024 * 1024)

    def test_launchd_can_read_its_lists(self):
        for name, program in (("p2pd.plist", "p2pd"), ("p2p-relay.plist", "p2p-relay")):
            text = (PACKAGING / "launchd" / f"{name}.in").read_text().replace("@CMAKE_INSTALL_FULL_BINDIR@", str(BUILD))
            path = self.folder / name
            path.write_text(text)
            done = run("plistutil", "-i", str(path), "-o", str(path) + ".binary")
            self.assertEqual(done.returncode, 0, done.stderr)
            arguments = plistlib.loads(text.encode())["ProgramArguments"]
            self.assertIn(str(BUILD / program), " ".join(arguments))


if __name__ == "__main__":
    unittest.main(verbosity=2)
