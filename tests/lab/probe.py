#!/usr/bin/env python3
"""What a NAT does, asked from behind it: NAT behaviour discovery (RFC 5780) against a STUN server with two addresses.

usage: probe.py ADDRESS PORT     prints one JSON object

    udp        whether the server answered at all
    nat        whether the mapped address is another than the local one
    mapping    endpoint, address, port: what another destination must share to see the same mapped address (RFC 4787 4.1)
    filtering  endpoint, address, port: from whom packets are let in (RFC 4787 5)
    ports      preserved, sequential, random: how mapped ports are chosen
    hairpin    whether a packet to the mapped address of another socket here comes back (RFC 4787 6)

Written apart from the daemon's own STUN code, so that one cannot hide the other's mistakes.
"""
import ipaddress
import json
import os
import socket
import struct
import sys

COOKIE = 0x2112A442
BINDING, RESPONSE = 0x0001, 0x0101
CHANGE_REQUEST, MAPPED, XOR_MAPPED, OTHER_ADDRESS = 0x0003, 0x0001, 0x0020, 0x802C
CHANGE_ADDRESS, CHANGE_PORT = 4, 2
# How long an answer may take before it counts as filtered, and how often it is asked for. A busy machine answers late, so
# what must come is waited for longer than what is expected not to.
PATIENCE, TRIES = 0.5, 4


def read_address(kind, value, transaction):
    family, port = value[1], struct.unpack(">H", value[2:4])[0]
    raw = value[4:8] if family == 1 else value[4:20]
    if kind == XOR_MAPPED:
        port ^= COOKIE >> 16
        key = struct.pack(">I", COOKIE) + transaction
        raw = bytes(a ^ b for a, b in zip(raw, key))
    return str(ipaddress.ip_address(raw)), port


def parse(datagram, transaction):
    """The addresses in a response to this transaction, by attribute; None for anything else."""
    if len(datagram) < 20:
        return None
    kind, length, cookie = struct.unpack(">HHI", datagram[:8])
    if kind != RESPONSE or cookie != COOKIE or datagram[8:20] != transaction:
        return None
    found, at = {}, 20
    while at + 4 <= min(len(datagram), 20 + length):
        attribute, size = struct.unpack(">HH", datagram[at:at + 4])
        if attribute in (MAPPED, XOR_MAPPED, OTHER_ADDRESS):
            found[attribute] = read_address(attribute, datagram[at + 4:at + 4 + size], transaction)
        at += 4 + (size + 3) // 4 * 4
    return found


def ask(sock, server, change=0):
    """One Binding transaction; the addresses of the response, or None when none comes."""
    transaction = os.urandom(12)
    attributes = struct.pack(">HHI", CHANGE_REQUEST, 4, change) if change else b""
    request = struct.pack(">HHI", BINDING, len(attributes), COOKIE) + transaction + attributes
    for _ in range(TRIES):
        try:
            sock.sendto(request, server)
        except OSError:
            return None
        sock.settimeout(PATIENCE)
        try:
            while True:
                found = parse(sock.recv(2048), transaction)
                if found:
                    return found
        except (TimeoutError, socket.timeout):
            continue
        except OSError:
            return None
    return None


def mapped_by(sock, server):
    found = ask(sock, server)
    return found and (found.get(XOR_MAPPED) or found.get(MAPPED))


def open_socket(server):
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    # Bound to the address that leads there, so that it can be compared with the mapped one.
    probe = socket.socket(family, socket.SOCK_DGRAM)
    probe.connect(server)
    sock.bind((probe.getsockname()[0], 0))
    probe.close()
    return sock


def mapping_of(sock, server, first, other):
    """RFC 5780 4.3: asked from one socket at the other address, then at its other port."""
    second = mapped_by(sock, (other[0], server[1]))
    if second is None or second == first:
        return "endpoint" if second else None
    third = mapped_by(sock, other)
    return "address" if third == second else "port"


def filtering_of(server):
    """RFC 5780 4.4, from a socket that has spoken to no one else."""
    with open_socket(server) as sock:
        if ask(sock, server) is None:
            return None
        if ask(sock, server, CHANGE_ADDRESS | CHANGE_PORT):
            return "endpoint"
        return "address" if ask(sock, server, CHANGE_PORT) else "port"


def ports_of(server, other):
    """From the ports that several sockets and destinations get, each of which asks for a mapping of its own."""
    preserved, seen = True, []
    for _ in range(4):
        with open_socket(server) as sock:
            for target in (server, other):
                mapped = mapped_by(sock, target)
                if mapped is None:
                    return None
                preserved = preserved and mapped[1] == sock.getsockname()[1]
                if mapped[1] not in seen:
                    seen.append(mapped[1])
    if preserved:
        return "preserved"
    steps = [later - earlier for earlier, later in zip(seen, seen[1:])]
    return "sequential" if all(0 < step <= 8 for step in steps) else "random"


def hairpin_of(server):
    with open_socket(server) as one, open_socket(server) as other:
        target = mapped_by(one, server)
        source = mapped_by(other, server)
        if target is None or source is None:
            return None
        # Where filtering wants it, the socket has sent to where the packet will come from.
        one.sendto(b"open", source)
        one.settimeout(PATIENCE)
        token = os.urandom(8)
        for _ in range(TRIES):
            other.sendto(token, target)
            try:
                while one.recv(2048) != token:
                    pass
                return True
            except OSError:
                continue
        return False


def probe(server):
    with open_socket(server) as sock:
        local = sock.getsockname()[:2]
        found = ask(sock, server)
        if found is None:
            return {"udp": False}
        mapped, other = found.get(XOR_MAPPED) or found[MAPPED], found.get(OTHER_ADDRESS)
        result = {"udp": True, "nat": mapped != local, "local": list(local), "mapped": list(mapped)}
        if other is None:
            return result
        result["mapping"] = mapping_of(sock, server, mapped, other)
    result["filtering"] = filtering_of(server)
    result["ports"] = ports_of(server, other)
    result["hairpin"] = hairpin_of(server)
    return result


if __name__ == "__main__":
    print(json.dumps(probe((sys.argv[1], int(sys.argv[2])))))
