"""Port mapping, with real miniupnpd: two daemons behind gateways of which neither lets anyone in, so that only a mapping
makes a direct path possible."""
import shutil
import subprocess
import unittest

import case
import harness
import servers

# miniupnpd maps nothing on a gateway whose outside address is not a public one; nothing leaves these namespaces.
PUBLIC = "11.77.0"


class Gateway:
    """A router with a symmetric NAT that lets nobody in, and miniupnpd on it for those behind."""

    def __init__(self, lab, name, number):
        self.lab, self.number = lab, number
        self.outside, self.inside = f"{PUBLIC}.{number}", f"192.168.{number}.1"
        self.holder = hold_namespace()
        self.host = harness.Host(name, self.outside, self.holder)
        port = f"g{next(harness.PORTS)}"
        subprocess.run(["ip", "link", "add", port, "type", "veth", "peer", "name", "wan", "netns", str(self.holder.pid)],
                       check=True)
        subprocess.run(["ip", "link", "set", port, "master", "segment", "up"], check=True)
        for step in (["ip", "link", "set", "lo", "up"], ["ip", "addr", "add", f"{self.outside}/24", "dev", "wan"],
                     ["ip", "link", "set", "wan", "up"], ["sysctl", "-qw", "net.ipv4.ip_forward=1"]):
            self.host.run(*step)
        self.host.run("nft", servers.GATEWAY)
        lab.hosts[name] = self.host

    def inner_host(self, name):
        """A host behind it."""
        holder = hold_namespace()
        host = harness.Host(name, f"192.168.{self.number}.2", holder)
        self.host.run("ip", "link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        for step in (["ip", "addr", "add", f"{self.inside}/24", "dev", "lan"], ["ip", "link", "set", "lan", "up"]):
            self.host.run(*step)
        for step in (["ip", "link", "set", "lo", "up"], ["ip", "addr", "add", f"{host.address}/24", "dev", "eth0"],
                     ["ip", "link", "set", "eth0", "up"], ["ip", "route", "add", "default", "via", self.inside]):
            host.run(*step)
        self.lab.hosts[name] = host
        return host

    def serve(self, upnp, natpmp):
        servers.miniupnpd(self.lab, self.host, self.outside, upnp, natpmp)

    def mappings(self):
        """Ports that it lets in, as "port" of its nat rules."""
        return self.host.run("nft", "list", "chain", "inet", "gateway", "prerouting_miniupnpd").stdout.count("dnat")


def hold_namespace():
    holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, preexec_fn=harness._die_with_parent)
    holder.stdout.readline()
    return holder


@unittest.skipUnless(shutil.which("miniupnpd"), "needs miniupnpd")
@case.needs_namespaces
class PortMapping(case.LabCase):
    def setUp(self):
        super().setUp()
        self.relay_host = self.lab.host("relay")
        # The relay on the public segment beside the outside of the gateways.
        self.relay_host.address = f"{PUBLIC}.1"
        self.relay_host.run("ip", "addr", "add", f"{PUBLIC}.1/24", "dev", "eth0")
        self.relay = self.lab.relay()
        self.home, self.office = Gateway(self.lab, "home", 11), Gateway(self.lab, "office", 12)
        self.home.inner_host("alice")
        self.office.inner_host("bob")

    def daemons(self, **alice_options):
        alice, bob = self.lab.daemon("alice", [self.relay], **alice_options), self.lab.daemon("bob", [self.relay])
        harness.introduce(alice, bob)
        return alice, bob

    def mapper(self, daemon):
        return daemon.json("status")["port_mapping"]

    def goes_direct(self, protocol):
        alice, bob = self.daemons()
        alice.ctl("connect", "bob", "--wait", "direct", "--timeout", "30")
        self.assertEqual(alice.peer("bob")["path"], "direct")
        harness.until(lambda: bob.peer("alice")["path"] == "direct", "bob to send directly")
        self.assertEqual(bob.peer("alice")["remote_candidate"].split(":")[0], f"srflx {self.home.outside}")
        found = self.mapper(alice)
        self.assertEqual((found["state"], found["protocol"], found["gateway"], found["external"]),
                         ("mapping", protocol, self.home.inside, self.home.outside))
        harness.until(lambda: self.mapper(alice)["reached"], "the mapped port to be tried from outside")
        self.assertGreaterEqual(self.home.mappings(), 1)
        alice.ctl("send", "bob", "through the gateway")
        self.assertEqual(harness.receive(bob, "alice")[0]["text"], "through the gateway")
        alice.stop()
        self.assertEqual(self.home.mappings(), 0)

    def test_pcp_makes_a_direct_path_and_leaves_nothing(self):
        self.home.serve(upnp=True, natpmp=True)
        self.goes_direct("pcp")

    def test_upnp_makes_a_direct_path_and_leaves_nothing(self):
        self.home.serve(upnp=True, natpmp=False)
        self.goes_direct("upnp")

    def test_a_mapped_port_that_nobody_reaches_is_not_used(self):
        self.home.serve(upnp=True, natpmp=True)
        # As where the provider lets nothing in: the gateway maps, and knows nothing of it.
        self.home.host.run("nft", "table ip provider { chain in { type filter hook prerouting priority -150; "
                                  "iifname wan meta l4proto udp ct state new drop; }; }")
        alice, _ = self.daemons()
        harness.until(lambda: self.mapper(alice)["reached"] is False, "the mapped port to be tried from outside")
        found = self.mapper(alice)
        self.assertEqual(found["state"], "none")
        self.assertIn("nothing from outside comes in", found["error"])
        harness.until(lambda: self.home.mappings() == 0, "the gateway to be left as it was")
        self.assertIn("nothing from outside comes in", alice.ctl("netcheck").stdout)

    def test_without_it_the_pair_stays_on_the_relay(self):
        self.home.serve(upnp=True, natpmp=True)
        alice, bob = self.daemons(arguments=["--port-mapping", "off"])
        alice.ctl("connect", "bob")
        harness.until(lambda: alice.peer("bob")["why_not_direct"] == "checks_failed", "the checks to fail")
        self.assertEqual(alice.peer("bob")["path"], "relay")
        self.assertEqual(self.mapper(alice)["state"], "off")
        self.assertEqual(self.mapper(bob)["state"], "none")


if __name__ == "__main__":
    case.main()
