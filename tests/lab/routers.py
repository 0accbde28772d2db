"""The networks that a machine may stand in: what each is built of, and what an RFC 5780 probe must find behind it.

A Place is one machine with the way to it. Where the kernel's own NAT behaves as wanted, the router is nftables; where it
cannot (endpoint-independent filtering, sequential ports), it is the lab's own NAT, a program on a TUN device of the router.
"""
import dataclasses
import itertools
import json
import pathlib
import signal
import sys

import harness
import servers
from internet import Internet, Link, shell

ROUTERS, ZONES = itertools.count(1), itertools.count(1)
HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Place:
    """A machine in its network. `public` is the IPv4 address that the internet sees it under, None where it has none."""
    kind: str
    host: harness.Host
    link: Link
    public: str = None
    routers: list = dataclasses.field(default_factory=list)  # from the host outwards
    nats: list = dataclasses.field(default_factory=list)  # the processes of the lab's own NATs
    ipv6_only: bool = False

    def reset_nats(self):
        """Every mapping of every NAT on the way is forgotten, as when a router is switched off and on."""
        for nat in self.nats:
            nat.forget()
        for router in self.routers:
            # A connection tracking zone that was never used holds no translation and no permission.
            zone = next(ZONES)
            nft(router, f"""table inet zone
                delete table inet zone
                table inet zone {{
                  chain in {{ type filter hook prerouting priority raw; ct zone set {zone}; }}
                  chain out {{ type filter hook output priority raw; ct zone set {zone}; }}
                }}""")


@dataclasses.dataclass(frozen=True)
class Kind:
    text: str  # one line for the table of docs/lab.md and for `lab.py list`
    build: object  # (Internet, name) -> Place
    finds: dict  # what probe.py must find; a key left out may be anything


def nft(node, rules):
    shell(node, f"nft -f - <<'END'\n{rules}\nEND\n")


STATEFUL = """
table inet firewall {
  chain forward { type filter hook forward priority 0; policy drop;
    ct state established,related accept; iifname "lan" accept; }
  chain input { type filter hook input priority 0; policy accept;
    iifname "wan" ct state established,related accept; iifname "wan" meta l4proto { tcp, udp } drop; }
}
"""


def masquerade(flags=""):
    return 'table ip nat { chain out { type nat hook postrouting priority srcnat; oifname "wan" masquerade %s; }; }' % flags


def only_tcp_443(node):
    nft(node, """table inet strict { chain forward { type filter hook forward priority -5; policy drop;
        ct state established,related accept; iifname "lan" tcp dport 443 accept; }; }""")


class Nat(harness.Process):
    """lab_nat on a TUN device of a router: everything from `lan`, and everything to `public`, goes through it."""

    def __init__(self, net, router, public, inside, options):
        super().__init__(net, router, f"{router.name}-nat")
        self.spawn([str(net.build / "tests" / "lab" / "lab_nat"), "--device", "nat", "--public", public,
                    "--inside", inside, *options])
        self.wait_log("ready", "the NAT to be ready")
        shell(router, f"""
            sysctl -qw net.ipv4.conf.nat.rp_filter=0
            ip link set nat up
            ip route add {public}/32 dev nat
            ip rule add iif lan lookup 100
            ip route add default dev nat table 100
        """)

    def forget(self):
        self.process.send_signal(signal.SIGHUP)


def lan_host(net, name, router, address, gateway, prefix6=None, isolated=False):
    """A machine on the router's LAN, a bridge that is made with the first of them."""
    host = net.node(name, address)
    port = f"port{address.split('.')[-1]}"
    shell(router, f"""
        if ! ip link show lan > /dev/null 2>&1; then
          ip link add lan type bridge
          ip addr add {gateway}/24 dev lan
          {f'ip -6 addr add {prefix6}1/64 dev lan nodad' if prefix6 else ''}
          ip link set lan up
        fi
        ip link add {port} type veth peer name eth0 netns {host.holder.pid}
        ip link set {port} master lan up
        {f'bridge link set dev {port} isolated on' if isolated else ''}
    """)
    number = address.split(".")[-1]
    six = f"ip -6 addr add {prefix6}{number}/64 dev eth0 nodad; ip -6 route add default via {prefix6}1" if prefix6 else ""
    shell(host, f"""
        ip link set lo up
        ip link set eth0 addrgenmode none up
        ip addr add {address}/24 dev eth0
        ip route add default via {gateway}
        {six}
    """)
    return host


