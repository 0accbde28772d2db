#include "daemon/inviting.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.hpp"
#include "base/random.hpp"
#include "daemon/invitation_names.hpp"
#include "peer/knock.hpp"
#include "proto/datagram.hpp"

namespace p2pd::daemon {
namespace {

using base::PeerId;
using base::Result;
using store::InvitationOutcome;
using store::InvitationRow;

// Knocks whose MAC is computed: a burst, then so many a second. A relay forwards fewer.
constexpr double kKnockBurst = 20;
constexpr double kKnocksPerSecond = 20;
constexpr auto kAdmission = std::chrono::seconds(30);
constexpr std::size_t kMaxGuests = 16;
// Of one joiner, which may come by each of the ticket's relays; and of one invitation, so that a spent ticket
// in many hands leaves room for the others.
constexpr std::ptrdiff_t kMaxGuestsAlike = 4;
constexpr auto kRemembered = std::chrono::hours(7 * 24);

proto::PairingRefusal refusal_of(InvitationOutcome outcome) {
  switch (outcome) {
    case InvitationOutcome::revoked:
      return proto::PairingRefusal::revoked;
    case InvitationOutcome::expired:
      return proto::PairingRefusal::expired;
    case InvitationOutcome::no_room:
      return proto::PairingRefusal::no_room;
    default:
      return proto::PairingRefusal::used;
  }
}

}  // namespace

Inviting::Inviting(boost::asio::any_io_executor executor, Config config, store::Store& store,
                   PairingRelays& relays)
    : config_(std::move(config)),
      store_(store),
      relays_(relays),
      tokens_(kKnockBurst),
      refilled_(config_.now()),
      timer_(std::move(executor)) {}

Inviting::~Inviting() = default;

void Inviting::load() {
  store_.load_invitations(config_.post, [this, alive = std::weak_ptr(alive_)](
                                            const Result<std::vector<InvitationRow>>& rows) {
    if (alive.expired()) return;
    if (!rows) {
      base::log::error("invitation", "the invitations cannot be read", {{"error", rows.error().message()}});
      return;
    }
    for (const InvitationRow& row : *rows) rows_.emplace(row.id, row);
  });
}

void Inviting::stop() {
  timer_.cancel();
  for (Guest& guest : guests_) {
    if (guest.pairing) guest.pairing->close(config_.now());
  }
  guests_.clear();
}

// --- what the user asks ---

void Inviting::create(std::string name, std::chrono::milliseconds lifetime,
                      std::function<void(Result<Created>)> done) {
  std::vector<std::string> relays;
  for (std::string& url : config_.own_relays()) {
    if (proto::is_ticket_url(url) && relays.size() < proto::kMaxTicketRelays)
      relays.push_back(std::move(url));
  }
  if (relays.empty()) {
    return done(make_error(ErrorCode::relay_unreachable,
                           "a ticket names the relays that this machine is reached by, and none is "
                           "configured: add `relay = wss://HOST` to p2pd.conf or start p2pd with --relay"));
  }
  InvitationRow row;
  row.id = base::random_array<8>();
  row.secret = base::random_array<16>();
  row.name = std::move(name);
  row.created = config_.wall();
  // Whole seconds, as the ticket has them.
  row.expires = std::chrono::ceil<std::chrono::seconds>(row.created + lifetime);
  store_.add_invitation(
      row, config_.post,
      [this, alive = std::weak_ptr(alive_), row, relays = std::move(relays),
       done = std::move(done)](const Result<>& stored) {
        if (!stored) return done(stored.error());
        if (alive.expired()) return;
        forget_old();
        rows_.emplace(row.id, row);
        base::log::info(
            "invitation", "made",
            {{"invitation", invitation_name(row.id)}, {"expires", base::to_rfc3339(row.expires)}});
        const proto::Ticket ticket{config_.identity->id(), row.id, row.secret, row.expires, relays};
        done(Created{proto::encode(ticket), row, relays});
      });
}

// As the store does when one is added.
void Inviting::forget_old() {
  const base::WallTime before = config_.wall() - kRemembered;
  std::erase_if(rows_, [before](const auto& entry) { return entry.second.expires < before; });
}

std::vector<InvitationRow> Inviting::list() const {
  std::vector<InvitationRow> out;
  out.reserve(rows_.size());
  for (const auto& [id, row] : rows_) out.push_back(row);
  std::sort(out.begin(), out.end(), [](const InvitationRow& a, const InvitationRow& b) {
    return std::tie(a.created, a.id) < std::tie(b.created, b.id);
  });
  return out;
}

std::string_view Inviting::state_of(const InvitationRow& row) const {
  if (row.used) return "used";
  if (row.revoked) return "revoked";
  return config_.wall() >= row.expires ? "expired" : "open";
}

bool Inviting::promised(const std::string& name) const {
  return std::any_of(rows_.begin(), rows_.end(), [&](const auto& entry) {
    return entry.second.name == name && state_of(entry.second) == "open";
  });
}

Result<Inviting::Id> Inviting::find(std::string_view text) const {
  const auto ticket = proto::parse_ticket(text);
  if (ticket && ticket->inviter == config_.identity->id() && rows_.contains(ticket->id)) return ticket->id;
  std::optional<Id> found;
  for (const auto& [id, row] : rows_) {
    if (text.empty() || !invitation_name(id).starts_with(text)) continue;
    if (found) {
      return make_error(ErrorCode::ambiguous_peer,
                        "several invitations begin like this; write more of the ID that `p2pctl invite "
                        "--list` shows");
    }
    found = id;
  }
  if (found) return *found;
  // The text may be a ticket, which is a secret: it is not repeated.
  return make_error(ErrorCode::not_found, "there is no such invitation; see `p2pctl invite --list`");
}

void Inviting::revoke(std::string_view text, std::function<void(Result<InvitationRow>)> done) {
  const auto id = find(text);
  if (!id) return done(id.error());
  store_.revoke_invitation(
      *id, config_.post,
      [this, alive = std::weak_ptr(alive_), id = *id,
       done = std::move(done)](const Result<InvitationRow>& row) {
        if (!row) return done(row.error());
        if (alive.expired()) return;
        rows_.insert_or_assign(id, *row);
        if (row->used) {
          return done(make_error(ErrorCode::ticket_used,
                                 fmt::format("the invitation was used already, by {}; `p2pctl peer remove` "
                                             "takes that machine off the list",
                                             row->peer->text())));
        }
        base::log::info("invitation", "revoked", {{"invitation", invitation_name(id)}});
        done(*row);
      });
}

// --- what strangers ask ---

bool Inviting::take_token() {
  const base::TimePoint now = config_.now();
  const std::chrono::duration<double> passed = now - refilled_;
  tokens_ = std::min(kKnockBurst, tokens_ + passed.count() * kKnocksPerSecond);
  refilled_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void Inviting::on_knock(const std::string& url, const PeerId& relay, const PeerId& sender,
                        base::ByteView payload) {
  const auto knock = proto::parse_knock(payload);
  if (!knock) return;
  const auto row = rows_.find(knock->invitation);
  if (row == rows_.end() || !take_token()) return;
  if (!peer::knock_holds(*knock, row->second.secret, {config_.identity->id(), sender, relay})) return;
  admit(url, sender, *knock);
}

// Spent invitations admit too: whoever holds the ticket is told what became of it, inside the encryption.
void Inviting::admit(const std::string& url, const PeerId& joiner, const proto::Knock& knock) {
  const auto same = [&](const Guest& guest) {
    return guest.joiner == joiner && guest.connection == knock.connection;
  };
  if (std::any_of(guests_.begin(), guests_.end(), same)) return;
  const auto alike = [&](const Guest& guest) {
    return guest.joiner == joiner || guest.invitation == knock.invitation;
  };
  if (std::count_if(guests_.begin(), guests_.end(), alike) >= kMaxGuestsAlike) {
    guests_.erase(std::find_if(guests_.begin(), guests_.end(), alike));
  }
  if (guests_.size() >= kMaxGuests) {
    base::log::warn("invitation", "too many take up invitations at once, one is left out",
                    {{"joiner", joiner}});
    return;
  }
  base::log::debug("invitation", "admitted a handshake",
                   {{"joiner", joiner}, {"invitation", invitation_name(knock.invitation)}, {"relay", url}});
  guests_.push_back(
      {++last_guest_, url, joiner, knock.invitation, knock.connection, config_.now() + kAdmission, nullptr});
  arm();
}

bool Inviting::take_datagram(const std::string& url, const PeerId& sender, base::ByteView datagram) {
  const auto from_sender = [&](const Guest& guest) { return guest.joiner == sender && guest.url == url; };
  if (std::none_of(guests_.begin(), guests_.end(), from_sender)) return false;
  if (proto::datagram_kind(datagram) != proto::DatagramKind::quic) return false;
  bool taken = false;
  proto::QuicPackets packets(datagram);
  while (const auto packet = packets.next()) {
    const auto header = net::parse_packet_header(*packet);
    if (!header) continue;
    const auto guest = std::find_if(guests_.begin(), guests_.end(), [&](const Guest& one) {
      if (!from_sender(one)) return false;
      if (one.pairing) return one.pairing->owns(header->destination);
      return header->initial && std::equal(header->destination.begin(), header->destination.end(),
                                           one.connection.begin(), one.connection.end());
    });
    if (guest == guests_.end()) continue;
    taken = true;
    if (!guest->pairing && !begin(*guest, *packet)) continue;
    guest->pairing->receive(*packet, config_.now());
    look_after(*guest);
  }
  if (taken) tidy();
  return taken;
}

bool Inviting::begin(Guest& guest, base::ByteView initial) {
  peer::PairingConfig config;
  config.identity = config_.identity;
  config.other = guest.joiner;
  config.own_relays = config_.own_relays();
  config.own_relays.resize(std::min(config.own_relays.size(), proto::kMaxPairingRelays));
  config.send = [this, url = guest.url, to = guest.joiner](base::ByteView datagram) {
    (void)relays_.send_by(url, to, datagram);
  };
  auto pairing = peer::Pairing::admit(std::move(config), initial, config_.now());
  if (!pairing) {
    base::log::debug("invitation", "initial packet refused",
                     {{"joiner", guest.joiner}, {"error", pairing.error().message()}});
    return false;
  }
  guest.pairing = std::move(*pairing);
  return true;
}

void Inviting::look_after(Guest& guest) {
  if (const auto ask = guest.pairing->take_ask()) use(guest, *ask);
}

void Inviting::use(Guest& guest, const proto::PairingAsk& ask) {
  store::PeerRow joiner;
  joiner.id = guest.joiner;
  joiner.name = default_name(guest.joiner);
  joiner.added = config_.wall();
  joiner.relays = canonical_relays(ask.relays);
  store_.use_invitation(guest.invitation, std::move(joiner), config_.post,
                        [this, alive = std::weak_ptr(alive_), number = guest.number, id = guest.invitation,
                         from = guest.joiner](const Result<store::InvitationUse>& result) {
                          if (!alive.expired()) used(number, id, from, result);
                        });
}

void Inviting::used(std::uint64_t number, const Id& id, const PeerId& joiner,
                    const Result<store::InvitationUse>& result) {
  if (!result) {
    base::log::warn("invitation", "could not be taken up, the joiner may try again",
                    {{"joiner", joiner}, {"error", result.error().message()}});
  } else if (result->peer) {
    // The address book follows the store even when the guest has gone meanwhile.
    const bool fresh = result->outcome == InvitationOutcome::paired;
    if (fresh) {
      InvitationRow& row = rows_[id];
      row.used = config_.wall();
      row.peer = joiner;
    }
    base::log::info("invitation", fresh ? "used" : "used again",
                    {{"invitation", invitation_name(id)}, {"peer", joiner}, {"name", result->peer->name}});
    config_.paired(*result->peer, invitation_name(id), fresh);
  } else {
    base::log::info("invitation", "refused", {{"invitation", invitation_name(id)}, {"joiner", joiner}});
  }
  const auto guest = std::find_if(guests_.begin(), guests_.end(),
                                  [number](const Guest& one) { return one.number == number; });
  if (guest == guests_.end()) return;
  if (!result || result->outcome == InvitationOutcome::unknown) {
    guest->pairing->close(config_.now());
  } else if (result->peer) {
    std::vector<std::string> relays = config_.own_relays();
    relays.resize(std::min(relays.size(), proto::kMaxPairingRelays));
    guest->pairing->answer(proto::PairingPaired{std::move(relays)}, config_.now());
  } else {
    guest->pairing->answer(proto::PairingRefused{refusal_of(result->outcome)}, config_.now());
  }
  tidy();
}

// --- time ---

void Inviting::tidy() {
  const base::TimePoint now = config_.now();
  std::erase_if(guests_, [now](const Guest& guest) {
    return guest.pairing ? guest.pairing->over() : now >= guest.until;
  });
  arm();
}

void Inviting::arm() {
  base::TimePoint due = base::kNever;
  for (const Guest& guest : guests_)
    due = std::min(due, guest.pairing ? guest.pairing->deadline() : guest.until);
  if (due == base::kNever) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(due);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) on_time();
  });
}

void Inviting::on_time() {
  for (Guest& guest : guests_) {
    if (guest.pairing && guest.pairing->deadline() <= config_.now()) {
      guest.pairing->on_time(config_.now());
      look_after(guest);
    }
  }
  tidy();
}

}  // namespace p2pd::daemon
