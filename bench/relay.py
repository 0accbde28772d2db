#!/usr/bin/env python3
"""What one relay costs: memory and CPU of idle sessions, packets a second, and the return of everybody after a restart.

Used by bench/run.py; by itself: bench/relay.py BUILD_FOLDER [--sessions N] [--json FILE].
"""
import argparse
import json
import pathlib
import resource
import select
import socket
import subprocess
import time

from measure import OURS, anonymous_kib, cpu_seconds, harness

IDLE_SECONDS = 10
# Thousands of clients come from one address here, which is what the relay defends itself against elsewhere. The early drop
# stays: without it all handshakes go on at once and none is done in its time.
NO_LIMITS = ["--rate-handshakes", "0", "--rate-packets", "0", "--rate-bytes", "0", "--rate-address-factor", "1000000"]


class Relay(harness.Relay):
    """On a port below those that the system gives to clients: else one of thousands may sit on it after a kill."""

    def start(self):
        if self.address.endswith(":0"):
            self.address = f"127.0.0.1:{free_low_port()}"
        return super().start()


def free_low_port():
    for port in range(18_000, 30_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise harness.Failed("no port is free")


class Clients:
    def __init__(self, build, relay, *arguments):
        ca = str(relay.tls[0]) if relay.tls else "-"
        self.process = subprocess.Popen([str(build / "bench" / "bench_relay"), relay.url, ca, *map(str, arguments)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()

    def line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 2 * harness.DEADLINE)
        if not ready:
            raise harness.Failed(f"bench_relay did not get done in {2 * harness.DEADLINE:.0f} s")
        text = self.process.stdout.readline()
        if not text:
            raise harness.Failed("bench_relay ended")
        return json.loads(text)


def certificate(lab):
    cert, key = lab.folder / "cert.pem", lab.folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def sessions(build, count, tls):
    """Resident memory and CPU of `count` idle sessions, then a kill and a new start of the relay under them."""
    with harness.Lab(build, loopback=True) as lab:
        relay = Relay(lab, lab.host("relay"), tls=certificate(lab) if tls else None, arguments=NO_LIMITS)
        with Clients(build, relay, "sessions", 1) as first:
            first.line()
            empty = anonymous_kib(relay.process)
        with Clients(build, relay, "sessions", count) as clients:
            clients.line()
            busy = cpu_seconds(relay.process)
            select.select([], [], [], IDLE_SECONDS)
            busy = cpu_seconds(relay.process) - busy
            full = anonymous_kib(relay.process)
            relay.kill()
            relay.start()
            listening = time.monotonic()
            clients.line()
            back = time.monotonic() - listening
            handshakes = cpu_seconds(relay.process)
    return {"sessions": count, "KiB a session": round((full - empty) / count, 1),
            "idle CPU, % of a core": round(busy / IDLE_SECONDS * 100, 1), "all back after a restart, s": round(back, 1),
            "relay CPU for one to come back, ms": round(handshakes / count * 1e3, 2)}


def forwarding(build, pairs, seconds, tls):
    """Packets of 1,200 bytes between pairs of clients; relay and clients share the machine."""
    with harness.Lab(build, loopback=True) as lab:
        relay = Relay(lab, lab.host("relay"), tls=certificate(lab) if tls else None, arguments=NO_LIMITS)
        with Clients(build, relay, "forward", pairs, seconds) as clients:
            clients.line()
            used = cpu_seconds(relay.process)
            done = clients.line()
            used = cpu_seconds(relay.process) - used
    return {"pairs": pairs, "packets a second": round(done["packets"] / done["seconds"]),
            "packets a CPU second of the relay": round(done["packets"] / used) if used else 0}


def measure(build, count, seconds=5):
    # Each session is a descriptor here and one in the relay.
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit != resource.RLIM_INFINITY:
        count = min(count, limit - 200)
    out = {}
    for name, tls in (("ws", False), ("wss", True)):
        out[f"idle sessions ({name})"] = sessions(build, count, tls)
        out[f"forwarding ({name})"] = forwarding(build, 4, seconds, tls)
    return out


def relay(bench):
    """A section of bench/run.py; one run."""
    return {title: {OURS: figures} for title, figures in measure(bench.build, bench.sessions).items()}


def main():
    parser = argparse.ArgumentParser(description="measures what one relay costs")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--sessions", type=int, default=2_000)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    result = measure(options.build.resolve(), options.sessions)
    for name, values in result.items():
        print(f"{name:<24} " + "  ".join(f"{key} {figure}" for key, figure in values.items()))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
