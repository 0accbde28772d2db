#include "daemon/api_document.hpp"

namespace p2pd::daemon {
namespace {

constexpr ipc::NamedShape kShapes[] = {
    {"PeerId", R"({"type":"string","pattern":"^[a-z2-7]{52}$"})",
     "a peer's whole public key in lower-case base32"},
    {"Id", R"({"type":"string","pattern":"^[0-9a-f]{32}$"})",
     "of a message or a transfer, the same at both ends"},
    {"Time",
     R"({"type":"string","pattern":"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3}Z$"})",
     "RFC 3339, UTC, with milliseconds"},
    {"Share", R"({"type":"number","minimum":0,"maximum":1})", "a part of a whole"},
    {"Tier", "read|operate|admin", "what a client may do; each includes those before it"},
    {"Path", "relay|direct|turn", "which way datagrams travel"},
    {"WhyNotDirect",
     "in_progress|disabled|peer_disabled|proxy|udp_blocked|no_candidates|checks_failed|symmetric_nat|no_"
     "hairpin|"
     "path_flapping|cooldown",
     "why the path is not direct"},
    {"Topic", "daemon|relay|peer|message|file|service|net", "of events"},
    {"LogLevel", "error|warn|info|debug", "how severe"},
    {"Relay",
     "{ url: string|null, state: online|connecting|offline, rtt_ms: number|null, configured?: boolean, "
     "home?: boolean, "
     "error?: string|null }",
     "a relay session; configured, home and error are missing where there is none at all"},
    {"PortMapping",
     "{ state: off|finding|none|mapping, protocol: string|null, gateway: string|null, external: string|null, "
     "mappings: count, reached: boolean|null, error: string|null }",
     "what the gateway does for peers"},
    {"Peer",
     "{ id: PeerId, name: string, relays: [string], direct: on|off, files: accept|refuse, wanted: boolean }",
     "an entry of the address book"},
    {"PathBytes",
     "{ relay_tx: count, relay_rx: count, direct_tx: count, direct_rx: count, turn_tx: count, turn_rx: count "
     "}",
     "bytes of QUIC datagrams by the path they took"},
    {"Quality",
     "{ rtt_ms: number|null, jitter_ms: number|null, loss: Share|null, packets_sent: count, packets_lost: "
     "count, "
     "delivery_rate: count|null, switches: count, time_ms: { direct: count, turn: count, relay: count }, "
     "bytes?: PathBytes }",
     "of a connection; delivery_rate in bytes a second"},
    {"PeerStatus",
     "{ id: PeerId, name: string, relays: [string], direct: on|off, files: accept|refuse, wanted: boolean, "
     "state: idle|dialing|established|backoff, path: Path|null, why_not_direct: WhyNotDirect|null, rtt_ms: "
     "number|null, "
     "local_candidate: string|null, remote_candidate: string|null, to_relay_ms: number|null, to_direct_ms: "
     "number|null, "
     "bytes: PathBytes, switches: count, quality: Quality|null, connection: string|null, last_error: "
     "string|null, "
     "presence: here|gone|unavailable|unknown, outbox: count }",
     "an entry of the address book and its connection"},
    {"Candidate",
     "{ side: local|remote, type: string, address: string, generation?: count, state: string, reason: "
     "string|null }",
     "an address that was found, sent, received or refused"},
    {"Attempt",
     "{ id: string, started: Time, ended: Time|null, outcome: string|null, reason: string|null, to_relay_ms: "
     "count|null, "
     "to_direct_ms: count|null, candidates: [Candidate], paths: [{ at: Time, path: string, from: "
     "string|null, "
     "to: string, why_not_direct: string|null, reason: string|null, local_candidate: string|null, "
     "remote_candidate: string|null }], quality: Quality|null }",
     "an attempt to connect, and what became of it"},
    {"Invitation",
     "{ id: string, name: string|null, state: open|used|revoked|expired, created: Time, expires: Time, used: "
     "Time|null, "
     "peer: PeerId|null, peer_name: string|null }",
     "an invitation without its secret"},
    {"Message",
     "{ cursor: count, id: Id, peer: PeerId, name: string|null, sequence: count, sent: Time, received: Time, "
     "content_type: string, reply_to: Id|null, text?: string, data_base64?: string }",
     "a received message, with its body as text or else in base64"},
    {"WaitingMessage",
     "{ id: Id, peer: PeerId, name: string|null, sequence: count, created: Time, size: count, content_type: "
     "string, "
     "reply_to: Id|null }",
     "a message that is not delivered yet"},
    {"Transfer",
     "{ id: Id, direction: out|in, peer: PeerId, name: string|null, file: string, size: count, bytes: count, "
     "state: waiting|needs_file|checking|active|storing|done|failed|cancelled, reason: string|null, "
     "explanation?: string, rate: count|null, left_ms: count|null, created: Time, ended: Time|null, "
     "stored_as: string|null, path?: string|null }",
     "a file on its way or arrived"},
    {"NetFamily",
     "{ address: boolean|null, udp: boolean|null, outside: string|null, nat: string, "
     "mapping: none|endpoint_independent|address_dependent|address_and_port_dependent|null, "
     "filtering: endpoint_independent|address_dependent|address_and_port_dependent|null, "
     "port_preservation: boolean|null, allocation: preserving|sequential|random|null, allocation_step: "
     "integer|null, "
     "hairpin: boolean|null, path_mtu: count|null }",
     "what the network does with IPv4 or IPv6"},
    {"NetSide",
     "{ direct: boolean, udp: boolean|null, ipv4: NetFamily, ipv6: NetFamily, candidates: [Candidate] }",
     "the network at one end"},
    {"Status",
     "{ peer_id: PeerId, version: string, relay: Relay, relays: [Relay], port_mapping: PortMapping, peers: "
     "[PeerStatus], "
     "files?: [Transfer] }",
     "of the daemon; files are in snapshots for who subscribed to the topic file"},
    {"NetReport",
     "{ at: Time, took_ms: number, direct: boolean, udp: boolean|null, note: string|null, ipv4: NetFamily, "
     "ipv6: NetFamily, stun: [{ server: string, rtt_ms: number|null, outside: string|null, behaviour: "
     "boolean }], turn: [{ server: string, transport: udp|tcp, allocated: boolean, took_ms: number|null, "
     "relayed: string|null, error: string|null }], "
     "relays: [Relay], port_mapping: PortMapping }",
     "what the network does; null is what is not known"},
    {"Service",
     "{ service: string, target: string|null, allow: [{ id: PeerId, name: string }]|null, listening: count, "
     "streams: count }",
     "what peers may use; target and allow are null where programs listen"},
    {"Stream", "{ stream: count, peer: PeerId, name: string, service: string }", "an open stream"},
    {"Event", "{ subscription: count, seq: 1.., time: Time, topic: Topic, type: string }",
     "the parameters of the notification `event`; further keys by topic and type"},
};

constexpr ipc::EventShape kEvents[] = {
    {"daemon", "snapshot", "Status", "first, on any subscription"},
    {"daemon", "reloaded", "{ changed: [string], needs_restart: [string] }",
     "the configuration was taken over"},
    {"daemon", "overflow", "{}", "last, when the client was too slow"},
    {"relay", "state", "{ url: string, state: online|connecting|offline, reason: string|null }",
     "a relay session came or went"},
    {"relay", "home", "{ url: string }", "another relay is home now"},
    {"net", "report", "NetReport", "the network was checked"},
    {"net", "port_mapping", "PortMapping", "the gateway's port mapping changed"},
    {"net", "changed", "{ what: string }", "this machine's network changed"},
    {"peer", "state", "{ id: PeerId, name: string, state: idle|dialing|established|backoff, reason: string }",
     "a peer's state changed"},
    {"peer", "path",
     "{ id: PeerId, name: string, from: Path, to: Path, why_not_direct: WhyNotDirect|null, reason: string, "
     "merged?: 2.. }",
     "datagrams to a peer take another path"},
    {"peer", "why_not_direct", "{ id: PeerId, name: string, why_not_direct: WhyNotDirect|null }",
     "the reason of peer.status is another one; null when the path is direct"},
    {"peer", "quality",
     "{ id: PeerId, name: string, path: Path, bytes: PathBytes, rtt_ms: number|null, jitter_ms: number|null, "
     "loss: Share|null, packets_sent: count, packets_lost: count, delivery_rate: count|null, switches: "
     "count, "
     "time_ms: { direct: count, turn: count, relay: count } }",
     "each second, of each connected peer"},
    {"peer", "paired", "{ id: PeerId, name: string, invitation: string }", "an invitation was taken up"},
    {"peer", "candidate",
     "{ id: PeerId, name: string, side: local|remote, generation: count, candidate: string, state: string, "
     "reason: string|null }",
     "an address was found, sent, received or refused"},
    {"message", "delivered", "{ id: Id, peer: PeerId, name: string, sequence: count, up_to: count }",
     "the peer has the message safely on disk"},
    {"message", "received", "{ peer: PeerId, name: string, count: 1.., cursor: count, up_to: count }",
     "messages came in"},
    {"file", "added", "Transfer", "a transfer was begun here or by the peer"},
    {"file", "progress", "Transfer", "it went on"},
    {"file", "done", "Transfer", "it is over"},
    {"file", "failed", "Transfer", "it is over"},
    {"file", "cancelled", "Transfer", "it is over"},
    {"service", "exposed", "{ service: string, target: string, allow: [PeerId] }",
     "a service was exposed, or changed"},
    {"service", "unexposed", "{ service: string }", "it is no more"},
    {"service", "opened",
     "{ stream: count, peer: PeerId, name: string|null, service: string, direction: in|out }",
     "a stream is open"},
    {"service", "closed",
     "{ stream: count, peer: PeerId, name: string|null, service: string, direction: in|out, reason: string, "
     "sent: count, received: count }",
     "it is over"},
    {"service", "refused",
     "{ stream: count, peer: PeerId, name: string|null, service: string, direction: in|out, reason: string, "
     "sent: count, received: count }",
     "it did not open"},
};

}  // namespace

std::span<const ipc::EventShape> api_events() { return kEvents; }
std::span<const ipc::NamedShape> api_shapes() { return kShapes; }

}  // namespace p2pd::daemon
