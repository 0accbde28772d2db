"""Who may do what over the socket: real users and groups, by number, against a real daemon."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import unittest

import harness
from case import LabCase, main

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "api.md"
TIERS = ["read", "operate", "admin"]
NOT_PERMITTED, INVALID_PARAMS = 1008, -32602
# Nobody's: no account has them, and none is needed.
READER, OPERATORS, ADMINS, STRANGER, TEAM = 54001, 54002, 54003, 54004, 54005


def may_become_others():
    """Root in a user namespace has no other users to become."""
    if os.geteuid() != 0:
        return False
    try:
        return subprocess.run(["true"], user=STRANGER, group=STRANGER, extra_groups=[], check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def mounts_work():
    return subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


class Client:
    """A connection that the kernel tells the daemon to be of this user; requests one by one."""

    def __init__(self, path, uid, gid=None, groups=()):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(harness.DEADLINE)
        before = os.getgroups()
        try:
            os.setgroups(list(groups))
            os.setegid(uid if gid is None else gid)
            os.seteuid(uid)
            self.socket.connect(str(path))
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(before)
        self.lines = self.socket.makefile("r", encoding="utf-8")

    def call(self, method, **params):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            self.socket.sendall(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            pass  # refused already; the reason is there to read
        return json.loads(self.lines.readline())

    def tier(self):
        return self.call("daemon.hello")["result"]["tier"]

    def close(self):
        self.lines.close()
        self.socket.close()


class ServiceDaemon(harness.Daemon):
    """A daemon that takes itself for the system's service, on a machine with the group p2pd."""

    def command(self, state=None, socket=None):
        groups = self.lab.folder / "group"
        groups.write_text(f"root:x:0:\np2pd:x:{TEAM}:\n")
        return ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/group && exec "$@"', str(groups),
                *super().command(state, socket)]


