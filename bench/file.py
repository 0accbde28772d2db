"""A file of 1 GiB from one daemon to another, hashed and synced to disk, beside scp between the same folders."""
import contextlib
import getpass
import os
import pathlib
import shutil
import socket
import subprocess
import time

from measure import OURS, connected_pair, cpu_seconds, harness

SIZE = 1 << 30
BLOCK = 1 << 20


def transfer(bench):
    with bench.lab() as lab, contextlib.ExitStack() as stack:
        source, downloads = lab.folder / "source", lab.folder / "downloads"
        make_file(source, SIZE)
        downloads.mkdir(mode=0o700)
        ways = {OURS: p2pd_way(lab, source, downloads)}
        if shutil.which("sshd", path="/usr/sbin:/usr/bin") and shutil.which("scp"):
            ways["scp"] = stack.enter_context(scp_way(lab, source, downloads))
        return {"file of 1 GiB": bench.side_by_side(ways, min(bench.runs, 3))}


def make_file(path, size):
    """Random, so that nothing on the way can shorten it."""
    with open("/dev/urandom", "rb") as random, open(path, "wb") as out:
        for _ in range(size // BLOCK):
            out.write(random.read(BLOCK))
        os.fsync(out.fileno())


def p2pd_way(lab, source, downloads):
    alice, bob = connected_pair(lab, "--download-dir", str(downloads), "--file-quota", "1T")
    bob.ctl("peer", "set", "alice", "files=accept")

    def once():
        return measured(lambda: alice.ctl("send", "bob", "--file", str(source), timeout=300), downloads,
                        alice.process, bob.process)
    return once


@contextlib.contextmanager
def scp_way(lab, source, downloads):
    """A server of its own with its default ciphers; ends with the measurement."""
    folder = lab.folder / "ssh"
    folder.mkdir(mode=0o700)
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "known").write_text(f"[127.0.0.1]:{port} " + (folder / "host.pub").read_text())
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        "PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        "Subsystem sftp internal-sftp\n")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    command = ["scp", "-q", "-F", "none", "-i", str(folder / "user"), "-P", str(port), "-o", "BatchMode=yes",
               "-o", f"UserKnownHostsFile={folder}/known", "-o", "StrictHostKeyChecking=yes",
               str(source), f"{getpass.getuser()}@127.0.0.1:{downloads}/by-scp"]
    with open(lab.folder / "sshd.log", "wb") as log:
        server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "config")], stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log)
    try:
        harness.until(lambda: "Server listening" in (lab.folder / "sshd.log").read_text(), "sshd")
        # What the server's own child used is counted when the server has seen its end.
        yield lambda: measured(lambda: subprocess.run(command, check=True, timeout=300), downloads, waited=server)
    finally:
        server.terminate()
        server.wait()


def measured(send, downloads, *processes, waited=None):
    """Sends once, and takes away what arrived."""
    def used():
        return cpu_seconds(*processes) + children_cpu() + (ended_children_cpu(waited) if waited else 0)

    before, start = used(), time.monotonic()
    send()
    took = time.monotonic() - start
    if waited:
        harness.until(lambda: not pathlib.Path(f"/proc/{waited.pid}/task/{waited.pid}/children").read_text(), "sshd's child")
    spent = used() - before
    received = [path for path in downloads.iterdir() if path.stat().st_size == SIZE]
    if len(received) != 1:
        raise harness.Failed(f"{len(received)} files in {downloads}")
    received[0].unlink()
    return {"mb_per_s": round(SIZE / 1e6 / took, 1), "cpu_s_per_gib": round(spent, 2)}


def children_cpu():
    """Of programs that have ended: p2pctl, scp."""
    times = os.times()
    return times.children_user + times.children_system


def ended_children_cpu(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
