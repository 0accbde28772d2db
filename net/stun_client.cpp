#include "net/stun_client.hpp"

#include <algorithm>
#include <array>

#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/await.hpp"
#include "base/random.hpp"
#include "net/ice_socket.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using base::kAwait;
using boost::system::error_code;

// RFC 8489 14: above 0x8000 a server that does not know an attribute passes over it.
constexpr std::uint16_t kPaddingAttribute = 0xfff0;
constexpr std::size_t kAttributeHeader = 4;
// Datagrams in one turn: who floods the port does not keep the thread.
constexpr int kMaxAtOnce = 64;

udp::endpoint to_asio(const proto::Endpoint& endpoint) {
  if (endpoint.v6) return {asio::ip::address_v6(endpoint.address), endpoint.port};
  asio::ip::address_v4::bytes_type bytes{};
  std::copy_n(endpoint.address.begin(), bytes.size(), bytes.begin());
  return {asio::ip::address_v4(bytes), endpoint.port};
}

// The request filled up to `size` bytes by an attribute that means nothing.
base::Bytes padded(base::Bytes request, std::size_t size) {
  if (size < request.size() + kAttributeHeader) return request;
  const std::size_t value = (size - request.size() - kAttributeHeader) / 4 * 4;
  base::ByteWriter tail;
  tail.u16(kPaddingAttribute).u16(static_cast<std::uint16_t>(value));
  request.insert(request.end(), tail.view().begin(), tail.view().end());
  request.resize(request.size() + value);
  const std::size_t length = request.size() - 20;  // RFC 8489 5: without the header
  request[2] = static_cast<std::uint8_t>(length >> 8);
  request[3] = static_cast<std::uint8_t>(length);
  return request;
}

struct Pending {
  StunTransaction transaction{};
  base::Bytes datagram;
  base::TimePoint sent;
};

Pending make_request(const StunQuestion& question) {
  StunMessage request;
  base::fill_random(request.transaction);
  request.change_address = question.change_address;
  request.change_port = question.change_port;
  request.response_port = question.response_port;
  return {request.transaction, padded(encode(request), question.padding), {}};
}

// When the rounds of one exchange are sent, and when it ends.
class Rounds {
 public:
  explicit Rounds(StunTiming timing) : timing_(std::move(timing)) {}

  [[nodiscard]] bool over() const { return base::Clock::now() >= start_ + timing_.give_up; }
  // True once for each round whose time has come.
  [[nodiscard]] bool due() {
    if (sent_ == timing_.send_at.size() || base::Clock::now() < start_ + timing_.send_at[sent_]) return false;
    ++sent_;
    return true;
  }
  // When over() or due() can change.
  [[nodiscard]] base::TimePoint next() const {
    const base::TimePoint end = start_ + timing_.give_up;
    return sent_ < timing_.send_at.size() ? std::min(end, start_ + timing_.send_at[sent_]) : end;
  }

 private:
  const StunTiming timing_;
  const base::TimePoint start_ = base::Clock::now();
  std::size_t sent_ = 0;
};

// Until `deadline`, or until the socket can be read.
asio::awaitable<void> readable(udp::socket& socket, base::TimePoint deadline) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
  co_await (socket.async_wait(udp::socket::wait_read, kAwait) || timer.async_wait(kAwait));
}

}  // namespace

std::unique_ptr<StunSocket> StunSocket::open(const asio::any_io_executor& executor, bool v6) {
  udp::socket socket(executor);
  error_code error;
  socket.open(v6 ? udp::v6() : udp::v4(), error);
  if (!error && v6) socket.set_option(asio::ip::v6_only(true), error);
  if (!error) socket.bind(udp::endpoint(v6 ? udp::v6() : udp::v4(), 0), error);
  if (!error) socket.non_blocking(true, error);
  if (error) return nullptr;
  return std::unique_ptr<StunSocket>(new StunSocket(std::move(socket)));
}

bool StunSocket::forbid_fragmentation() {
  return net::forbid_fragmentation(socket_.native_handle(), socket_.local_endpoint().protocol() == udp::v6());
}

