// Between the relay hub and those who pair: pairings name the relay they run by, because the other end is no
// peer yet and the hub knows no way to it. Control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/peer_id.hpp"

namespace p2pd::daemon {

// The way out. Relays are named by their URL in canonical form.
class PairingRelays {
 public:
  enum class Visit : std::uint64_t {};

  // The key that the relay proved; nothing while its session is down.
  [[nodiscard]] virtual std::optional<base::PeerId> relay_key(const std::string& url) const = 0;
  // False: the session is down. What is sent may be lost in any case.
  virtual bool knock_by(const std::string& url, const base::PeerId& to, base::ByteView payload) = 0;
  virtual bool send_by(const std::string& url, const base::PeerId& to, base::ByteView datagram) = 0;
  // Keeps sessions with these relays until leave(), whether a peer needs them or not.
  virtual void visit(Visit visit, const std::vector<std::string>& urls) = 0;
  virtual void leave(Visit visit) = 0;
  // Why none of these relays is reachable, a sentence; empty when one is.
  [[nodiscard]] virtual std::string trouble_of(const std::vector<std::string>& urls) const = 0;

 protected:
  ~PairingRelays() = default;
};

// The way in.
class PairingTraffic {
 public:
  virtual void on_knock(const std::string& url, const base::PeerId& relay, const base::PeerId& sender,
                        base::ByteView payload) = 0;
  // False: there is no pairing now, take_datagram() need not be asked.
  [[nodiscard]] virtual bool pairing() const = 0;
  // True: it belongs to a pairing, and is for nobody else.
  [[nodiscard]] virtual bool take_datagram(const std::string& url, const base::PeerId& sender,
                                           base::ByteView datagram) = 0;
  virtual void on_relay_up() = 0;

 protected:
  ~PairingTraffic() = default;
};

}  // namespace p2pd::daemon
