// The inviter's side of invitations: makes tickets, checks knocks against them, admits one handshake for each
// good knock, and turns the invitation into a peer in one transaction of the store before it says so. A
// stranger without a good knock costs a table look-up and gets silence. Control thread; owned by Pairings.
//
//   knock with a good MAC --> guest, for 30 s --its Initial--> Pairing --ask--> store --> answer
//
// How it ends: stop(), which lets go of all guests, then destruction; what the store answers later is
// dropped.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hpp"
#include "daemon/errors.hpp"
#include "daemon/pairing_port.hpp"
#include "net/identity.hpp"
#include "peer/pairing.hpp"
#include "proto/ticket.hpp"
#include "store/store.hpp"

namespace p2pd::daemon {

class Inviting {
 public:
  struct Config {
    std::shared_ptr<const net::Identity> identity;
    std::function<std::vector<std::string>()> own_relays;  // that tickets name, in canonical form
    store::Post post;                                      // to the control thread
    // After the transaction: the joiner is a peer. `fresh`: it was not by this invitation before.
    std::function<void(const store::PeerRow& peer, const std::string& invitation, bool fresh)> paired;
    std::function<base::WallTime()> wall = base::wall_now;
    std::function<base::TimePoint()> now = base::Clock::now;
  };
  struct Created {
    std::string ticket;  // a secret
    store::InvitationRow row;
    std::vector<std::string> relays;
  };

  // `store` and `relays` outlive this.
  Inviting(boost::asio::any_io_executor executor, Config config, store::Store& store, PairingRelays& relays);
  ~Inviting();

  // Invitations of earlier runs count from when the store has told of them.
  void load();
  void stop();

  // `name`: what the joiner will be called, empty for a name made from its ID; already checked. Errors:
  // relay_unreachable (no relay is configured), quota, or the store's.
  void create(std::string name, std::chrono::milliseconds lifetime,
              std::function<void(base::Result<Created>)> done);
  [[nodiscard]] std::vector<store::InvitationRow> list() const;
  // `text`: an ID, a beginning of one that no other has, or a whole ticket. Errors: not_found,
  // ambiguous_peer, ticket_used.
  void revoke(std::string_view text, std::function<void(base::Result<store::InvitationRow>)> done);
  // open, used, revoked, expired.
  [[nodiscard]] std::string_view state_of(const store::InvitationRow& row) const;
  // An open one has this name for its joiner.
  [[nodiscard]] bool promised(const std::string& name) const;

  void on_knock(const std::string& url, const base::PeerId& relay, const base::PeerId& sender,
                base::ByteView payload);
  [[nodiscard]] bool active() const { return !guests_.empty(); }
  // Deadlines of guests; its own timer calls it.
  void on_time();
  [[nodiscard]] bool take_datagram(const std::string& url, const base::PeerId& sender,
                                   base::ByteView datagram);

 private:
  using Id = proto::InvitationId;
  // One admitted handshake.
  struct Guest {
    std::uint64_t number = 0;
    std::string url;
    base::PeerId joiner;
    Id invitation{};
    std::array<std::uint8_t, 8> connection{};
    base::TimePoint until;  // for the handshake to begin
    std::unique_ptr<peer::Pairing> pairing;
  };

  [[nodiscard]] base::Result<Id> find(std::string_view text) const;
  [[nodiscard]] bool take_token();
  void admit(const std::string& url, const base::PeerId& joiner, const proto::Knock& knock);
  [[nodiscard]] bool begin(Guest& guest, base::ByteView initial);
  void look_after(Guest& guest);
  void use(Guest& guest, const proto::PairingAsk& ask);
  void used(std::uint64_t guest, const Id& id, const base::PeerId& joiner,
            const base::Result<store::InvitationUse>& result);
  void forget_old();
  void tidy();
  void arm();

  const Config config_;
  store::Store& store_;
  PairingRelays& relays_;
  std::map<Id, store::InvitationRow> rows_;
  std::list<Guest> guests_;
  std::uint64_t last_guest_ = 0;
  double tokens_;
  base::TimePoint refilled_;
  boost::asio::steady_timer timer_;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace p2pd::daemon
