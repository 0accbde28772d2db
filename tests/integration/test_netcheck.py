"""The network check against real NATs: nftables on a router between the daemon and two-address STUN servers."""
from case import LabCase, main, needs_namespaces


class Netcheck(LabCase):
    def behind(self, relay, nat, forward=""):
        return self.lab.daemon(self.place_behind("inside", "router", nat, forward).name, [relay])

    def check(self, daemon):
        report = daemon.json("netcheck")
        self.assertTrue(report["direct"])
        return report, report["ipv4"]

    def test_without_a_nat(self):
        relay = self.stun_relay()
        report, ipv4 = self.check(self.lab.daemon("alice", [relay]))
        self.assertTrue(report["udp"])
        self.assertEqual((ipv4["nat"], ipv4["mapping"], ipv4["filtering"]), ("none", "none", "endpoint_independent"))
        self.assertEqual((ipv4["allocation"], ipv4["port_preservation"]), ("preserving", True))
        self.assertTrue(ipv4["outside"].startswith(self.lab.host("alice").address + ":"))
        self.assertIsNone(ipv4["hairpin"])
        self.assertEqual([server["behaviour"] for server in report["stun"]], [True])
        self.assertTrue(report["relays"][0]["home"])
        self.assertIsNone(report["note"])

    def test_the_table_says_it_in_words(self):
        daemon = self.lab.daemon("alice", [self.stun_relay()])
        shown = daemon.ctl("netcheck").stdout
        for words in ("UDP gets out", "endpoint independent", "preserving", "home"):
            self.assertIn(words, shown)

    @needs_namespaces
    def test_masquerade_keeps_ports_and_filters_by_address_and_port(self):
        relay = self.stun_relay()
        _, ipv4 = self.check(self.behind(relay, "masquerade"))
        self.assertEqual((ipv4["nat"], ipv4["mapping"], ipv4["filtering"]),
                         ("port_restricted", "endpoint_independent", "address_and_port_dependent"))
        self.assertEqual(ipv4["allocation"], "preserving")
        self.assertTrue(ipv4["outside"].startswith(self.lab.host("router").address + ":"))
        self.assertFalse(ipv4["hairpin"])

    @needs_namespaces
    def test_random_masquerade_is_symmetric(self):
        relay = self.stun_relay()
        _, ipv4 = self.check(self.behind(relay, "masquerade random"))
        self.assertEqual((ipv4["nat"], ipv4["mapping"], ipv4["filtering"]),
                         ("symmetric", "address_and_port_dependent", "address_and_port_dependent"))
        self.assertEqual((ipv4["allocation"], ipv4["port_preservation"]), ("random", False))

    @needs_namespaces
    def test_a_firewall_that_lets_no_udp_through(self):
        relay = self.stun_relay()
        daemon = self.behind(relay, "masquerade", forward="meta l4proto udp drop; ")
        report, ipv4 = self.check(daemon)
        self.assertFalse(report["udp"])
        self.assertEqual((ipv4["nat"], ipv4["mapping"]), ("udp_blocked", None))
        self.assertIn("no UDP", report["note"])
        self.assertEqual(report["relays"][0]["state"], "online")

    @needs_namespaces
    def test_a_narrow_path_without_icmp(self):
        relay = self.stun_relay()
        daemon = self.behind(relay, "masquerade", forward="meta length > 1400 meta l4proto udp drop; ")
        _, ipv4 = self.check(daemon)
        self.assertEqual(ipv4["path_mtu"], 1400)

    @needs_namespaces
    def test_the_full_size_of_ethernet(self):
        _, ipv4 = self.check(self.lab.daemon("alice", [self.stun_relay()]))
        self.assertEqual(ipv4["path_mtu"], 1500)

    def test_with_direct_off_it_says_so(self):
        daemon = self.lab.daemon("alice", [self.stun_relay()], arguments=["--direct", "off"])
        if not self.lab.loopback:
            daemon.host.run("nft", "table inet count { chain out { type filter hook output priority 0; "
                                   "meta l4proto udp counter; }; }")
        report = daemon.json("netcheck")
        self.assertFalse(report["direct"])
        self.assertIsNone(report["udp"])
        self.assertIn("not one UDP packet", report["note"])
        self.assertIn("not one UDP packet", daemon.ctl("netcheck").stdout)
        if not self.lab.loopback:
            self.assertIn("packets 0", daemon.host.run("nft", "list", "table", "inet", "count").stdout)

    def test_a_server_with_one_address_leaves_the_filter_unknown(self):
        report, ipv4 = self.check(self.lab.daemon("alice", [self.lab.relay()]))
        self.assertEqual((ipv4["mapping"], ipv4["filtering"]), ("none", None))
        self.assertIn("second address", report["note"])

    def test_no_server_at_all(self):
        daemon = self.lab.daemon("alice", [])
        report = daemon.json("netcheck")
        self.assertIsNone(report["udp"])
        self.assertIn("no STUN server is known", report["note"])

    def test_a_wrong_age_is_refused(self):
        daemon = self.lab.daemon("alice", [])
        self.says_no(daemon, 1, "max_age_ms", "call", "net.report", '{"max_age_ms": -1}')


if __name__ == "__main__":
    main()
