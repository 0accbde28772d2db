"""Every kind of network with every other: by relay at once, direct where ICE can, and the reason where not."""
import concurrent.futures
import itertools
import json

import harness
import public
import routers
from world import wait_for

V6 = {"ipv6-only", "dual-stack"}
SYMMETRIC = {"symmetric-random", "symmetric-sequential"}
# Who lets a symmetric NAT's packets in, from a port that nobody could tell beforehand.
OPEN_TO_ANY_PORT = {"none", "full-cone", "address-restricted", "gateway"}
# Pairs of machines that are not made of two kinds: their expected path and, where it is not direct, the reason. Those on
# one LAN or behind one carrier's NAT, and those with a TURN server.
SPECIAL = {"same-lan": ("direct", None), "same-carrier-hairpin": ("direct", None),
           "same-carrier-no-hairpin": ("relay", "no_hairpin"),
           "turn-udp": ("turn", "symmetric_nat"), "turn-tcp": ("turn", "udp_blocked")}
TURN_KINDS = {"turn-udp": ("symmetric-random", "symmetric-sequential"), "turn-tcp": ("udp-blocked", "port-restricted")}

# What is run where there is no time for all: each kind at least twice, each reason to stay on the relay.
PART = [("none", "none"), ("none", "symmetric-random"), ("firewall", "masquerade"), ("firewall", "firewall"),
        ("full-cone", "symmetric-sequential"), ("full-cone", "udp-blocked"), ("address-restricted", "port-restricted"),
        ("address-restricted", "symmetric-random"), ("port-restricted", "port-restricted"),
        ("port-restricted", "symmetric-sequential"), ("masquerade", "masquerade"), ("masquerade", "carrier"),
        ("symmetric-random", "symmetric-random"), ("carrier", "carrier"), ("ipv6-only", "ipv6-only"),
        ("ipv6-only", "dual-stack"), ("ipv6-only", "masquerade"), ("dual-stack", "dual-stack"), ("dual-stack", "none"),
        ("mtu-1300", "masquerade"), ("mtu-1300", "mtu-1300"), ("gateway", "symmetric-random"), ("gateway", "gateway"),
        *((name,) for name in SPECIAL)]


# A late pair is connected again so often, alone, before it is called slow: three at a time make each other wait.
SECOND_CHANCES = 2


def all_pairs():
    return list(itertools.combinations_with_replacement(routers.KINDS, 2)) + [(name,) for name in SPECIAL]


def expected(pair):
    """What ICE with a STUN server, and what a gateway maps, can do between these two."""
    if len(pair) == 1:
        return SPECIAL[pair[0]][0]
    one, other = pair
    if "udp-blocked" in pair:
        return "relay"
    if one in V6 and other in V6:
        return "direct"
    if "ipv6-only" in pair:
        return "relay"
    for symmetric, opposite in ((one, other), (other, one)):
        if symmetric in SYMMETRIC and opposite not in OPEN_TO_ANY_PORT:
            return "relay"
    return "direct"


def expected_reason(pair):
    """Why a pair is not direct."""
    if len(pair) == 1:
        return SPECIAL[pair[0]][1]
    if expected(pair) == "direct":
        return None
    if "udp-blocked" in pair:
        return "udp_blocked"
    if "ipv6-only" in pair:
        return "no_candidates"
    return "symmetric_nat"


class Rooms:
    """Two machines of each kind, made when first wanted; the pairs with one NAT have their own two."""

    def __init__(self, net):
        self.net, self.places, self.machines, self.arguments = net, {}, {}, {}

    def prepare(self, pairs, rtt_ms):
        """The two machines of each pair, every network proven, and then every two sites as far from each other as wanted."""
        names = [self.names(pair) for pair in pairs]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda place: routers.prove(place, self.net.relay), self.places.values()))
        if rtt_ms:
            for link in self.net.links.values():
                link.impair(delay_ms=rtt_ms / 4)  # a round trip goes over two links, there and back
        self.machines = {name: self.net.settle(place, arguments=self.arguments.get(name, ()))
                         for name, place in self.places.items()}
        return [tuple(self.machines[name] for name in two) for two in names]

    def names(self, pair):
        """Builds the places where they are not there yet."""
        if len(pair) == 1:
            two = f"{pair[0]}-a", f"{pair[0]}-b"
            self.places |= zip(two, self.turn(two, pair[0]) if pair[0] in TURN_KINDS else self.together(pair[0]))
            return two
        two = f"{pair[0]}-a", f"{pair[1]}-b"
        for name, kind in zip(two, pair):
            if name not in self.places:
                self.places[name] = routers.place(self.net, kind, name)
        return two

    def turn(self, two, name):
        # Nothing but TCP to port 443 gets out of some networks.
        tcp = name == "turn-tcp"
        address = public.coturn(self.net, f"{name}-coturn", 443 if tcp else 3478)
        options = public.turn_options(self.net, f"turn:{address}:443?transport=tcp" if tcp else f"turn:{address}:3478")
        self.arguments |= {machine: options for machine in two}
        return [routers.place(self.net, kind, machine) for kind, machine in zip(TURN_KINDS[name], two)]

    def together(self, name):
        net = self.net
        if name == "same-lan":
            first = routers.place(net, "masquerade", f"{name}-a")
            host = routers.lan_host(net, f"{name}-b", first.routers[0], "192.168.1.2", "192.168.1.1")
            places = first, routers.Place(first.kind, host, first.link, first.public, first.routers)
        else:
            hairpin = ["--hairpin"] if name == "same-carrier-hairpin" else []
            carrier = routers.open_carrier(net, name, *routers.CARRIER, *hairpin)
            places = tuple(routers.customer(net, f"{name}-{side}", carrier) for side in "ab")
            for place in places:
                place.kind = "carrier"
        return places


