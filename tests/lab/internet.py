"""The lab's internet: a core that every site hangs on by a link of its own, a relay with two-address STUN, and what may
happen to links on the way.

The core is the network namespace of the program itself. A site's public addresses are routed to its link, so all traffic
between sites crosses the core's forwarding, where it can be cut, counted and stopped, seen from outside like any fault.
"""
import itertools
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness

GATEWAY = "203.0.113.254"  # the core, as each site's next hop
STUN_PORT, STUN_OTHER_PORT = 3478, 3479

LINKS = itertools.count(1)


def shell(host, script):
    """Runs a script of commands on a host (None: the core); the first that fails ends it."""
    done = subprocess.run((host.prefix() if host else []) + ["sh", "-e"], input=script, capture_output=True, text=True)
    if done.returncode != 0:
        raise harness.Failed(f"{host.name if host else 'the core'}: {done.stderr}\n--- of\n{script}")
    return done.stdout


class Link:
    """A site's way into the internet: `wan` on the site's node, an interface of the core on the other end."""

    def __init__(self, net, node, addresses, prefix6, mtu):
        number = next(LINKS)
        self.net, self.node, self.addresses, self.prefix6 = net, node, list(addresses), prefix6
        self.device, self.number, self.wire, self.behind = f"link{number}", number, None, []
        size = f"mtu {mtu}" if mtu else ""
        shell(None, f"""
            ip link add {self.device} {size} type veth peer name wan {size} netns {node.holder.pid}
            ip link set {self.device} addrgenmode none
            ip addr add {GATEWAY}/32 dev {self.device}
            ip -6 addr add fe80::1/64 dev {self.device} nodad
        """)
        self.plug()

    def plug(self):
        """Gives the node its addresses and routes. Again after the link was taken away and came back."""
        four = "".join(f"ip addr add {address}/32 dev wan\n" for address in self.addresses)
        if four:
            four += f"ip route add {GATEWAY} dev wan\nip route add default via {GATEWAY} dev wan\n"
        six = ""
        if self.prefix6:
            six = f"""
                ip -6 addr add fe80::2/64 dev wan nodad
                ip -6 addr add {self.prefix6}1/128 dev wan nodad
                ip -6 route add default via fe80::1 dev wan
            """
        shell(self.node, f"ip link set lo up\nip link set wan addrgenmode none\nip link set wan up\n{four}{six}")
        routes = "".join(f"ip route replace {address}/32 dev {self.device}\n" for address in self.addresses)
        if self.prefix6:
            routes += f"ip -6 route replace {self.prefix6}/48 via fe80::2 dev {self.device}\n"
        shell(None, f"ip link set {self.device} up\n{routes}")

    def route(self, address, via):
        """An address that is reached by way of this link's node, at `via`."""
        self.behind.append((address, via))
        shell(None, f"ip route add {address}/32 via {via} dev {self.device} onlink")

    # --- faults, all of them made in the core ---

    def down(self):
        """The cable is pulled: both ends see it."""
        shell(None, f"ip link set {self.device} down")

    def drop(self, what):
        """Packets of an nft expression vanish here in both directions, silently."""
        self.mend()
        shell(None, f"""nft 'table inet cut_{self.device} {{ chain forward {{ type filter hook forward priority -10;
            iifname {self.device} {what} drop; oifname {self.device} {what} drop; }}; }}'""")

    def drop_udp(self):
        self.drop("meta l4proto udp")

    def black_out(self):
        self.drop("")

    def impair(self, delay_ms=0, loss_percent=0, rate_kbit=0):
        """What goes over this link comes late, or never, each way."""
        if self.wire is None:
            self.wire = Wire(self)
        self.wire.set(delay_ms, loss_percent, rate_kbit)

    def mend(self):
        shell(None, f"nft delete table inet cut_{self.device} 2>/dev/null || true")


class Wire(harness.Process):
    """lab_wire in the core: everything to and from a link goes through its TUN device."""

    def __init__(self, link):
        super().__init__(link.net, Core(), f"wire-{link.device}")
        wire, site, inwards = f"wire{link.number}", 1000 + link.number, 2000 + link.number
        self.spawn([str(link.net.build / "tests" / "lab" / "lab_wire"), "--device", wire])
        self.wait_log("ready", "the wire to be ready")
        script = f"""
            sysctl -qw net.ipv4.conf.{wire}.rp_filter=0
            ip link set {wire} addrgenmode none up
            ip route add default dev {wire} table {site}
            ip rule add iif {link.device} lookup {site}
            ip rule add iif {wire} lookup {inwards}
        """
        for address in link.addresses:
            script += f"ip route add {address}/32 dev {link.device} table {inwards}\nip route replace {address}/32 dev {wire}\n"
        for address, via in link.behind:
            script += f"ip route add {address}/32 via {via} dev {link.device} onlink table {inwards}\n"
            script += f"ip route del {address}/32\nip route add {address}/32 dev {wire}\n"
        if link.prefix6:
            script += f"""
                ip -6 route add default dev {wire} table {site}
                ip -6 rule add iif {link.device} lookup {site}
                ip -6 rule add iif {wire} lookup {inwards}
                ip -6 route add {link.prefix6}/48 via fe80::2 dev {link.device} table {inwards}
                ip -6 route replace {link.prefix6}/48 dev {wire}
            """
        shell(None, script)

    def set(self, delay_ms, loss_percent, rate_kbit):
        self.process.stdin.write(f"{delay_ms} {loss_percent} {rate_kbit}\n".encode())
        self.process.stdin.flush()
        self.wait_log(f"set {delay_ms:g} {loss_percent:g} {rate_kbit:g}", "the wire to be set")


