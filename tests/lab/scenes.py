"""What happens to networks while data flows: messages and a file both ways, counted and hashed. A scene fails when something was
lost or the wrong path is used in the end, or when a time is above its limit: ten times the wanted one and more, unless times are judged."""
import signal
import subprocess
import time

import harness
import public
import routers
from traffic import Files, Traffic
from world import wait_for

# What is wanted, in ms, of a machine with nothing else to do. Elsewhere only what hangs is found.
LIMITS = {
    "direct-dies": {"gap": 1_000, "direct again": 15_000},
    "flips": {"gap p99": 200},
    "relay-killed": {"gap": 1_000, "session back": 3_000},
    "relay-black-hole": {"noticed": 10_000, "gap": 1_000},
    "home-dies": {"gap": 5_000},
    "host-moves": {"gap": 2_000},
    "both-move": {"gap": 5_000},
    "sleeps": {"usable again": 5_000},
    "black-out": {"usable again": 5_000},
}
GENEROUS, GENEROUS_AT_LEAST = 10, 20_000
COUNTS = ("messages", "flips", "session packets", "other packets")


class Scene:
    """Two machines with traffic between them, and a stopwatch."""

    def __init__(self, net, name, kinds=("masquerade", "port-restricted"), relays=None, arguments=(), direct=True, one=None):
        """`one`: what the first end is settled with instead."""
        self.net, self.name, self.told = net, name, {}
        self.relays = relays or [net.open_relay(f"{name}-relay")]
        usual = {"relays": self.relays, "arguments": arguments}
        self.one, self.other = (net.settle(routers.place(net, kind, f"{name}-{end}"), **settings)
                                for kind, end, settings in zip(kinds, "ab", (usual | (one or {}), usual)))
        self.ends = self.one, self.other
        self.apis = [end.api() for end in self.ends]
        self.ids = [end.id() for end in self.ends]
        harness.introduce(self.one, self.other)
        self.one.ctl("connect", self.other.name, "--timeout", "20")
        if direct:
            self.until_path("direct")
        self.connections = self.connection_names()
        self.candidate = self.statuses()[0]["local_candidate"]
        self.traffic, self.files = Traffic(self.one, self.other), None
        self.traffic.flowing()
        self.moment = time.monotonic()

    def statuses(self):
        return [api("peer.status", peer=peer) for api, peer in zip(self.apis, self.ids[::-1])]

    def connection_names(self):
        return [status["connection"] for status in self.statuses()]

    def until_path(self, path):
        wait_for(self.statuses, lambda both: all(status["path"] == path for status in both), f"{self.name}: {path} at both ends",
                 deadline=2 * harness.DEADLINE)

    def until_moved(self):
        """Direct by another address of the first end than in the beginning."""
        wait_for(self.statuses, lambda both: all(status["path"] == "direct" for status in both)
                 and both[0]["local_candidate"] != self.candidate, f"{self.name}: direct from the new place",
                 deadline=2 * harness.DEADLINE)

    def until_relays(self, state):
        wait_for(lambda: [relay["state"] for api in self.apis for relay in api("daemon.status")["relays"]],
                 lambda states: all(one == state for one in states) if state == "online" else "online" not in states,
                 f"{self.name}: the relays to be {state}")

    def begin(self):
        """Something is about to happen."""
        self.moment = time.monotonic()

    def tell(self, what):
        """Notes the time since begin()."""
        self.told[what] = (time.monotonic() - self.moment) * 1000

    def tell_gap(self, what="gap"):
        """Notes the longest time without a message since begin(), once they flow."""
        self.traffic.flowing()
        self.told[what] = self.traffic.gap_since(self.moment) * 1000

    def udp_bytes(self):
        """What went between the two places' public addresses, as the core counted it."""
        return self.net.udp_between(*(end.place.public for end in self.ends))[1]

    def send_files(self, size=8_000_000):
        self.files = Files(self.one, self.other, size)

    def kept(self):
        """Fails unless the connection is the one it was."""
        if self.connection_names() != self.connections:
            raise harness.Failed(f"{self.name}: the connection was not kept")

    def finish(self):
        if self.files:
            self.files.finish()
        self.told["messages"] = self.traffic.finish()
        for api in self.apis:
            api.close()
        return self.told


def direct_path_dies_and_returns(net):
    scene = Scene(net, "direct-dies")
    if scene.udp_bytes() == 0:
        raise harness.Failed("nothing went by the direct path")
    link = scene.one.place.link
    scene.send_files()
    scene.begin()
    link.drop_udp()
    scene.until_path("relay")
    scene.tell("to relay")
    scene.tell_gap()
    scene.begin()
    link.mend()
    scene.until_path("direct")
    scene.tell("direct again")
    scene.tell_gap("gap back")
    scene.kept()
    return scene.finish()