def types(status):
    """"host - srflx": the selected pair by its candidates' types."""
    ends = [status["local_candidate"], status["remote_candidate"]]
    return " - ".join(end.split()[0] for end in ends) if all(ends) else None


def settled(status, path, reason):
    """Where it is not to be direct, it is settled when the reason is the exact one; until then both networks are checked."""
    if status["path"] == "direct":
        return True
    return reason is not None and (status["path"], status["why_not_direct"]) == (path, reason)


def deliver(sender, receiver, sender_id, receiver_id, text):
    sender("message.send", peer=receiver_id, text=text)
    wait_for(lambda: receiver("message.list", peer=sender_id)["messages"],
             lambda found: text in [message["text"] for message in found], f"the message '{text}'")


def run_pair(pair, one, other):
    """Connects two machines and reports what became of it; the same dictionary as in the JSON output."""
    reason = expected_reason(pair)
    path = expected(pair)
    result = {"pair": list(pair), "expected": path, "expected_reason": reason}
    a, b = one.api(), other.api()
    ids = [api("daemon.hello")["peer_id"] for api in (a, b)]
    try:
        a("peer.add", name=other.name, id=ids[1])
        b("peer.add", name=one.name, id=ids[0])
        result["to_relay_ms"] = a("peer.connect", peer=ids[1], wait="relay", timeout_ms=20_000)["to_relay_ms"]
        views = [wait_for(lambda: api("peer.status", peer=peer), lambda status: settled(status, path, reason),
                          f"{one.name} and {other.name} to settle") for api, peer in ((a, ids[1]), (b, ids[0]))]
        deliver(a, b, *ids, "there")
        deliver(b, a, *ids[::-1], "and back")
        result["path"] = views[0]["path"] if views[0]["path"] == views[1]["path"] else "differs"
        result["to_direct_ms"] = views[0]["to_direct_ms"]
        result["types"] = types(views[0])
        result["why_not_direct"] = [view["why_not_direct"] for view in views]
    except harness.Failed as failure:
        result |= {"path": "failed", "failure": str(failure)}
    finally:
        for api, peer in ((a, ids[1]), (b, ids[0])):
            api("peer.remove", peer=peer)
            api.close()
    return result


def longest_to_direct(rtt_ms):
    """What a pair may take from the dial to the direct path, in ms."""
    return 5 * rtt_ms + 100 if rtt_ms else 200


def late(result, rtt_ms):
    return result["path"] == "direct" and result["to_direct_ms"] > longest_to_direct(rtt_ms)


def run(net, pairs, at_a_time, report=lambda result: None, rtt_ms=0, judged=False):
    """Where times are judged, a late pair is connected again by itself, and its best time counts."""
    machines = Rooms(net).prepare(pairs, rtt_ms)
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        futures = [pool.submit(run_pair, pair, *two) for pair, two in zip(pairs, machines)]
        for future in futures:
            report(future.result())
    results = [future.result() for future in futures]
    for number, (pair, two) in enumerate(zip(pairs, machines)):
        for _ in range(SECOND_CHANCES if judged else 0):
            if not late(results[number], rtt_ms):
                break
            again = run_pair(pair, *two)
            report(again)
            if again["path"] != again["expected"] or again["to_direct_ms"] < results[number]["to_direct_ms"]:
                results[number] = again
    return results


HEADER = f"{'network':21} {'network':21} {'path':7} {'relay':>9} {'direct':>9}  {'pair':15} why not direct"


def line(result):
    def time(key):
        return f"{result[key]:6.0f} ms" if result.get(key) is not None else ""
    one, other = result["pair"] if len(result["pair"]) == 2 else (result["pair"][0], "")
    why = " / ".join(dict.fromkeys(word for word in result.get("why_not_direct", []) if word))
    wrong = "" if result["path"] == result["expected"] else f"  EXPECTED {result['expected']}: {result.get('failure', '')}"
    return (f"{one:21} {other:21} {result['path']:7} {time('to_relay_ms'):>9} {time('to_direct_ms'):>9}  "
            f"{result.get('types') or '':15} {why}{wrong}")


def as_json(results):
    return json.dumps({"pairs": results}, indent=1)
