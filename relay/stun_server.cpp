#include "relay/stun_server.hpp"

#include <array>

#include <boost/asio/buffer.hpp>
#include <fmt/format.h>

#include "base/await.hpp"
#include "relay/server.hpp"

namespace p2pd::relay {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using base::kAwait;
using boost::system::error_code;

// The largest that one Ethernet frame carries: clients fill requests up to find the size their path takes.
constexpr std::size_t kMaxRequest = 1'472;
// Answers to a port of the asker's choice (RFC 5780 7.5) disturb no well-known service.
constexpr std::uint16_t kLeastPort = 1'024;
constexpr std::size_t kMaxStunBudgets = 65'536;
constexpr std::chrono::seconds kPurgeEvery{10};

// Places in Listener::others.
constexpr std::size_t kOtherAddress = 0;
constexpr std::size_t kOtherPort = 1;
constexpr std::size_t kBothOther = 2;

proto::Endpoint to_proto(const udp::endpoint& endpoint) {
  proto::Endpoint out;
  out.port = endpoint.port();
  const auto address = endpoint.address();
  if (address.is_v4() || address.to_v6().is_v4_mapped()) {
    const auto v4 =
        address.is_v4() ? address.to_v4() : asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    const auto bytes = v4.to_bytes();
    std::copy(bytes.begin(), bytes.end(), out.address.begin());
  } else {
    out.v6 = true;
    out.address = address.to_v6().to_bytes();
  }
  return out;
}

}  // namespace

StunServer::StunServer(asio::any_io_executor executor, double rate, Metrics& metrics)
    : executor_(std::move(executor)),
      metrics_(metrics),
      budgets_(kMaxStunBudgets, [rate] { return TokenBucket(rate, std::max(1.0, rate)); }) {}

base::Result<> StunServer::bind(const std::vector<Endpoint>& endpoints) {
  for (const Endpoint& endpoint : endpoints) {
    const auto bound = add(endpoint);
    if (!bound) return bound.error();
    addresses_.push_back(*bound);
  }
  const bool two = addresses_.size() == 2 && addresses_[0].address() != addresses_[1].address() &&
                   addresses_[0].port() != addresses_[1].port() &&
                   !addresses_[0].address().is_unspecified() && !addresses_[1].address().is_unspecified();
  if (two) return add_crossed();
  return {};
}

base::Result<StunServer::Endpoint> StunServer::add(const Endpoint& endpoint) {
  auto listener = std::make_unique<Listener>(Listener{udp::socket(executor_), std::nullopt});
  error_code error;
  listener->socket.open(endpoint.protocol(), error);
  if (!error) listener->socket.bind(endpoint, error);
  if (!error) listener->socket.non_blocking(true, error);
  if (error) {
    return base::Error(
        error, fmt::format("cannot listen for STUN on {}", to_text(endpoint.address(), endpoint.port())));
  }
  const Endpoint bound = listener->socket.local_endpoint();
  listeners_.push_back(std::move(listener));
  return bound;
}

// Listeners 0 and 1 are the configured ones; 2 has the first's address and the second's port, 3 the reverse.
base::Result<> StunServer::add_crossed() {
  const auto third = add(Endpoint(addresses_[0].address(), addresses_[1].port()));
  if (!third) return third.error();
  const auto fourth = add(Endpoint(addresses_[1].address(), addresses_[0].port()));
  if (!fourth) return fourth.error();
  listeners_[0]->others = {{3, 2, 1}};
  listeners_[1]->others = {{2, 3, 0}};
  listeners_[2]->others = {{1, 0, 3}};
  listeners_[3]->others = {{0, 1, 2}};
  return {};
}

void StunServer::start(base::TaskGroup& tasks) {
  for (std::size_t i = 0; i < listeners_.size(); ++i) tasks.spawn("stun", serve(i));
}

asio::awaitable<void> StunServer::serve(std::size_t index) {
  std::array<std::uint8_t, kMaxRequest> buffer;
  Endpoint from;
  for (;;) {
    const auto [error, size] =
        co_await listeners_[index]->socket.async_receive_from(asio::buffer(buffer), from, kAwait);
    if (error == asio::error::operation_aborted) co_return;
    // ICMP errors of earlier answers come back here; they concern nobody.
    if (!error) answer(index, base::ByteView(buffer).first(size), from);
  }
}

void StunServer::answer(std::size_t index, base::ByteView datagram, const Endpoint& from) {
  const base::TimePoint now = base::Clock::now();
  if (now - purged_ >= kPurgeEvery) {
    budgets_.purge(now);
    purged_ = now;
  }
  const auto request = net::parse_stun(datagram, net::StunDialect::classic_too);
  if (!request || request->kind != net::StunClass::request || request->method != net::kStunBinding ||
      from.port() == 0 || !budgets_.get(AddressPrefix::of(from.address()))->take(1, now)) {
    ++metrics_.stun_dropped;
    return;
  }
  const Listener& listener = *listeners_[index];
  const bool change = request->change_address || request->change_port;
  std::size_t source = index;
  net::StunMessage response;
  response.kind = net::StunClass::success;
  response.transaction = request->transaction;
  response.classic_id = request->classic_id;
  response.fingerprint = request->fingerprint;
  Endpoint to = from;
  if (request->response_port) to.port(*request->response_port);
  if (to.port() < kLeastPort && to != from) {
    response.kind = net::StunClass::error;
    response.error_code = net::kStunBadRequest;
    to = from;
  } else if (!request->unknown.empty() || (change && !listener.others)) {
    response.kind = net::StunClass::error;
    response.error_code = net::kStunUnknownAttribute;
    response.unknown = request->unknown;
    if (response.unknown.empty()) response.unknown.push_back(net::kStunChangeRequest);
  } else {
    response.mapped = to_proto(from);
    if (listener.others) {
      if (change) {
        const std::size_t which = request->change_address && request->change_port ? kBothOther
                                  : request->change_address                       ? kOtherAddress
                                                                                  : kOtherPort;
        source = (*listener.others)[which];
      }
      response.other_address = to_proto(listeners_[(*listener.others)[kBothOther]]->socket.local_endpoint());
      response.response_origin = to_proto(listeners_[source]->socket.local_endpoint());
    }
  }
  error_code lost;  // as any datagram may be
  listeners_[source]->socket.send_to(asio::buffer(net::encode(response)), to, 0, lost);
  ++metrics_.stun_answers;
}

}  // namespace p2pd::relay
