"""The Debian packaging against the rest of the tree: what is quick to check without building packages."""
import os
import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ["P2PD_SOURCE"]).resolve()
DEBIAN = SOURCE / "packaging" / "debian"


class Debian(unittest.TestCase):
    def test_it_has_the_projects_version(self):
        version = re.search(r"project\(p2pd VERSION ([0-9.]+)", (SOURCE / "CMakeLists.txt").read_text()).group(1)
        self.assertTrue((DEBIAN / "changelog").read_text().startswith(f"p2pd ({version}) "))

    def test_it_builds_with_the_libraries_that_the_build_needs(self):
        script = (SOURCE / "scripts" / "install-deps").read_text()
        wanted = re.findall(r"\S+-dev\b", re.search(r'^build="(.*?)"', script, re.MULTILINE | re.DOTALL).group(1))
        self.assertIn("libssl-dev", wanted)
        control = (DEBIAN / "control").read_text()
        named = re.findall(r"^ (\S+?),?(?: |$)", control.split("\n\n")[0], re.MULTILINE)
        self.assertEqual(sorted(set(wanted) - {n.rstrip(",") for n in named}), [])

    def test_everything_that_is_installed_is_in_a_package(self):
        build = pathlib.Path(os.environ["P2PD_BUILD"])
        installed = set()
        for script in build.rglob("cmake_install.cmake"):
            installed |= {pathlib.Path(name).name for name in re.findall(r'FILES "([^"]+)"', script.read_text())}
        packaged = " ".join(path.read_text() for path in DEBIAN.glob("*.install"))
        self.assertIn("p2pctl.1", installed)
        # bash, zsh and fish are the completions, which get their names at installation.
        missing = {name for name in installed - {"bash", "zsh", "fish"} if name not in packaged}
        self.assertEqual(missing, set())

    def test_the_shell_can_read_the_scripts(self):
        scripts = [*DEBIAN.glob("*.postinst"), *DEBIAN.glob("*.postrm"), SOURCE / "packaging/test-deb", SOURCE / "tests/deb/enter.sh"]
        self.assertGreater(len(scripts), 4)
        for script in scripts:
            done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
