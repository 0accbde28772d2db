// Binding requests from a UDP socket (RFC 8489 section 6.2.1): sent, sent again while they stay unanswered,
// matched with their answers by transaction. For the network check; ICE has its own in libnice. Used in
// coroutines of one executor; a socket serves one exchange at a time. It ends with its last question, at the
// latest after StunTiming's whole time, or when the caller is cancelled.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/udp.hpp>

#include "base/clock.hpp"
#include "net/stun.hpp"

namespace p2pd::net {

struct StunTiming {
  // When a question is sent, from the start; the first is 0.
  std::vector<std::chrono::milliseconds> send_at{std::chrono::milliseconds(0), std::chrono::milliseconds(150),
                                                 std::chrono::milliseconds(450),
                                                 std::chrono::milliseconds(1050)};
  // When it counts as lost.
  std::chrono::milliseconds give_up{2500};
};

struct StunQuestion {
  proto::Endpoint server;
  bool change_address = false;  // RFC 5780 7.2
  bool change_port = false;
  std::size_t padding = 0;                       // bytes of UDP payload to fill up to; 0: as it is
  std::optional<std::uint16_t> response_port{};  // RFC 5780 7.5
};

struct StunReply {
  StunMessage message;
  base::Duration rtt{};  // from the last sending before it
};

class StunSocket {
 public:
  // Bound to any address and a port of the system's choice. Nothing where the system has no such family.
  [[nodiscard]] static std::unique_ptr<StunSocket> open(const boost::asio::any_io_executor& executor,
                                                        bool v6);

  [[nodiscard]] std::uint16_t port() const { return port_; }
  // Sets DF on everything that is sent. False where the system cannot.
  [[nodiscard]] bool forbid_fragmentation();

  // The answers, in the order of the questions; nothing for one that stayed unanswered.
  [[nodiscard]] boost::asio::awaitable<std::vector<std::optional<StunReply>>> ask(
      std::vector<StunQuestion> questions, StunTiming timing);
  // RFC 5780 4.5: true once one of the two sockets has received what the other sent to its outside address.
  [[nodiscard]] static boost::asio::awaitable<bool> hairpin(StunSocket& one, proto::Endpoint one_outside,
                                                            StunSocket& other, proto::Endpoint other_outside,
                                                            StunTiming timing);
  // Has `server` send an answer to this socket's outside port (RFC 5780 7.5, asked for by `asker`): true once
  // it has come in, false when it did not, nothing where the server does not do so.
  [[nodiscard]] boost::asio::awaitable<std::optional<bool>> reached(StunSocket& asker, proto::Endpoint server,
                                                                    std::uint16_t outside_port,
                                                                    StunTiming timing);

 private:
  explicit StunSocket(boost::asio::ip::udp::socket socket)
      : socket_(std::move(socket)), port_(socket_.local_endpoint().port()) {}

  void send(base::ByteView datagram, const proto::Endpoint& to);
  // The next datagram that is a STUN message; nothing when none is there.
  [[nodiscard]] std::optional<StunMessage> receive();
  // Among what has arrived is a message of this transaction; the rest is dropped.
  [[nodiscard]] bool heard(const StunTransaction& transaction);

  boost::asio::ip::udp::socket socket_;
  const std::uint16_t port_;
};

}  // namespace p2pd::net
