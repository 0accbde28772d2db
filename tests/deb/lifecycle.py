"""The packages in a fresh Debian: installed, used, upgraded while they run, removed, installed again, purged.

usage: lifecycle.py FOLDER-OF-THE-PACKAGES BASE     BASE: a folder for the bare Debian, made where there is none
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import machine

# Changed by every installation or by the machine itself; nothing of ours may hide there.
NOT_OURS = re.compile(r"/(dev|proc|run|sys|tmp|var/tmp)(/|$)|/var/(cache|log)/|/var/lib/(apt|dpkg|systemd|dbus)/|"
                      r"/etc/(ld\.so\.cache|machine-id|mtab|\.pwd\.lock|resolv\.conf|hostname)$|"
                      # Users stay: a user's ID must not be given to another while files of it may be left.
                      r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$")
DROP_IN = "/etc/p2pd/conf.d/10-test.conf"


def files_of(root):
    names = subprocess.run(["find", str(root), "-xdev", "-printf", "/%P\\n"], capture_output=True, text=True, check=True).stdout
    return {name for name in names.splitlines() if not NOT_OURS.search(name)}


def next_version(package, folder):
    """The same package as a later version."""
    tree = pathlib.Path(tempfile.mkdtemp(dir=folder))
    machine.run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^Version: .*$", r"\g<0>+later", control.read_text()))
    later = folder / ("later-" + package.name)
    machine.run("dpkg-deb", "--root-owner-group", "-b", tree, later)
    shutil.rmtree(tree)
    return later


class Lifecycle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        dependencies = machine.dependencies_layer(BASE, PACKAGES.values())
        cls.addClassCleanup(shutil.rmtree, dependencies)
        cls.layers = [dependencies / "upper", BASE]

    def setUp(self):
        self.machine = machine.Machine("one", self.layers)
        self.addCleanup(self.machine.close)
        self.before = files_of(self.machine.root)
        self.machine.install(*PACKAGES.values())

    def start(self):
        self.machine.run("systemctl", "start", "p2pd", "p2p-relay")

    def main_pid(self, unit):
        return self.machine.ctl("show", "-P", "MainPID", unit)

    def id(self):
        return self.machine.run("p2pctl", "id").strip()

    def left(self):
        """What neither was there before nor belongs to a package that is still installed."""
        owned = set(self.machine.sh("cat /var/lib/dpkg/info/*.list").splitlines())
        # /lib and the like are links into /usr.
        owned |= {"/usr" + name for name in owned}
        diverted = files_of(self.machine.root) - self.before - owned
        return {name for name in diverted if not re.search(r"/(__pycache__|\.pyc$)|^/usr/lib/locale", name)}

    def test_nothing_runs_before_it_is_asked_to(self):
        for unit in ("p2pd", "p2p-relay"):
            self.assertEqual(self.machine.ctl("is-active", unit), "inactive")
            self.assertEqual(self.machine.ctl("is-enabled", unit), "disabled")

    def test_the_services_run_closed_up_and_as_their_own_users(self):
        self.start()
        for unit, user in (("p2pd", "p2pd"), ("p2p-relay", "p2p-relay")):
            self.assertEqual(self.machine.ctl("is-active", unit), "active")
            status = self.machine.sh(f"cat /proc/{self.main_pid(unit)}/status")
            self.assertRegex(status, r"NoNewPrivs:\s1")
            self.assertRegex(status, r"Seccomp:\s2")
            uid = self.machine.run("id", "-u", user).strip()
            self.assertRegex(status, rf"Uid:\s{uid}\s{uid}")
        self.assertRegex(self.id(), r"^[a-z2-7]{52}$")
        self.assertEqual(self.machine.run("stat", "-c", "%U %a", "/var/lib/p2pd", "/var/lib/p2pd/peer.key"), "p2pd 700\np2pd 600\n")
        self.assertEqual(self.machine.run("stat", "-c", "%U %G %a", "/run/p2pd"), "p2pd p2pd 750\n")
        self.assertEqual(self.machine.run("stat", "-c", "%U %G %a", "/run/p2pd/p2pd.sock"), "p2pd p2pd 660\n")
        member = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=p2pd", "p2pctl", "--json", "call", "daemon.hello")
        self.assertIn('"tier":"operate"', self.machine.run(*member))
        status, said = self.machine.status_of("setpriv", "--reuid=nobody", "--clear-groups", "p2pctl", "id")
        self.assertNotEqual(status, 0, said)
        # The journal has no complaint of either.
        self.assertEqual(self.machine.sh("journalctl -q -p warning -t p2pd -t p2p-relay -o cat | grep -v 'no relay' || :"), "")

    def test_a_user_has_a_service_of_their_own(self):
        self.machine.sh("useradd -m ann; loginctl enable-linger ann")
        uid = self.machine.run("id", "-u", "ann").strip()
        ann = ("runuser", "-u", "ann", "--", "env", f"XDG_RUNTIME_DIR=/run/user/{uid}", "HOME=/home/ann")
        machine.until(lambda: self.machine.status_of(*ann, "systemctl", "--user", "is-system-running")[0] == 0, "ann's systemd")
        self.machine.run(*ann, "systemctl", "--user", "start", "p2pd")
        self.assertRegex(self.machine.run(*ann, "p2pctl", "id"), r"^[a-z2-7]{52}$")
        self.machine.sh(f"test -S /run/user/{uid}/p2pd/p2pd.sock -a -f /home/ann/.local/state/p2pd/peer.key")
        self.machine.run(*ann, "systemctl", "--user", "reload", "p2pd")
        self.machine.run(*ann, "systemctl", "--user", "stop", "p2pd")

    def test_a_reload_reaches_the_programs(self):
        self.start()
        for unit in ("p2pd", "p2p-relay"):
            before = self.main_pid(unit)
            self.machine.run("systemctl", "reload", unit)
            self.assertEqual(self.machine.ctl("is-active", unit), "active")
            self.assertEqual(self.main_pid(unit), before)
        # What is wrong is said, and the daemon goes on as it was.
        before = self.main_pid("p2pd")
        self.machine.sh(f"echo relay = nonsense >{DROP_IN}")
        self.machine.run("systemctl", "reload", "p2pd")
        machine.until(lambda: "nonsense" in self.machine.sh("journalctl -q -t p2pd -o cat"), "p2pd to say what is wrong")
        self.assertEqual((self.machine.ctl("is-active", "p2pd"), self.main_pid("p2pd")), ("active", before))

    def test_a_killed_daemon_is_started_again(self):
        self.start()
        before, identity = self.main_pid("p2pd"), self.id()
        self.machine.run("kill", "-KILL", before)
        machine.until(lambda: self.main_pid("p2pd") not in (before, "0") and self.machine.ctl("is-active", "p2pd") == "active",
                      "systemd to start p2pd again")
        self.assertEqual(self.id(), identity)

    def test_a_wrong_configuration_is_said_once_and_not_tried_again(self):
        self.machine.sh(f"echo relay = nonsense >{DROP_IN}; echo listen = nonsense >>/etc/p2pd/p2p-relay.conf")
        for unit, named in (("p2pd", "nonsense"), ("p2p-relay", "nonsense")):
            self.assertNotEqual(self.machine.status_of("systemctl", "start", unit)[0], 0)
            self.assertEqual(self.machine.ctl("is-active", unit), "failed")
            self.assertEqual(self.machine.ctl("show", "-P", "NRestarts", unit), "0")
            self.assertIn(named, self.machine.sh(f"journalctl -q -t {unit} -o cat"))

    def test_an_upgrade_restarts_what_runs_and_keeps_what_was_changed(self):
        self.machine.sh("echo '# changed here' >>/etc/p2pd/p2pd.conf; systemctl start p2pd")
        before, identity = self.main_pid("p2pd"), self.id()
        with tempfile.TemporaryDirectory() as folder:
            self.machine.install(*[next_version(package, pathlib.Path(folder)) for package in PACKAGES.values()])
        self.assertIn("+later", self.machine.run("dpkg-query", "-W", "p2pd"))
        self.assertEqual(self.machine.ctl("is-active", "p2pd"), "active")
        self.assertNotEqual(self.main_pid("p2pd"), before)
        self.assertEqual(self.machine.ctl("is-active", "p2p-relay"), "inactive")
        self.assertEqual(self.id(), identity)
        self.assertIn("# changed here", self.machine.sh("cat /etc/p2pd/p2pd.conf"))

    def test_removal_keeps_identity_and_configuration(self):
        self.start()
        identity = self.id()
        self.machine.sh(f"echo log-level = debug >{DROP_IN}")
        self.machine.run("apt-get", "remove", "-y", "-q", *PACKAGES)
        for program in ("p2pd", "p2pctl", "p2p-relay"):
            self.assertNotEqual(self.machine.status_of("pgrep", "-x", program)[0], 0, f"{program} still runs")
            self.assertFalse((self.machine.root / "usr/bin" / program).exists())
        self.machine.sh(f"test -e {DROP_IN} -a -e /var/lib/p2pd/peer.key -a -e /etc/p2pd/p2pd.conf")
        self.machine.install(*PACKAGES.values())
        self.start()
        self.assertEqual(self.id(), identity)

    def test_a_purge_leaves_nothing(self):
        self.start()
        self.machine.sh(f"p2pctl id; echo log-level = debug >{DROP_IN}; systemctl enable p2pd p2p-relay 2>/dev/null")
        self.machine.run("apt-get", "purge", "-y", "-q", *PACKAGES)
        self.assertEqual(self.left(), set())

    def test_a_purge_after_a_removal_leaves_only_received_files(self):
        self.start()
        self.machine.sh("install -d -o p2pd /var/lib/p2pd/files; echo precious >/var/lib/p2pd/files/photo.jpg")
        self.machine.run("apt-get", "remove", "-y", "-q", *PACKAGES)
        self.machine.run("apt-get", "purge", "-y", "-q", *PACKAGES)
        self.assertEqual(self.left(), {"/var/lib/p2pd", "/var/lib/p2pd/files", "/var/lib/p2pd/files/photo.jpg"})


if __name__ == "__main__":
    folder, BASE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    PACKAGES = {name: next(folder.glob(f"{name}_[0-9]*.deb")) for name in ("p2pd", "p2p-relay")}
    machine.fresh_root(BASE, PACKAGES.values())
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