class Core(harness.Host):
    """The core as a host of the lab's own programs; their standard input stays open."""

    def __init__(self):
        super().__init__("core", None)

    def start(self, command, log, env=None):
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=env,
                                preexec_fn=harness._die_with_parent)


class Internet(harness.Lab):
    """The core with its sites. Used as a context manager; everything in it ends with it, or with this process."""

    def open_network(self):
        self.links, self.sites, self.relays, self.unplugged = {}, itertools.count(2), itertools.count(1), set()
        shell(None, """
            ip link set lo up
            sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 \
              net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
            nft 'table inet count {
              set pairs { type ipv4_addr . ipv4_addr . inet_proto; flags dynamic; counter; size 65535; };
              set pairs6 { type ipv6_addr . ipv6_addr . inet_proto; flags dynamic; counter; size 65535; };
              chain come { type filter hook prerouting priority -400;
                add @pairs { ip saddr . ip daddr . meta l4proto }; add @pairs6 { ip6 saddr . ip6 daddr . meta l4proto }; };
              chain quiet { type filter hook output priority 0; icmp type destination-unreachable drop; }; }'
        """)

    def close_network(self):
        for link in self.links.values():
            link.mend()
            subprocess.run(["ip", "link", "del", link.device], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["nft", "delete", "table", "inet", "count"], check=False)

    def node(self, name, address=None):
        """A machine that is not on any network: a new one, or one that was unplugged."""
        if name in self.unplugged:
            self.unplugged.remove(name)
            self.hosts[name].address = address
        elif name in self.hosts:
            raise harness.Failed(f"two machines are called {name}")
        else:
            self.hosts[name] = harness.open_namespace(name, address)
        return self.hosts[name]

    def unplug(self, place):
        """Takes a machine off its network, cable and all; its programs go on."""
        shell(place.host, "ip link del eth0 2>/dev/null || ip link del wan")
        self.unplugged.add(place.host.name)

    def site(self):
        """A number for a new site: its public addresses are made of it."""
        return next(self.sites)

    def link(self, node, addresses, prefix6=None, mtu=None):
        self.links[node.name] = Link(self, node, addresses, prefix6, mtu)
        return self.links[node.name]

    def open_relay(self, name="relay"):
        number = next(self.relays)
        addresses = [f"192.0.2.{2 * number - 1}", f"192.0.2.{2 * number}"]
        prefix6 = f"2001:db8:{0xff00 + number:x}::"
        node = self.node(name, addresses[0])
        return PublicRelay(self, node, self.link(node, addresses, prefix6), f"{prefix6}1")

    def counted(self):
        """What came to the core so far, whatever became of it: (source, destination, protocol, packets, bytes) each."""
        for name in ("pairs", "pairs6"):
            for item in json.loads(shell(None, f"nft -j list set inet count {name}"))["nftables"]:
                for element in item.get("set", {}).get("elem", []):
                    source, destination, protocol = element["elem"]["val"]["concat"]
                    yield source, destination, protocol, *(element["elem"]["counter"][key] for key in ("packets", "bytes"))

    def udp_between(self, one, other):
        """(packets, bytes) of UDP between two public IPv4 addresses, in both directions."""
        found = [row for row in self.counted() if set(row[:2]) == {one, other} and row[2] == "udp"]
        return sum(row[3] for row in found), sum(row[4] for row in found)

    def packets_of(self, address):
        """Of a public address, by (other address, protocol), in both directions."""
        out = {}
        for source, destination, protocol, packets, _ in self.counted():
            if address in (source, destination):
                other = destination if source == address else source
                out[other, protocol] = out.get((other, protocol), 0) + packets
        return out


class PublicRelay(harness.Process):
    """p2p-relay on 443 at both families, with STUN on two addresses (RFC 5780). IPv6's STUN is a process of its own, as two
    addresses are what one process crosses."""

    def __init__(self, internet, node, link, address6):
        super().__init__(internet, node, node.name)
        self.link, self.addresses, self.address6 = link, link.addresses, address6
        self.stun = f"{self.addresses[0]}:{STUN_PORT}"
        self.stun6 = f"[{address6}]:{STUN_PORT}"
        shell(node, f"ip -6 addr add {address6[:-1]}2/128 dev wan nodad")
        self.second = harness.Process(internet, node, f"{node.name}-stun6")
        self.start()
        self.second.spawn(self.command(self.second.state, ["127.0.0.1:0"],
                                       [self.stun6, f"[{address6[:-1]}2]:{STUN_OTHER_PORT}"]))
        self.second.wait_log("stun listening", "STUN on IPv6")

    def command(self, state, listen, stun):
        command = [str(self.lab.build / "p2p-relay"), "--state-dir", str(state), "--rate-stun", "0"]
        for address in listen:
            command += ["--listen", address]
        for address in stun:
            command += ["--stun-listen", address]
        return command

    def start(self):
        self.spawn(self.command(self.state, [f"{self.addresses[0]}:443", f"[{self.address6}]:443"],
                                [self.stun, f"{self.addresses[1]}:{STUN_OTHER_PORT}"]))
        self.wait_log(r"stun listening", "the relay to listen")
        return self

    def options(self, ipv6=False):
        """What a daemon is started with to use this relay."""
        host, stun = (f"[{self.address6}]", self.stun6) if ipv6 else (self.addresses[0], self.stun)
        return ["--relay", f"ws://{host}:443", "--stun", stun]

    def stun_of(self, ipv6=False):
        return (self.address6 if ipv6 else self.addresses[0]), STUN_PORT