def at_quantile(values, share):
    """The value below which this share of the sorted values lies."""
    return values[min(len(values) - 1, int(share * len(values)))]


def path_flips(net, count=20):
    """Both paths are up; one end's user switches direct off and on."""
    scene = Scene(net, "flips")
    gaps = []
    for number in range(count):
        scene.begin()
        off = number % 2 == 0
        scene.apis[0]("peer.set", peer=scene.ids[1], direct="off" if off else "on")
        scene.until_path("relay" if off else "direct")
        scene.traffic.flowing()
        gaps.append(scene.traffic.gap_since(scene.moment) * 1000)
    scene.kept()
    gaps.sort()
    scene.told |= {"flips": count, "gap p50": at_quantile(gaps, 0.5), "gap p99": at_quantile(gaps, 0.99), "gap": gaps[-1]}
    return scene.finish()


def relay_killed(net):
    """Direct traffic does not notice; the session is back when the relay is."""
    scene = Scene(net, "relay-killed")
    relay = scene.relays[0]
    scene.send_files()
    scene.begin()
    relay.kill()
    scene.until_relays("offline")
    scene.tell_gap()
    scene.until_path("direct")
    relay.start()
    scene.begin()
    scene.until_relays("online")
    scene.tell("session back")
    scene.kept()
    return scene.finish()


def relay_black_holed(net):
    """The relay's TCP goes nowhere, without a word."""
    scene = Scene(net, "relay-black-hole")
    link = scene.relays[0].link
    scene.begin()
    link.drop("meta l4proto tcp")
    scene.until_relays("offline")
    scene.tell("noticed")
    scene.tell_gap()
    scene.until_path("direct")
    link.mend()
    scene.begin()
    scene.until_relays("online")
    scene.tell("session back")
    scene.kept()
    return scene.finish()


def home_relay_dies(net):
    """No direct path; both ends are at a second relay too."""
    relays = [net.open_relay(f"home-dies-relay{number}") for number in (1, 2)]
    scene = Scene(net, "home-dies", relays=relays, arguments=["--direct", "off"], direct=False)
    scene.send_files()
    scene.begin()
    relays[0].kill()
    scene.tell_gap()
    scene.kept()
    told = scene.finish()
    if scene.udp_bytes() != 0:
        raise harness.Failed("UDP went from one end to the other with direct paths off")
    relays[0].start()
    return told


def host_moves(net):
    scene = Scene(net, "host-moves")
    scene.send_files()
    scene.begin()
    scene.one.move("full-cone")
    scene.tell_gap()
    scene.until_moved()
    scene.tell("direct again")
    return scene.finish()


def both_move(net):
    scene = Scene(net, "both-move")
    scene.send_files()
    scene.begin()
    scene.one.move("full-cone")
    scene.other.move("masquerade")
    scene.tell_gap()
    scene.until_moved()
    scene.tell("direct again")
    return scene.finish()


def nat_resets(net):
    """Every mapping of both NATs is gone, of the relay's sessions too."""
    scene = Scene(net, "nat-resets", kinds=("port-restricted", "address-restricted"))
    scene.send_files()
    scene.begin()
    for end in scene.ends:
        end.place.reset_nats()
    scene.tell_gap()
    scene.until_path("direct")
    scene.tell("direct again")
    return scene.finish()


def sleeps_and_moves(net, seconds=15):
    """One end's daemon stands still, as in a suspended machine, and wakes up in another network. No program waits for its
    answer for long, so for a long sleep they are still, too."""
    scene = Scene(net, "sleeps")
    scene.apis[0].close()
    if seconds > harness.DEADLINE / 2:
        scene.traffic.halt()
    scene.one.process.send_signal(signal.SIGSTOP)
    scene.one.move("masquerade")
    harness.select.select([], [], [], seconds)  # the scene itself, not a wait for something
    scene.begin()
    scene.one.process.send_signal(signal.SIGCONT)
    scene.traffic.resume()
    scene.apis[1].close()
    scene.apis = [end.api() for end in scene.ends]
    scene.tell_gap("usable again")
    scene.until_moved()
    scene.tell("direct again")
    return scene.finish()