def open_router(net, name, addresses, prefix6=None, mtu=None):
    router = net.node(f"{name}-router-{next(ROUTERS)}")
    shell(router, """sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 \
        net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0""")
    return router, net.link(router, addresses, prefix6, mtu)


def bare(net, name):
    """The machine itself has the public address."""
    address = f"198.51.100.{net.site()}"
    host = net.node(name, address)
    return Place("", host, net.link(host, [address]), address)


def firewall(net, name):
    """A public address on the machine, and a router before it that lets in only answers."""
    site = net.site()
    address = f"198.51.100.{site}"
    router, link = open_router(net, name, [f"203.0.113.{site}"])
    link.route(address, f"203.0.113.{site}")
    host = lan_host(net, name, router, f"10.0.0.{site}", "10.0.0.1")
    shell(host, f"""
        ip addr del 10.0.0.{site}/24 dev eth0
        ip addr add {address}/32 dev eth0
        ip route add 10.0.0.1 dev eth0
        ip route add default via 10.0.0.1
    """)
    shell(router, f"ip route add {address}/32 dev lan")
    nft(router, STATEFUL)
    return Place("", host, link, address, [router])


def home(net, name, rules, mtu=None, prefix6=False):
    """A home behind the kernel's NAT: 192.168.1.0/24, as everyone has."""
    site = net.site()
    address = f"203.0.113.{site}"
    prefix = f"2001:db8:{site:x}::" if prefix6 else None
    lan6 = f"2001:db8:{site:x}:1::" if prefix6 else None
    router, link = open_router(net, name, [address], prefix, mtu)
    host = lan_host(net, name, router, f"192.168.1.{site}", "192.168.1.1", lan6)
    nft(router, STATEFUL + rules)
    return Place("", host, link, address, [router])


def ipv6_only(net, name):
    place = home(net, name, "", prefix6=True)
    shell(place.host, "ip -4 addr flush dev eth0")
    shell(place.routers[0], "ip -4 addr flush dev lan; ip -4 addr flush dev wan")
    place.ipv6_only, place.public = True, None
    return place


def own_nat(net, name, *options):
    """A home behind the lab's own NAT, which translates to an address of its own."""
    site = net.site()
    wan, public = f"203.0.113.{site}", f"198.51.100.{site}"
    router, link = open_router(net, name, [wan])
    link.route(public, wan)
    host = lan_host(net, name, router, f"192.168.1.{site}", "192.168.1.1")
    return Place("", host, link, public, [router], [Nat(net, router, public, "192.168.1.0/24", options)])


CARRIER = ("--mapping", "endpoint", "--filtering", "address", "--ports", "random")


def open_carrier(net, name, *options):
    """A carrier's NAT with no customer yet: (router, link, public address, Nat)."""
    site = net.site()
    wan, public = f"203.0.113.{site}", f"198.51.100.{site}"
    router, link = open_router(net, f"{name}-carrier", [wan])
    link.route(public, wan)
    shell(router, "ip link add lan type bridge; ip addr add 100.64.0.1/10 dev lan; ip link set lan up")
    return router, link, public, Nat(net, router, public, "100.64.0.0/10", options)


def customer(net, name, carrier):
    """A home with a masquerading router behind a carrier's NAT: two layers."""
    outer, link, public, nat = carrier
    site = net.site()
    inner = net.node(f"{name}-router-{next(ROUTERS)}")
    shell(outer, f"""ip link add port{site} type veth peer name wan netns {inner.holder.pid}
                     ip link set port{site} master lan up""")
    shell(inner, f"""sysctl -qw net.ipv4.ip_forward=1
                     ip link set lo up
                     ip link set wan up
                     ip addr add 100.64.0.{site}/10 dev wan
                     ip route add default via 100.64.0.1""")
    host = lan_host(net, name, inner, f"192.168.1.{site}", "192.168.1.1")
    nft(inner, STATEFUL + masquerade())
    return Place("", host, link, public, [inner, outer], [nat])


def black_hole(net, name):
    """Packets above 1,300 bytes vanish without a word. The TCP segment size is clamped, as such routers do, or nothing at
    all would work."""
    return home(net, name, masquerade() + """
        table inet quiet { chain out { type filter hook output priority 0; meta l4proto { icmp, ipv6-icmp } drop; };
          chain pass { type filter hook forward priority 5; tcp flags syn tcp option maxseg size set 1240; }; }""", mtu=1300)


