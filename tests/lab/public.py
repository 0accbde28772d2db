"""Servers on hosts of their own on the public segment."""
import servers

TURN_SECRET = "a-secret-of-the-lab"


def public_host(net, name):
    address = f"198.51.100.{net.site()}"
    host = net.node(name, address)
    net.link(host, [address])
    return host


def coturn(net, name, port):
    """The address of a TURN server."""
    host = public_host(net, name)
    servers.coturn(net, host, "use-auth-secret", f"static-auth-secret={TURN_SECRET}", port=port)
    return host.address


def turn_options(net, uri):
    """What a daemon is started with to use it."""
    secret = net.folder / "turn-secret"
    secret.write_text(TURN_SECRET + "\n")
    secret.chmod(0o600)
    return ["--turn", uri, "--turn-secret-file", str(secret)]


def socks(net, name, names=()):
    """The URL of a proxy. `names`: a name and its address that only the proxy knows."""
    host = public_host(net, name)
    servers.microsocks(net, host, 1080, names=names)
    return f"socks5://{host.address}:1080"