@unittest.skipUnless(may_become_others(), "needs root, who can become other users")
class Permissions(LabCase):
    def setUp(self):
        super().setUp()
        self.lab.folder.chmod(0o711)
        self.p2pctl = self.lab.folder / "p2pctl"  # the build's folder may be closed to others

    def daemon(self, *arguments, **options):
        return self.lab.daemon("alice", [], arguments=arguments, **options)

    def three_tiers(self, **options):
        return self.daemon("--socket-mode", "0666", "--read-user", str(READER), "--operate-group", str(OPERATORS),
                           "--admin-group", str(ADMINS), **options)

    def client(self, daemon, *who, **groups):
        client = Client(daemon.socket, *who, **groups)
        self.addCleanup(client.close)
        return client

    def ctl_as(self, daemon, uid, *arguments, groups=()):
        if not self.p2pctl.exists():
            shutil.copy(self.lab.build / "p2pctl", self.p2pctl)
        return subprocess.run([str(self.p2pctl), *arguments], env=daemon.environment, user=uid, group=uid,
                              extra_groups=list(groups), cwd="/", capture_output=True, text=True, check=False,
                              timeout=harness.DEADLINE)

    def refused(self, done, *words):
        self.assertEqual((done.returncode, done.stdout), (4, ""), done)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_every_method_with_every_tier(self):
        daemon = self.three_tiers()
        described = daemon.json("call", "rpc.discover")["methods"]
        methods = {m["name"]: m["x-tier"] for m in described}
        # After an error these close the connection: what follows would be a stream's bytes.
        last = {m["name"] for m in described if m["x-upgrades"]}
        documented = dict(re.findall(r"^### (\w+\.\w+) `.*` \((\w+)\)$", DOCUMENT.read_text(), re.MULTILINE))
        self.assertEqual(methods, documented, "the table and docs/api.md say different things")
        self.assertEqual(set(methods.values()), set(TIERS))
        makers = {"read": lambda: self.client(daemon, READER),
                  "operate": lambda: self.client(daemon, STRANGER, groups=[7, OPERATORS]),
                  "admin": lambda: self.client(daemon, STRANGER, ADMINS)}
        for tier, make in makers.items():
            client = make()
            self.assertEqual(client.tier(), tier)
            for method, needed in methods.items():
                with self.subTest(method=method, tier=tier):
                    # Who may call it is asked before what it is given, so nothing is done either way.
                    error = (make() if method in last else client).call(method, no_such_parameter=1)["error"]
                    if TIERS.index(tier) >= TIERS.index(needed):
                        self.assertEqual(error["code"], INVALID_PARAMS, error)
                    else:
                        self.assertEqual((error["code"], error["data"]["reason"]), (NOT_PERMITTED, "not_permitted"), error)
                        self.assertIn(f"{needed}-user or {needed}-group", error["message"])

    def test_a_stranger_gets_one_sentence_and_is_disconnected(self):
        daemon = self.three_tiers()
        stranger = self.client(daemon, STRANGER)
        answer = json.loads(stranger.lines.readline())
        self.assertIsNone(answer["id"])
        self.assertEqual(answer["error"]["data"]["reason"], "not_permitted")
        self.assertEqual(stranger.lines.readline(), "")
        self.refused(self.ctl_as(daemon, STRANGER, "status"), f"uid {STRANGER}", f"join the group {OPERATORS}", "read-user")

    def test_what_p2pctl_says_to_who_may_not(self):
        daemon = self.three_tiers()
        self.assertEqual(self.ctl_as(daemon, READER, "status").returncode, 0)
        self.refused(self.ctl_as(daemon, READER, "peer", "add", "bob", daemon.id()), "peer.add", "join the group 54003",
                     "admin-group")
        self.assertEqual(daemon.json("peer", "list")["peers"], [])
        operator = self.ctl_as(daemon, STRANGER, "netcheck", groups=[OPERATORS])
        self.assertNotEqual(operator.returncode, 4, operator)
        self.refused(self.ctl_as(daemon, STRANGER, "log-level", "debug", groups=[OPERATORS]), "log.set_level needs the tier admin")

    def test_closed_by_default(self):
        daemon = self.daemon()
        self.assertEqual(daemon.socket.stat().st_mode & 0o777, 0o600)
        self.refused(self.ctl_as(daemon, STRANGER, "status"), "run p2pctl as the user that runs p2pd")
        daemon.socket.chmod(0o666)  # the file's mode is not what keeps others out
        self.refused(self.ctl_as(daemon, STRANGER, "status"), f"uid {STRANGER}")

    def test_a_socket_for_a_group(self):
        daemon = self.daemon("--socket-mode", "0660", "--socket-group", str(TEAM), "--operate-group", str(OPERATORS))
        about = daemon.socket.stat()
        self.assertEqual((about.st_mode & 0o777, about.st_gid), (0o660, TEAM))
        self.refused(self.ctl_as(daemon, STRANGER, "status", groups=[OPERATORS]), f"join the group {TEAM}")
        self.refused(self.ctl_as(daemon, STRANGER, "status", groups=[TEAM]), f"join the group {OPERATORS}")
        self.assertEqual(self.ctl_as(daemon, STRANGER, "status", groups=[TEAM, OPERATORS]).returncode, 0)

    def test_a_folder_that_is_made_lets_in_whom_the_socket_is_for(self):
        daemon = self.daemon("--socket-mode", "0660", "--socket-group", str(TEAM), "--operate-group", str(TEAM), start=False)
        daemon.socket = self.lab.folder / "made" / "p2pd.sock"
        daemon.environment["P2PD_SOCKET"] = str(daemon.socket)
        daemon.start()
        about = daemon.socket.parent.stat()
        self.assertEqual((about.st_mode & 0o777, about.st_gid), (0o750, TEAM))
        self.assertEqual(self.ctl_as(daemon, STRANGER, "status", groups=[TEAM]).returncode, 0)
        self.refused(self.ctl_as(daemon, STRANGER, "status"), f"join the group {TEAM}")

    @unittest.skipUnless(mounts_work(), "needs a mount namespace of its own")
    def test_a_system_service_is_for_the_group_p2pd(self):
        state = self.lab.folder / "service"
        daemon = ServiceDaemon(self.lab, self.lab.host("alice"), [], env={"STATE_DIRECTORY": str(state)})
        about = daemon.socket.stat()
        self.assertEqual((about.st_mode & 0o777, about.st_gid), (0o660, TEAM))
        member = self.client(daemon, STRANGER, groups=[TEAM])
        self.assertEqual(member.tier(), "operate")
        self.assertEqual(member.call("daemon.reload")["error"]["data"]["reason"], "not_permitted")
        self.refused(self.ctl_as(daemon, STRANGER, "status"), f"join the group {TEAM}")

    def test_a_reload_counts_for_new_connections(self):
        config = self.lab.folder / "alice.conf"
        config.write_text(f"socket-mode = 0666\nread-user = {READER}\n")
        daemon = self.daemon("--config", str(config))
        before = self.client(daemon, READER)
        self.assertEqual(before.tier(), "read")
        config.write_text(f"socket-mode = 0666\noperate-user = {READER}\nadmin-user = {STRANGER}\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_log("configuration read again", "the reload")
        self.assertEqual(before.tier(), "read")
        self.assertEqual(self.client(daemon, READER).tier(), "operate")
        self.assertEqual(self.client(daemon, STRANGER).tier(), "admin")
        config.write_text("socket-mode = 0666\nadmin-user = no-such-user-here\n")
        self.says_no(daemon, 1, "there is no user 'no-such-user-here'", "reload")
        self.assertEqual(self.client(daemon, STRANGER).tier(), "admin")
        config.write_text("socket-mode = 0666\n")
        daemon.ctl("reload")
        self.assertEqual(self.client(daemon, STRANGER).call("daemon.hello")["error"]["data"]["reason"], "not_permitted")


class Configuration(LabCase):
    def test_an_unknown_user_or_group_stops_the_daemon_with_a_sentence(self):
        for option in ("read-user", "operate-user", "admin-user", "read-group", "operate-group", "admin-group", "socket-group"):
            for check in (["--check-config"], []):
                with self.subTest(option=option, check=check):
                    done = subprocess.run([str(self.lab.build / "p2pd"), "--state-dir", str(self.lab.folder / "none"), "--socket",
                                           str(self.lab.folder / "none.sock"), "--socket-mode", "0660", f"--{option}",
                                           "no-such-name-here", *check], capture_output=True, text=True, check=False,
                                          timeout=harness.DEADLINE)
                    self.assertEqual((done.returncode, done.stdout), (3, ""), done)
                    self.assertIn(f"{option}: there is no {option.rsplit('-', 1)[1]} 'no-such-name-here'", done.stderr)


if __name__ == "__main__":
    main()
