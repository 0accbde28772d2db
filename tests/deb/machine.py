"""Debian machines to install packages on: a root file system laid over a fresh one, namespaces of its own, and systemd as its
first process, so that units run as they will. Needs root. Nothing is left when the program ends."""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SUITE = "bookworm"
# What a small Debian server has; the machines get nothing else but the packages under test and what they depend on.
INCLUDE = "systemd,systemd-sysv,dbus,iproute2,procps"
CGROUPS = pathlib.Path("/sys/fs/cgroup")
CLONE_NEWNET = 0x40000000  # sched.h
DEADLINE = 120.0  # a bound against hanging, never a measurement


class Failed(Exception):
    pass


def run(*command, **options):
    """With its output in the exception when it fails."""
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def until(condition, what, deadline=DEADLINE):
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {deadline:.0f} s for: {what}")
        time.sleep(0.1)


def mirror():
    """Where this machine gets Debian from."""
    for line in run("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages").splitlines():
        site, release = line.rsplit(" ", 1)
        if release == SUITE:
            return site
    return "http://deb.debian.org/debian"


def fresh_root(folder, packages):
    """A bare Debian in `folder`, made once; what `packages` depend on lies in its cache, not installed."""
    if not (folder / ".complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"making a bare {SUITE} in {folder}", flush=True)
        run("debootstrap", "--variant=minbase", f"--include={INCLUDE}", SUITE, folder, mirror())
        (folder / ".complete").touch()
    download = folder / "var" / "tmp" / "packages"
    shutil.rmtree(download, ignore_errors=True)
    download.mkdir(parents=True)
    for package in packages:
        shutil.copy(package, download)
    shutil.copy("/etc/resolv.conf", folder / "etc" / "resolv.conf")
    run("chroot", folder, "sh", "-c", "apt-get install -y -qq --no-install-recommends --download-only /var/tmp/packages/*.deb")
    shutil.rmtree(download)


def dependencies_layer(base, packages):
    """What installing the packages would install beside them, as a layer above `base`: to see what is left of them alone."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="p2pd-dependencies-", dir=base.parent))
    for part in ("root", "upper", "work"):
        (folder / part).mkdir()
    root = folder / "root"
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={base},upperdir={folder}/upper,workdir={folder}/work", root)
    try:
        for package in packages:
            shutil.copy(package, root / "var" / "tmp")
        files = [f"/var/tmp/{package.name}" for package in packages]
        planned = run("chroot", root, "apt-get", "install", "-s", "--no-install-recommends", *files)
        ours = {package.name.split("_")[0] for package in packages}
        needed = {line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")} - ours
        run("chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q", "--no-install-recommends",
            *sorted(needed))
        for file in files:
            (root / file[1:]).unlink()
    finally:
        run("umount", root)
    return folder


class Network:
    """One segment; each machine gets an address on it. It lies in a network namespace of its own, which this program enters
    for good: nothing outside is touched, and nothing is left of it however the program ends."""

    def __init__(self):
        self.bridge, self.count = "segment", 0
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise Failed(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "link", "set", self.bridge, "up")


class Machine:
    def __init__(self, name, layers, network=None):
        """`layers`: read-only root file systems, the uppermost first."""
        self.name, self.network = name, network
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"p2pd-{name}-", dir=layers[-1].parent))
        self.root = self.folder / "root"
        for part in ("root", "upper", "work"):
            (self.folder / part).mkdir()
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={':'.join(map(str, layers))},upperdir={self.folder}/upper,workdir={self.folder}/work", self.root)
        (self.root / "etc" / "hostname").write_text(name + "\n")
        self.cgroup = self._make_cgroup()
        self.process = self.first = self.address = None
        self._boot()

    def _make_cgroup(self):
        hierarchy = CGROUPS if (CGROUPS / "cgroup.controllers").exists() else CGROUPS / "systemd"
        if not (hierarchy / "cgroup.procs").exists():
            return None
        made = hierarchy / f"p2pd-test-{os.getpid()}-{self.name}"
        made.mkdir()
        return made

    def _enter_cgroup(self):
        if self.cgroup:
            (self.cgroup / "cgroup.procs").write_text(str(os.getpid()))

    def _boot(self):
        with open(self.folder / "console", "wb") as console:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net", "--cgroup",
                 "--propagation", "private", "sh", str(HERE / "enter.sh"), str(self.root)],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, preexec_fn=self._enter_cgroup)
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.first = int(until(lambda: children.read_text().split(), "the machine's first process")[0])
        if self.network:
            self._connect()
        until(lambda: self.ctl("is-system-running") in ("running", "degraded"), f"{self.name} to boot")
        if self.ctl("is-system-running") != "running":
            raise Failed(f"{self.name} is not well:\n" + self.sh("systemctl --failed --no-pager"))

    def _connect(self):
        self.network.count += 1
        self.address = f"10.79.0.{self.network.count}"
        inside, port = ("nsenter", "-t", self.first, "-n"), f"{self.network.bridge}{self.network.count}"
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.first)
        run("ip", "link", "set", port, "master", self.network.bridge, "up")
        run(*inside, "ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")

    def command(self, *words):
        return ["nsenter", "-t", str(self.first), "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                "HOME=/root", "DEBIAN_FRONTEND=noninteractive", *words]

    def run(self, *words, **options):
        return run(*self.command(*words), **options)

    def sh(self, script):
        return self.run("sh", "-ec", script)

    def status_of(self, *words):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def start(self, *words, **options):
        return subprocess.Popen(self.command(*words), text=True, **options)

    def ctl(self, *words):
        """What systemctl prints, whatever its status."""
        return subprocess.run(self.command("systemctl", *words), capture_output=True, text=True, check=False).stdout.strip()

    def install(self, *packages):
        """With apt, from files; what they depend on comes from the cache."""
        folder = self.root / "var" / "tmp"
        names = []
        for package in packages:
            shutil.copy(package, folder)
            names.append(f"/var/tmp/{package.name}")
        self.run("apt-get", "install", "-y", "-q", "--no-install-recommends", *names)
        for name in names:
            (self.root / name[1:]).unlink()

    def close(self):
        os.kill(self.first, signal.SIGKILL)
        self.process.wait()
        run("umount", "-R", self.root)
        if self.cgroup:
            for folder, _, _ in os.walk(self.cgroup, topdown=False):
                until(lambda folder=folder: _removed(folder), f"the end of {self.name}'s processes")
        shutil.rmtree(self.folder)


def _removed(folder):
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True
