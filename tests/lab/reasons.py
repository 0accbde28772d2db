"""Why a connection is not direct: for each word of the closed list a network that makes it so. Status, doctor and the event
must all say that word."""
import json
import threading

import harness
import public
import routers
from world import Api, wait_for


class Events(Api):
    """The words of the peer's `why_not_direct` events, from now on."""

    def __init__(self, path):
        super().__init__(path)
        self("events.subscribe", topics=["peer"])
        self.words, self.failure = [], None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        try:
            for line in self.lines:
                event = json.loads(line)["params"]
                if event["type"] == "why_not_direct":
                    self.words.append(event["why_not_direct"])
        except (OSError, ValueError) as failure:
            self.failure = failure


class Pair:
    """Two machines that list each other; the first one is asked."""

    def __init__(self, net, name, kinds, options=((), ())):
        self.one, self.other = (net.settle(routers.place(net, kind, f"{name}-{end}"), arguments=arguments)
                                for kind, end, arguments in zip(kinds, "ab", options))
        self.meet()

    def meet(self):
        self.api, self.events = self.one.api(), Events(self.one.socket)
        harness.introduce(self.one, self.other)
        self.peer = self.other.id()

    def connect(self):
        self.api("peer.connect", peer=self.peer, wait="relay", timeout_ms=30_000)

    def status(self):
        return self.api("peer.status", peer=self.peer)

    def says(self, word):
        """The verdict, once status says the word; doctor and the event must say it as well."""
        wait_for(lambda: self.status()["why_not_direct"], lambda why: why == word, f"the status to say {word}")
        found = self.api("peer.diagnose", peer=self.peer)
        if found["why_not_direct"] != word:
            raise harness.Failed(f"status says {word}, doctor {found['why_not_direct']}")
        wait_for(lambda: list(self.events.words), lambda words: word in words, f"the event to say {word}")
        return found["verdict"]


def kinds(*two):
    def build(net, word):
        pair = Pair(net, word, two)
        pair.connect()
        return pair.says(word)
    return build


def options(one=(), other=()):
    def build(net, word):
        pair = Pair(net, word, ("none", "none"), (one, other))
        pair.connect()
        return pair.says(word)
    return build


def apart(net, word):
    """The core lets no UDP pass between the two, and both networks are in order."""
    pair = Pair(net, word, ("none", "none"))
    pair.one.place.link.drop(f"meta l4proto udp ip saddr {pair.other.place.public}")
    return pair


def checks_failed(net, word):
    pair = apart(net, word)
    pair.connect()
    return pair.says(word)


def in_progress(net, word):
    """Switched off and on, ICE begins anew: for some seconds nothing is known. The doctor is asked not to wait."""
    pair = apart(net, word)
    pair.connect()

    def ask():
        for direct in ("off", "on"):
            pair.api("peer.set", peer=pair.peer, direct=direct)
        status = pair.status()["why_not_direct"]
        found = pair.api("peer.diagnose", peer=pair.peer, timeout_ms=0)
        return status, found["why_not_direct"], found["verdict"]
    verdict = wait_for(ask, lambda said: said[:2] == (word, word), f"status and doctor to say {word}", step=1)[2]
    wait_for(lambda: list(pair.events.words), lambda words: word in words, f"the event to say {word}")
    return verdict


def proxy(net, word):
    return options(["--proxy", public.socks(net, f"{word}-server")])(net, word)


def no_hairpin(net, word):
    """Two homes behind one carrier's NAT."""
    carrier = routers.open_carrier(net, word, *routers.CARRIER)
    pair = Pair.__new__(Pair)
    pair.one, pair.other = (net.settle(routers.customer(net, f"{word}-{end}", carrier)) for end in "ab")
    pair.meet()
    pair.connect()
    return pair.says(word)


def breaks(times):
    """The direct path dies and comes back, again and again."""
    def build(net, word):
        pair = Pair(net, word, ("none", "none"))
        link = pair.one.place.link
        pair.connect()
        for number in range(times):
            wait_for(lambda: pair.status()["path"], lambda path: path == "direct", "the direct path")
            link.drop_udp()
            wait_for(lambda: pair.api("peer.ping", peer=pair.peer, timeout_ms=20_000)["path"],
                     lambda path: path == "relay", "the dead path to be left")
            if number + 1 < times:
                link.mend()
        return pair.says(word)
    return build


REASONS = {
    "in_progress": in_progress,
    "disabled": options(["--direct", "off"]),
    "peer_disabled": options((), ["--direct", "off"]),
    "proxy": proxy,
    "udp_blocked": kinds("udp-blocked", "none"),
    "no_candidates": kinds("ipv6-only", "masquerade"),
    "checks_failed": checks_failed,
    "symmetric_nat": kinds("symmetric-random", "port-restricted"),
    "no_hairpin": no_hairpin,
    "path_flapping": breaks(2),
    "cooldown": breaks(3),
}


def show(net, word):
    """{"verdict": the doctor's sentence} or {"failure": a sentence}."""
    try:
        return {"verdict": REASONS[word](net, word)}
    except (harness.Failed, OSError, ValueError) as failure:
        return {"failure": f"{type(failure).__name__}: {failure}"}


def line(word, told):
    return f"{word:15} " + (told["verdict"] if "verdict" in told else f"FAILED: {told['failure']}")