def black_out(net, seconds=9):
    """Nothing passes at all; the connection lives on."""
    scene = Scene(net, "black-out")
    scene.send_files()
    for end in scene.ends:
        end.place.link.black_out()
    harness.select.select([], [], [], seconds)  # the scene itself, not a wait for something
    scene.begin()
    for end in scene.ends:
        end.place.link.mend()
    scene.tell_gap("usable again")
    scene.until_path("direct")
    scene.tell("direct again")
    scene.kept()
    return scene.finish()


def lossy_line(net):
    """5 % of the packets are lost each way, at a round trip of 100 ms."""
    scene = Scene(net, "lossy")
    scene.one.place.link.impair(delay_ms=50, loss_percent=5)
    scene.begin()
    scene.send_files(1_000_000)
    scene.files.finish()
    scene.tell("1 MB each way")
    scene.tell_gap()
    scene.kept()
    return scene.finish()


def mtu_black_hole(net):
    scene = Scene(net, "mtu", kinds=("mtu-1300", "masquerade"))
    scene.begin()
    scene.send_files()
    scene.files.finish()
    scene.tell("8 MB each way")
    scene.until_path("direct")
    scene.tell_gap()
    scene.kept()
    return scene.finish()


def nothing_but(scene, address):
    """Tells what went between the first end and that address, which is all there may be of it."""
    scene.files.finish()
    told = scene.finish()
    packets = scene.net.packets_of(scene.one.place.public)
    told["session packets"] = packets.pop((address, "tcp"), 0)
    told["other packets"] = sum(packets.values())
    if packets or told["session packets"] == 0:
        raise harness.Failed(f"only TCP with {address} was to be seen of {scene.one.name}: {told}, {packets}")
    if [status["path"] for status in scene.last] != ["relay", "relay"]:
        raise harness.Failed(f"the path was not the relay at both ends: {scene.last}")
    return told


# A resolver that is not there: what is asked of it comes to the core, and is counted.
RESOLVER = {"resolv.conf": "nameserver 198.51.100.254\n"}


def direct_off(net):
    """One end wants no direct path; the other would."""
    scene = Scene(net, "direct-off", kinds=("masquerade", "none"), direct=False,
                  one={"arguments": ["--direct", "off", "--stun", "stun.test:3478"], "files": RESOLVER})
    scene.send_files(1_000_000)
    scene.last = scene.statuses()
    return nothing_but(scene, scene.relays[0].addresses[0])


def through_a_proxy(net):
    """One end's relay is known to its proxy alone, by name."""
    relay = net.open_relay("proxied-relay")
    proxy = public.socks(net, "proxied-server", names=("relay.test", relay.addresses[0]))
    scene = Scene(net, "proxied", kinds=("masquerade", "none"), relays=[relay], direct=False,
                  one={"relays": [], "arguments": ["--relay", "ws://relay.test:443", "--proxy", proxy], "files": RESOLVER})
    scene.send_files(1_000_000)
    scene.last = scene.statuses()
    return nothing_but(scene, proxy.split("/")[2].split(":")[0])


SCENES = {
    "direct-dies": direct_path_dies_and_returns,
    "flips": path_flips,
    "relay-killed": relay_killed,
    "relay-black-hole": relay_black_holed,
    "home-dies": home_relay_dies,
    "host-moves": host_moves,
    "both-move": both_move,
    "nat-resets": nat_resets,
    "sleeps": sleeps_and_moves,
    "black-out": black_out,
    "lossy": lossy_line,
    "mtu": mtu_black_hole,
    "direct-off": direct_off,
    "proxied": through_a_proxy,
}


def too_long(name, told, judged):
    """The times above their limits, as {what: the limit in ms}."""
    limits = {what: limit if judged else max(GENEROUS * limit, GENEROUS_AT_LEAST) for what, limit in LIMITS.get(name, {}).items()}
    return {what: limit for what, limit in limits.items() if told[what] > limit}


def play(net, name, judged=False, **arguments):
    """What the scene tells; {"failure": a sentence} when it failed. {"late": {...}} in it: that is more than wanted."""
    try:
        told = SCENES[name](net, **arguments)
        late = too_long(name, told, judged)
        return told | ({"late": late} if late else {})
    except (harness.Failed, OSError, ValueError, subprocess.SubprocessError) as failure:
        return {"failure": f"{type(failure).__name__}: {failure}"}


def line(name, told):
    if "failure" in told:
        return f"{name:17} FAILED: {told['failure']}"
    late = "".join(f"  LATE: {what} should be at most {limit} ms" for what, limit in told.get("late", {}).items())
    return f"{name:17} " + ", ".join(f"{what} {value}" if what in COUNTS else f"{what} {value:.0f} ms"
                                    for what, value in told.items() if what != "late") + late
