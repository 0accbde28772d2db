#include "daemon/joining.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.hpp"
#include "daemon/invitation_names.hpp"
#include "peer/knock.hpp"
#include "proto/datagram.hpp"
#include "proto/error.hpp"

namespace p2pd::daemon {
namespace {

using base::PeerId;
using base::Result;
using proto::PairingRefusal;

constexpr std::size_t kMaxJoins = 8;
// Between two tries by one relay, which limits knocks to a few a second.
constexpr auto kPause = std::chrono::milliseconds(500);

base::Error error_of(PairingRefusal reason) {
  switch (reason) {
    case PairingRefusal::used:
      return make_error(ErrorCode::ticket_used,
                        "the ticket was used already: it works once, for one machine; ask for a new one "
                        "(`p2pctl invite` there)");
    case PairingRefusal::revoked:
      return make_error(ErrorCode::ticket_revoked,
                        "the ticket was revoked by who made it; ask for a new one (`p2pctl invite` there)");
    case PairingRefusal::expired:
      return make_error(ErrorCode::ticket_expired,
                        "the ticket has expired, by the clock of who made it; ask for a new one (`p2pctl "
                        "invite` there)");
    case PairingRefusal::no_room:
      break;
  }
  return make_error(ErrorCode::quota,
                    "the other machine lists as many peers as it can; one has to be removed there first");
}

}  // namespace

Joining::Joining(boost::asio::any_io_executor executor, Config config, const AddressBook& book,
                 store::Store& store, PairingRelays& relays)
    : config_(std::move(config)), book_(book), store_(store), relays_(relays), timer_(std::move(executor)) {}

Joining::~Joining() = default;

void Joining::stop() {
  timer_.cancel();
  while (!joins_.empty()) {
    finish(joins_.front().number,
           make_error(ErrorCode::shutting_down, "p2pd is stopping; accept the ticket again later"));
  }
}

// What can be told without asking anybody.
Result<proto::Ticket> Joining::read(std::string_view text) const {
  auto ticket = proto::parse_ticket(text);
  if (!ticket && ticket.error().code == proto::FrameError::version) {
    return make_error(ErrorCode::ticket_altered,
                      "the ticket was made by a newer p2pd; install the newer version here too");
  }
  if (!ticket || canonical_relays(ticket->relays).empty()) {
    return make_error(ErrorCode::ticket_altered,
                      fmt::format("this is not a whole, unchanged ticket ({}); copy all of what `p2pctl "
                                  "invite` printed, and nothing else",
                                  ticket ? "it names no usable relay" : ticket.error().context));
  }
  if (ticket->inviter == config_.identity->id()) {
    return make_error(ErrorCode::own_ticket,
                      "this ticket was made on this very machine; accept it on the other one");
  }
  if (config_.wall() >= ticket->expires) {
    return make_error(
        ErrorCode::ticket_expired,
        fmt::format("the ticket expired at {} (it is {} now, by this machine's clock); ask for a new one",
                    base::to_rfc3339(ticket->expires), base::to_rfc3339(config_.wall())));
  }
  return ticket;
}

void Joining::accept(std::string_view text, const std::string& name, std::chrono::milliseconds timeout,
                     Done done) {
  auto ticket = read(text);
  if (!ticket) return done(ticket.error());
  if (!name.empty()) {
    // Before the ticket is spent on it.
    if (const auto checked = book_.check_name(name, ticket->inviter); !checked) return done(checked.error());
  }
  if (book_.find(ticket->inviter) == nullptr && book_.all().size() >= kMaxPeers) {
    return done(
        make_error(ErrorCode::quota,
                   fmt::format("{} peers are the most one daemon keeps; remove one first", kMaxPeers)));
  }
  if (joins_.size() >= kMaxJoins) {
    return done(make_error(ErrorCode::busy,
                           fmt::format("{} tickets are being accepted already; wait for them", kMaxJoins)));
  }
  Join join;
  join.number = ++last_;
  join.name = name;
  join.timeout = timeout;
  join.ends = config_.now() + timeout;
  join.done = std::move(done);
  for (const std::string& url : canonical_relays(ticket->relays)) join.ways.push_back({url, nullptr, {}});
  join.ticket = std::move(*ticket);
  base::log::info("invitation", "accepting",
                  {{"invitation", invitation_name(join.ticket.id)}, {"inviter", join.ticket.inviter}});
  joins_.push_back(std::move(join));
  std::vector<std::string> urls;
  for (const Way& way : joins_.back().ways) urls.push_back(way.url);
  relays_.visit(PairingRelays::Visit{joins_.back().number}, urls);
  look();
}

void Joining::try_way(Join& join, Way& way) {
  const base::TimePoint now = config_.now();
  const auto relay = relays_.relay_key(way.url);
  if (!relay || now < way.again) return;
  peer::PairingConfig config;
  config.identity = config_.identity;
  config.other = join.ticket.inviter;
  config.own_relays = config_.own_relays();
  config.own_relays.resize(std::min(config.own_relays.size(), proto::kMaxPairingRelays));
  config.send = [this, url = way.url, to = join.ticket.inviter](base::ByteView datagram) {
    (void)relays_.send_by(url, to, datagram);
  };
  auto pairing = peer::Pairing::join(std::move(config), now);
  if (!pairing) {
    base::log::error("invitation", "no handshake could be begun", {{"error", pairing.error().message()}});
    way.again = now + kPause;
    return;
  }
  way.pairing = std::move(*pairing);
  const proto::Knock knock = peer::make_knock(join.ticket.id, join.ticket.secret, way.pairing->first_id(),
                                              {join.ticket.inviter, config_.identity->id(), *relay});
  (void)relays_.knock_by(way.url, join.ticket.inviter, proto::encode(knock));
  way.pairing->start(now);
}

bool Joining::take_datagram(const std::string& url, const PeerId& sender, base::ByteView datagram) {
  const auto waits = [&](const Join& join) { return join.ticket.inviter == sender; };
  if (std::none_of(joins_.begin(), joins_.end(), waits)) return false;
  if (proto::datagram_kind(datagram) != proto::DatagramKind::quic) return false;
  bool taken = false;
  proto::QuicPackets packets(datagram);
  while (const auto packet = packets.next()) {
    const auto header = net::parse_packet_header(*packet);
    if (!header) continue;
    for (Join& join : joins_) {
      if (!waits(join)) continue;
      for (Way& way : join.ways) {
        if (way.url != url || !way.pairing || !way.pairing->owns(header->destination)) continue;
        way.pairing->receive(*packet, config_.now());
        taken = true;
      }
    }
  }
  if (taken) look();
  return taken;
}

std::optional<peer::Pairing::Answer> Joining::answer_of(const Join& join) {
  for (const Way& way : join.ways) {
    if (way.pairing && way.pairing->answered()) return way.pairing->answered();
  }
  return std::nullopt;
}

void Joining::look() {
  const base::TimePoint now = config_.now();
  std::vector<std::pair<std::uint64_t, base::Error>> ended;
  for (Join& join : joins_) {
    if (join.storing) continue;
    for (Way& way : join.ways) {
      if (way.pairing && way.pairing->deadline() <= now) way.pairing->on_time(now);
    }
    if (const auto answer = answer_of(join)) {
      if (const auto* paired = std::get_if<proto::PairingPaired>(&*answer)) {
        keep(join, *paired);
      } else {
        ended.emplace_back(join.number, error_of(std::get<proto::PairingRefused>(*answer).reason));
      }
      continue;
    }
    if (now >= join.ends) {
      ended.emplace_back(join.number, time_over(join));
      continue;
    }
    for (Way& way : join.ways) {
      if (way.pairing && way.pairing->over()) {
        base::log::debug("invitation", "no answer yet",
                         {{"relay", way.url}, {"reason", way.pairing->failure()}});
        way.again = now + kPause;
        way.pairing.reset();
      }
      if (!way.pairing) try_way(join, way);
    }
  }
  for (const auto& [number, error] : ended) finish(number, error);
  arm();
}

void Joining::keep(Join& join, const proto::PairingPaired& paired) {
  join.storing = true;
  const KnownPeer* before = book_.find(join.ticket.inviter);
  KnownPeer peer = before == nullptr ? KnownPeer{} : *before;
  peer.id = join.ticket.inviter;
  if (!join.name.empty()) {
    peer.name = join.name;
  } else if (before == nullptr) {
    peer.name = book_.free_name(default_name(peer.id), peer.id);
  }
  peer.relays = canonical_relays(paired.relays);
  if (peer.relays.empty()) peer.relays = canonical_relays(join.ticket.relays);
  store_.upsert_peer(
      stored_peer(peer), config_.post,
      [this, alive = std::weak_ptr(alive_), number = join.number, peer](const Result<>& stored) {
        if (!alive.expired()) kept(number, peer, stored);
      });
}

void Joining::kept(std::uint64_t number, const KnownPeer& peer, const Result<>& stored) {
  const auto join =
      std::find_if(joins_.begin(), joins_.end(), [number](const Join& one) { return one.number == number; });
  if (stored) config_.paired(peer, join == joins_.end() ? "" : invitation_name(join->ticket.id));
  if (join == joins_.end()) return;
  if (stored) {
    finish(number, peer);
  } else {
    finish(number, stored.error());
  }
  arm();
}

// The sessions stay until then, so that the peer that came of it keeps using them.
void Joining::finish(std::uint64_t number, const Result<KnownPeer>& result) {
  const auto found =
      std::find_if(joins_.begin(), joins_.end(), [number](const Join& one) { return one.number == number; });
  if (found == joins_.end()) return;
  Join join = std::move(*found);
  joins_.erase(found);
  for (Way& way : join.ways) {
    if (way.pairing) way.pairing->close(config_.now());
  }
  relays_.leave(PairingRelays::Visit{join.number});
  join.done(result);
}

base::Error Joining::time_over(const Join& join) const {
  std::vector<std::string> urls;
  urls.reserve(join.ways.size());
  for (const Way& way : join.ways) urls.push_back(way.url);
  if (const std::string trouble = relays_.trouble_of(urls); !trouble.empty()) {
    return make_error(ErrorCode::relay_unreachable,
                      fmt::format("no relay of the ticket is reachable: {}", trouble));
  }
  return make_error(
      ErrorCode::timeout,
      fmt::format(
          "the machine that made the ticket ({}) did not answer in {} ms: check that p2pd runs there "
          "and is connected to {}; if it does, it does not know this ticket (any more): ask for a new "
          "one",
          join.ticket.inviter.brief(), join.timeout.count(), fmt::join(urls, " or ")));
}

void Joining::arm() {
  base::TimePoint due = base::kNever;
  const base::TimePoint now = config_.now();
  for (const Join& join : joins_) {
    if (join.storing) continue;
    due = std::min(due, join.ends);
    for (const Way& way : join.ways) {
      if (way.pairing) {
        due = std::min(due, way.pairing->over() ? now : way.pairing->deadline());
      } else if (way.again > now) {
        due = std::min(due, way.again);
      }
    }
  }
  if (due == base::kNever) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(due);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) look();
  });
}

}  // namespace p2pd::daemon