def blocked(net, name):
    place = home(net, name, masquerade())
    only_tcp_443(place.routers[0])
    return place


def gateway(net, name):
    """A symmetric NAT that lets nobody in, and miniupnpd on it. miniupnpd maps nothing on an address of the ranges that are
    reserved for documentation."""
    address = f"11.77.0.{net.site()}"
    router, link = open_router(net, name, [address])
    host = lan_host(net, name, router, f"192.168.1.{address.split('.')[-1]}", "192.168.1.1")
    nft(router, servers.GATEWAY)
    servers.miniupnpd(net, router, address)
    return Place("", host, link, address, [router])


def found(mapping, filtering, nat=True, ports=None, **others):
    wanted = {"udp": True, "nat": nat, "mapping": mapping, "filtering": filtering, **others}
    return wanted | {"ports": ports} if ports else wanted


KINDS = {
    "none": Kind("a public address, nothing before it", bare, found("endpoint", "endpoint", nat=False)),
    "firewall": Kind("a public address behind a stateful firewall (nftables)", firewall,
                     found("endpoint", "port", nat=False)),
    "full-cone": Kind("endpoint-independent mapping and filtering (lab_nat)",
                      lambda net, name: own_nat(net, name, "--mapping", "endpoint", "--filtering", "endpoint"),
                      found("endpoint", "endpoint")),
    "address-restricted": Kind("endpoint-independent mapping, address-dependent filtering (lab_nat)",
                               lambda net, name: own_nat(net, name, "--mapping", "endpoint", "--filtering", "address"),
                               found("endpoint", "address")),
    "port-restricted": Kind("endpoint-independent mapping, address and port-dependent filtering (lab_nat)",
                            lambda net, name: own_nat(net, name, "--mapping", "endpoint", "--filtering", "port",
                                                      "--ports", "random"),
                            found("endpoint", "port", ports="random")),
    "masquerade": Kind("Linux masquerade (nftables): keeps the port where it is free", lambda net, name: home(net, name, masquerade()),
                       found("endpoint", "port", ports="preserved")),
    "symmetric-random": Kind("Linux masquerade with fully-random ports (nftables): a mapping for each destination",
                             lambda net, name: home(net, name, masquerade("fully-random")), found("port", "port", ports="random")),
    "symmetric-sequential": Kind("a mapping for each destination, ports one after the other (lab_nat)",
                                 lambda net, name: own_nat(net, name, "--mapping", "port", "--filtering", "port",
                                                           "--ports", "sequential"),
                                 found("port", "port", ports="sequential")),
    "gateway": Kind("as symmetric-random, with a miniupnpd that opens ports (PCP, NAT-PMP, UPnP)", gateway,
                    found("port", "port", ports="random")),
    "carrier": Kind("a masquerading home router behind a carrier's NAT: endpoint-independent mapping, two layers",
                    lambda net, name: customer(net, name, open_carrier(net, name, *CARRIER)), found("endpoint", "port")),
    "udp-blocked": Kind("nothing but TCP to port 443 gets out", blocked, {"udp": False}),
    "ipv6-only": Kind("IPv6 alone, behind a stateful firewall", ipv6_only, found("endpoint", "port", nat=False)),
    "dual-stack": Kind("IPv4 behind masquerade, IPv6 behind a stateful firewall",
                       lambda net, name: home(net, name, masquerade(), prefix6=True), found("endpoint", "port", ports="preserved")),
    "mtu-1300": Kind("masquerade, and packets above 1,300 bytes vanish with their ICMP", black_hole, found("endpoint", "port")),
}


def place(net, kind, name):
    out = KINDS[kind].build(net, name)
    out.kind = kind
    return out


def prove(place_, relay, wanted=None):
    """Asks the RFC 5780 probe behind the router; fails unless it finds what the kind says. Returns what it found."""
    address, port = relay.stun_of(place_.ipv6_only)
    done = place_.host.run(sys.executable, str(HERE / "probe.py"), address, str(port))
    result = json.loads(done.stdout)
    for key, value in (wanted or KINDS[place_.kind].finds).items():
        if result.get(key) != value:
            raise harness.Failed(f"{place_.kind}: the probe found {key} = {result.get(key)}, not {value}: {done.stdout}")
    return result
