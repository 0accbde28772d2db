// The joiner's side of invitations: for each ticket that a user accepts it visits the ticket's relays, knocks
// at the inviter by each that is up, and asks to be paired, again and again until there is an answer or the
// time is over. The inviter becomes a peer here once it has said that this machine is one there. Control
// thread; owned by Pairings.
//
//   accept() --> trying by each relay --paired--> storing --> done
//                   |  ^ silence, loss               | refused, time over, the store fails --> done
//                   +--+
//
// How it ends: stop() answers all that wait with `shutting_down`; then destruction.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hpp"
#include "daemon/address_book.hpp"
#include "daemon/pairing_port.hpp"
#include "net/identity.hpp"
#include "peer/pairing.hpp"
#include "proto/ticket.hpp"
#include "store/store.hpp"

namespace p2pd::daemon {

class Joining {
 public:
  struct Config {
    std::shared_ptr<const net::Identity> identity;
    std::function<std::vector<std::string>()> own_relays;  // told to the inviter
    store::Post post;                                      // to the control thread
    // After the store has it: the inviter is a peer.
    std::function<void(const KnownPeer& peer, const std::string& invitation)> paired;
    std::function<base::WallTime()> wall = base::wall_now;
    std::function<base::TimePoint()> now = base::Clock::now;
  };
  using Done = std::function<void(base::Result<KnownPeer>)>;

  // All outlive this.
  Joining(boost::asio::any_io_executor executor, Config config, const AddressBook& book, store::Store& store,
          PairingRelays& relays);
  ~Joining();

  // `name`: what the inviter will be called here, empty for the name it has or one made from its ID. Errors
  // found here: ticket_altered, own_ticket, ticket_expired, invalid_name, name_taken, quota (of peers), busy
  // (8 are under way); the inviter's: ticket_used, ticket_revoked, ticket_expired, quota; at the end of the
  // time: timeout, relay_unreachable.
  void accept(std::string_view ticket, const std::string& name, std::chrono::milliseconds timeout, Done done);
  void stop();

  [[nodiscard]] bool active() const { return !joins_.empty(); }
  [[nodiscard]] bool take_datagram(const std::string& url, const base::PeerId& sender,
                                   base::ByteView datagram);
  // Moves everything on: time, answers, new tries. Its own timer calls it, and who knows that a relay session
  // came up: those who wait for it knock at once.
  void look();

 private:
  // One way to the inviter.
  struct Way {
    std::string url;
    std::unique_ptr<peer::Pairing> pairing;
    base::TimePoint again{};  // not before
  };
  struct Join {
    std::uint64_t number = 0;
    proto::Ticket ticket;
    std::string name;
    std::chrono::milliseconds timeout{};
    base::TimePoint ends;
    Done done;
    std::vector<Way> ways;
    bool storing = false;
  };

  [[nodiscard]] base::Result<proto::Ticket> read(std::string_view text) const;
  void try_way(Join& join, Way& way);
  // The answer that one of the ways brought, if any.
  [[nodiscard]] static std::optional<peer::Pairing::Answer> answer_of(const Join& join);
  void keep(Join& join, const proto::PairingPaired& paired);
  void kept(std::uint64_t number, const KnownPeer& peer, const base::Result<>& stored);
  void finish(std::uint64_t number, const base::Result<KnownPeer>& result);
  [[nodiscard]] base::Error time_over(const Join& join) const;
  void arm();

  const Config config_;
  const AddressBook& book_;
  store::Store& store_;
  PairingRelays& relays_;
  std::list<Join> joins_;
  std::uint64_t last_ = 0;
  boost::asio::steady_timer timer_;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace p2pd::daemon