void StunSocket::send(base::ByteView datagram, const proto::Endpoint& to) {
  error_code lost;  // as any datagram may be
  socket_.send_to(asio::buffer(datagram.data(), datagram.size()), to_asio(to), 0, lost);
}

std::optional<StunMessage> StunSocket::receive() {
  std::array<std::uint8_t, 2048> buffer;
  for (int tried = 0; tried < kMaxAtOnce; ++tried) {
    udp::endpoint from;
    error_code error;
    const std::size_t size = socket_.receive_from(asio::buffer(buffer), from, 0, error);
    // An ICMP error of an earlier packet stands where a datagram would.
    if (error == asio::error::would_block || error == asio::error::try_again) return std::nullopt;
    if (error && error != asio::error::connection_refused) return std::nullopt;
    if (error) continue;
    if (auto message = parse_stun(base::ByteView(buffer).first(size))) return std::move(*message);
  }
  return std::nullopt;
}

bool StunSocket::heard(const StunTransaction& transaction) {
  for (int taken = 0; taken < kMaxAtOnce; ++taken) {
    const auto message = receive();
    if (!message) return false;
    if (message->transaction == transaction) return true;
  }
  return false;
}

asio::awaitable<std::vector<std::optional<StunReply>>> StunSocket::ask(std::vector<StunQuestion> questions,
                                                                       StunTiming timing) {
  std::vector<Pending> pending;
  pending.reserve(questions.size());
  for (const StunQuestion& question : questions) pending.push_back(make_request(question));
  std::vector<std::optional<StunReply>> replies(questions.size());
  std::size_t missing = questions.size();
  Rounds rounds(std::move(timing));
  while (missing > 0 && !rounds.over()) {
    if (rounds.due()) {
      for (std::size_t i = 0; i < pending.size(); ++i) {
        if (replies[i]) continue;
        pending[i].sent = base::Clock::now();
        send(pending[i].datagram, questions[i].server);
      }
    }
    co_await readable(socket_, rounds.next());
    for (int taken = 0; missing > 0 && taken < kMaxAtOnce; ++taken) {
      auto message = receive();
      if (!message) break;
      if (message->kind != StunClass::success && message->kind != StunClass::error) continue;
      const auto of = std::find_if(pending.begin(), pending.end(), [&](const Pending& one) {
        return one.transaction == message->transaction;
      });
      if (of == pending.end()) continue;
      auto& reply = replies[static_cast<std::size_t>(of - pending.begin())];
      if (reply) continue;
      reply = StunReply{std::move(*message), base::Clock::now() - of->sent};
      --missing;
    }
  }
  co_return replies;
}

asio::awaitable<bool> StunSocket::hairpin(StunSocket& one, proto::Endpoint one_outside, StunSocket& other,
                                          proto::Endpoint other_outside, StunTiming timing) {
  using namespace asio::experimental::awaitable_operators;
  // Both send, so that a filter which lets in answers only is open in both.
  const Pending from_one = make_request({other_outside});
  const Pending from_other = make_request({one_outside});
  Rounds rounds(std::move(timing));
  while (!rounds.over()) {
    if (rounds.due()) {
      one.send(from_one.datagram, other_outside);
      other.send(from_other.datagram, one_outside);
    }
    co_await (readable(one.socket_, rounds.next()) || readable(other.socket_, rounds.next()));
    if (one.heard(from_other.transaction) || other.heard(from_one.transaction)) co_return true;
  }
  co_return false;
}

asio::awaitable<std::optional<bool>> StunSocket::reached(StunSocket& asker, proto::Endpoint server,
                                                         std::uint16_t outside_port, StunTiming timing) {
  using namespace asio::experimental::awaitable_operators;
  StunQuestion question{server};
  question.response_port = outside_port;
  const Pending pending = make_request(question);
  Rounds rounds(std::move(timing));
  while (!rounds.over()) {
    if (rounds.due()) {
      asker.send(pending.datagram, server);
    }
    co_await (readable(socket_, rounds.next()) || readable(asker.socket_, rounds.next()));
    if (heard(pending.transaction)) co_return true;
    // An answer to where the question came from: an error, or the attribute was passed over.
    if (asker.heard(pending.transaction)) co_return std::nullopt;
  }
  co_return false;
}

}  // namespace p2pd::net
