"""What must not leave a machine does not: with direct paths off, and behind real proxies, its own counters stay at zero."""
import re

import harness
import servers
from case import LabCase, main, needs_namespaces

USER, PASSWORD = "alice", "p@ss:word"


def watch_packets(host, *allowed):
    """Counts what leaves the host: UDP, DNS over TCP, and anything to an address that is not allowed."""
    host.run("nft", f"""table inet leak {{
        chain out {{
            type filter hook output priority 0;
            oifname "lo" accept
            meta l4proto udp counter comment "udp"
            tcp dport {{ 53, 853 }} counter comment "dns"
            meta l4proto != icmpv6 ip daddr != {{ {", ".join(allowed)} }} counter comment "elsewhere"
            meta l4proto != icmpv6 meta nfproto ipv6 counter comment "ipv6"
        }}
    }}""")


def leaked(host):
    rules = host.run("nft", "list", "table", "inet", "leak").stdout
    return {name: int(count) for count, name in re.findall(r'packets (\d+) bytes \d+ comment "(\w+)"', rules)}


class Privacy(LabCase):
    def exchange(self, alice, bob):
        alice.ctl("connect", "bob", "--timeout", "30")
        alice.ctl("send", "bob", "there")
        bob.ctl("send", "alice", "back")
        self.assertEqual([m["text"] for m in harness.receive(bob, "alice")], ["there"])
        self.assertEqual([m["text"] for m in harness.receive(alice, "bob")], ["back"])

    def behind_proxy(self, command, url):
        """bob on the relay by its address; alice knows only the relay's name, and that from nowhere but the proxy."""
        relay = self.lab.relay()
        middle = self.lab.host("proxy")
        port = 18080
        servers.Server(self.lab, middle, "proxy-server",
                       servers.knowing(self.lab.folder, "relay.test", relay.host.address, command(middle.address, port)),
                       f"tcp/{port}")
        alice_host = self.lab.host("alice")
        watch_packets(alice_host, middle.address)
        named = re.sub(r"//[0-9.]+", "//relay.test", relay.url)
        alice = self.lab.daemon("alice", [named], arguments=["--proxy", url.format(address=middle.address, port=port)])
        bob = self.lab.daemon("bob", [relay])
        harness.introduce(alice, bob)
        self.exchange(alice, bob)
        status = alice.peer("bob")
        self.assertEqual((status["path"], status["why_not_direct"]), ("relay", "proxy"))
        self.assertEqual(bob.peer("alice")["why_not_direct"], "peer_disabled")
        self.says_no(alice, 1, "a proxy is in use", "connect", "bob", "--wait", "direct")
        self.assertEqual(leaked(alice_host), {"udp": 0, "dns": 0, "elsewhere": 0, "ipv6": 0})
        return alice, bob

    @needs_namespaces
    def test_socks_finds_the_relay_and_nothing_goes_past_it(self):
        alice, _ = self.behind_proxy(
            lambda address, port: ["microsocks", "-i", address, "-p", str(port), "-u", USER, "-P", PASSWORD],
            f"socks5://{USER}:p%40ss%3Aword@{{address}}:{{port}}")
        self.assertNotIn(PASSWORD, alice.log())
        self.assertNotIn("p%40ss", alice.log())

    @needs_namespaces
    def test_http_connect_finds_the_relay_and_nothing_goes_past_it(self):
        def tinyproxy(address, port):
            configuration = self.lab.folder / "tinyproxy.conf"
            configuration.write_text(f"Listen {address}\nPort {port}\nBasicAuth {USER} password\nMaxClients 20\n")
            return ["tinyproxy", "-d", "-c", str(configuration)]
        self.behind_proxy(tinyproxy, f"http://{USER}:password@{{address}}:{{port}}")

    @needs_namespaces
    def test_a_wrong_password_is_said(self):
        relay, middle = self.lab.relay(), self.lab.host("proxy")
        servers.microsocks(self.lab, middle, 18080, "-u", USER, "-P", PASSWORD)
        alice = self.lab.daemon("alice", [relay], arguments=["--proxy", f"socks5://{USER}:no@{middle.address}:18080"])
        harness.until(lambda: "user name and password" in str(alice.json("status")["relay"]), "the reason to be told")

    @needs_namespaces
    def test_direct_off_sends_nothing_but_to_the_relay(self):
        relay = self.lab.relay()
        host = self.lab.host("alice")
        watch_packets(host, relay.host.address)
        alice = self.lab.daemon("alice", [relay], arguments=["--direct", "off"])
        bob = self.lab.daemon("bob", [relay])
        harness.introduce(alice, bob)
        self.exchange(alice, bob)
        self.assertEqual(alice.peer("bob")["why_not_direct"], "disabled")
        self.assertEqual(leaked(host), {"udp": 0, "dns": 0, "elsewhere": 0, "ipv6": 0})
        self.assertNotIn("candidate", bob.log())

    @needs_namespaces
    def test_direct_on_is_seen_by_the_same_counters(self):
        relay = self.lab.relay()
        host = self.lab.host("alice")
        watch_packets(host, relay.host.address)
        alice = self.lab.daemon("alice", [relay])
        bob = self.lab.daemon("bob", [relay])
        harness.introduce(alice, bob)
        alice.ctl("connect", "bob", "--wait", "direct", "--timeout", "30")
        counted = leaked(host)
        self.assertGreater(counted["udp"], 0)
        self.assertGreater(counted["elsewhere"], 0)


if __name__ == "__main__":
    main()
