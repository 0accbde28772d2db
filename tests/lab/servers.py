"""Programs that are not ours on the lab's machines: a gateway's miniupnpd, a TURN server, a proxy."""
import harness

# Mapping of a symmetric NAT; what miniupnpd opens is let in from anywhere.
GATEWAY = """
table inet gateway {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan" accept
    jump miniupnpd
  }
  chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
  chain postrouting {
    type nat hook postrouting priority 100;
    jump postrouting_miniupnpd
    oifname "wan" masquerade fully-random
  }
}
"""

MINIUPNPD = """
ext_ifname=wan
ext_ip={outside}
listening_ip=lan
enable_upnp=yes
enable_natpmp=yes
secure_mode=yes
min_lifetime=120
max_lifetime=86400
uuid=6a0b7ce4-0d3c-4bd3-9f0a-3f4a8c1d2e01
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
upnp_table_name=gateway
upnp_nat_table_name=gateway
lease_file={folder}/leases
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""

COTURN = """
listening-port={port}
listening-ip={address}
relay-ip={address}
realm=lab.test
fingerprint
no-tls
no-dtls
no-cli
no-multicast-peers
min-port=50000
max-port=51000
log-file=stdout
simple-log
use-auth-secret
static-auth-secret={secret}
userdb={folder}/turndb
pidfile={folder}/turn.pid
"""

TURN_SECRET = "a-secret-of-the-lab"


class Server(harness.Process):
    """Ends by the lab's signal, whatever status that gives it."""

    def __init__(self, net, host, name, command, port, transport):
        super().__init__(net, host, name)
        self.spawn([word.replace("FOLDER", str(self.state)) for word in command])
        harness.until(lambda: self.listens(port, transport), f"{command[0]} to listen")

    def listens(self, port, transport):
        if self.process.poll() is not None:
            raise harness.Failed(f"{self.name} ended with status {self.process.returncode}:\n{self.log()}")
        return f":{port} " in self.host.run("ss", "-Hln", f"--{transport}").stdout

    def stop(self):
        self.kill()
        return 0


def configured(net, name, text, **values):
    """A configuration file in the folder of a server to be."""
    folder = net.folder / name
    folder.mkdir(mode=0o700)
    file = folder / "conf"
    file.write_text(text.format(folder=folder, **values))
    return str(file)


def miniupnpd(net, router, outside):
    name = f"{router.name}-upnp"
    conf = configured(net, name, MINIUPNPD, outside=outside)
    return Server(net, router, name, ["miniupnpd", "-d", "-f", conf, "-P", "FOLDER/pid"], 5351, "udp")


def public_host(net, name):
    address = f"198.51.100.{net.site()}"
    host = net.node(name, address)
    net.link(host, [address])
    return host


def coturn(net, name, port):
    """A TURN server of its own on the public segment; its address."""
    host = public_host(net, name)
    conf = configured(net, f"{name}-server", COTURN, address=host.address, port=port, secret=TURN_SECRET)
    Server(net, host, f"{name}-server", ["turnserver", "-c", conf], port, "tcp")
    return host.address


def turn_options(net, uri):
    """What a daemon is started with to use it."""
    secret = net.folder / "turn-secret"
    secret.write_text(TURN_SECRET + "\n")
    secret.chmod(0o600)
    return ["--turn", uri, "--turn-secret-file", str(secret)]


def socks(net, name):
    host = public_host(net, name)
    Server(net, host, f"{name}-server", ["microsocks", "-i", host.address, "-p", "1080"], 1080, "tcp")
    return f"socks5://{host.address}:1080"
