"""Programs that are not ours, on hosts of a test: a gateway's miniupnpd, a TURN server, a proxy."""
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
enable_upnp={upnp}
enable_natpmp={natpmp}
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
realm=p2pd.test
fingerprint
no-tls
no-dtls
no-cli
no-multicast-peers
min-port=50000
max-port=51000
log-file=stdout
simple-log
userdb={folder}/turndb
pidfile={folder}/turn.pid
"""

class Server(harness.Process):
    """Listens when it is made, on all of `ports` ("tcp/1080"). Ends by the lab's signal, whatever status that gives it."""

    def __init__(self, lab, host, name, command, *ports):
        super().__init__(lab, host, name)
        self.ports = ports
        self.spawn([word.replace("FOLDER", str(self.state)) for word in command])
        harness.until(self.listens, f"{command[0]} to listen")

    def listens(self):
        if self.process.poll() is not None:
            raise harness.Failed(f"{self.name} ended with status {self.process.returncode}:\n{self.log()}")
        shown = {transport: self.host.run("ss", "-Hln", f"--{transport}").stdout for transport in ("tcp", "udp")}
        return all(f":{number} " in shown[transport] for transport, number in (port.split("/") for port in self.ports))

    def stop(self):
        self.kill()
        return 0


def seeing(folder, files, command):
    """The command sees these texts in place of files in /etc; nobody else does."""
    script = ""
    for name, text in files.items():
        (folder / name).write_text(text)
        script += f"mount --bind '{folder / name}' '/etc/{name}' && "
    return ["unshare", "-m", "sh", "-c", script + 'exec "$@"', "sh", *command]


def knowing(folder, name, address, command):
    """The command finds the name; nobody else does."""
    return seeing(folder, {"hosts": f"127.0.0.1 localhost\n{address} {name}\n"}, command)


def configured(lab, name, text, **values):
    """A configuration file in the folder of a server to be."""
    folder = lab.folder / name
    folder.mkdir(mode=0o700)
    file = folder / "conf"
    file.write_text(text.format(folder=folder, **values))
    return str(file)


def miniupnpd(lab, router, outside, upnp=True, natpmp=True):
    """On a router with the rules of GATEWAY, its interfaces called `lan` and `wan`. `natpmp` is PCP too."""
    name = f"{router.name}-upnp"
    word = {True: "yes", False: "no"}
    conf = configured(lab, name, MINIUPNPD, outside=outside, upnp=word[upnp], natpmp=word[natpmp])
    ports = [port for port, on in (("udp/1900", upnp), ("udp/5351", natpmp)) if on]
    return Server(lab, router, name, ["miniupnpd", "-d", "-f", conf, "-P", "FOLDER/pid"], *ports)


def coturn(lab, host, *lines, port=3478):
    """`lines` of its configuration say who may use it."""
    name = f"{host.name}-server"
    conf = configured(lab, name, COTURN + "\n".join(lines) + "\n", address=host.address, port=port)
    return Server(lab, host, name, ["turnserver", "-c", conf], f"tcp/{port}")


def microsocks(lab, host, port, *arguments, names=()):
    """`names`: a name and its address that only this proxy knows."""
    command = ["microsocks", "-i", host.address, "-p", str(port), *arguments]
    if names:
        command = knowing(lab.folder, *names, command)
    return Server(lab, host, f"{host.name}-server", command, f"tcp/{port}")
