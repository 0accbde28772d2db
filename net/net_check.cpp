#include "net/net_check.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>

#include "net/local_addresses.hpp"
#include "net/nat_behaviour.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
using proto::Endpoint;
using proto::FamilyReport;
using proto::Finding;

constexpr std::size_t kMaxServers = 4;
constexpr int kPortSamples = 5;
// IP packets, in bytes: IPv4's and IPv6's least, what tunnels and PPPoE leave, Ethernet.
constexpr std::array<std::uint16_t, 12> kPacketSizes{576,  1280, 1300, 1340, 1380, 1400,
                                                     1420, 1440, 1460, 1480, 1492, 1500};

std::uint16_t header_size(bool v6) { return v6 ? 48 : 28; }  // IP and UDP

Finding to_finding(bool value) { return value ? Finding::yes : Finding::no; }

// GCC 12 takes no braced list inside a co_await.
std::vector<StunQuestion> plain(const Endpoint& server) { return {StunQuestion{server}}; }

bool has_address(bool v6, bool allow_loopback) {
  const auto all = local_addresses();
  return std::any_of(all.begin(), all.end(), [&](const LocalAddress& one) {
    return one.address.v6 == v6 && !one.link_local && (allow_loopback || !one.loopback);
  });
}

bool is_own(const Endpoint& outside, std::uint16_t port) {
  if (outside.port != port) return false;
  const auto all = local_addresses();
  return std::any_of(all.begin(), all.end(),
                     [&](const LocalAddress& one) { return one.address.same_address(outside); });
}

// One family's check. The steps share the answers of the first one.
class FamilyCheck {
 public:
  FamilyCheck(const NetCheckConfig& config, bool v6) : config_(config), v6_(v6) {
    for (const Endpoint& server : config.servers) {
      if (server.v6 == v6 && servers_.size() < kMaxServers) servers_.push_back({server, {}, {}, false});
    }
  }

  [[nodiscard]] asio::awaitable<void> run() {
    using namespace asio::experimental::awaitable_operators;
    report_.address = to_finding(has_address(v6_, config_.allow_loopback));
    if (report_.address == Finding::no || servers_.empty()) co_return;
    co_await reach();
    if (report_.udp != Finding::yes) co_return;
    co_await allocation();
    co_await (mapping() && filtering() && packet_size() && hairpin());
  }

  [[nodiscard]] const FamilyReport& report() const { return report_; }
  [[nodiscard]] const std::vector<StunServerReport>& servers() const { return servers_; }

 private:
  [[nodiscard]] asio::awaitable<std::unique_ptr<StunSocket>> open() {
    co_return StunSocket::open(co_await asio::this_coro::executor, v6_);
  }
  // A usable second address of the server. A server's word sends packets there, so it passes the rules of
  // remote candidates.
  [[nodiscard]] std::optional<Endpoint> other_of(const StunMessage& message, const Endpoint& server) const {
    const auto& other = message.other_address;
    if (!other || other->v6 != v6_ || other->address == server.address || other->port == server.port)
      return std::nullopt;
    proto::Candidate candidate;
    candidate.foundation = "1";
    candidate.priority = 1;
    candidate.endpoint = *other;
    const proto::CandidatePolicy policy{config_.allow_loopback, {}};
    if (proto::judge(candidate, policy) != proto::CandidateRefusal::none) return std::nullopt;
    return other;
  }
  [[nodiscard]] asio::awaitable<void> reach() {
    socket_ = co_await open();
    if (!socket_) co_return;
    std::vector<StunQuestion> questions;
    questions.reserve(servers_.size());
    for (const auto& server : servers_) questions.push_back({server.server});
    const auto replies = co_await socket_->ask(std::move(questions), config_.timing);
    for (std::size_t i = 0; i < replies.size(); ++i) take(servers_[i], replies[i]);
    report_.udp = to_finding(primary_.has_value());
    if (!primary_) co_return;
    report_.outside = samples_.first;
    own_ = is_own(*samples_.first, socket_->port());
  }
  // The first that has a second address is asked on, else the first.
  void take(StunServerReport& server, const std::optional<StunReply>& reply) {
    if (!reply || !reply->message.mapped) return;
    server.rtt = reply->rtt;
    server.outside = reply->message.mapped;
    const auto other = other_of(reply->message, server.server);
    server.behaviour = other.has_value();
    if (primary_ && (other_ || !other)) {
      samples_.elsewhere.push_back(*server.outside);
      return;
    }
    if (samples_.first) samples_.elsewhere.push_back(*samples_.first);
    primary_ = server.server;
    samples_.first = server.outside;
    other_ = other;
  }

  [[nodiscard]] asio::awaitable<void> allocation() {
    std::vector<std::unique_ptr<StunSocket>> sockets;  // open until the end, so that no port comes twice
    std::vector<PortSample> ports;
    for (int i = 0; i < kPortSamples; ++i) {
      sockets.push_back(co_await open());
      if (!sockets.back()) co_return;
      const auto replies = co_await sockets.back()->ask(plain(*primary_), config_.timing);
      if (!replies[0] || !replies[0]->message.mapped) break;
      ports.push_back({sockets.back()->port(), replies[0]->message.mapped->port});
    }
    const AllocationPattern pattern = classify_allocation(ports);
    report_.allocation = pattern.kind;
    report_.allocation_step = pattern.step;
  }

  [[nodiscard]] asio::awaitable<void> mapping() {
    if (other_ && !own_) {
      Endpoint other_address = *other_;
      other_address.port = primary_->port;
      std::vector<StunQuestion> questions{StunQuestion{other_address}, StunQuestion{*other_}};
      const auto replies = co_await socket_->ask(std::move(questions), config_.timing);
      if (replies[0]) samples_.other_address = replies[0]->message.mapped;
      if (replies[1]) samples_.other_both = replies[1]->message.mapped;
    }
    report_.mapping = classify_mapping(samples_, own_);
  }

  [[nodiscard]] asio::awaitable<void> filtering() {
    if (!other_) co_return;
    // A socket of its own: the mapping test's packets would open the filter.
    const auto socket = co_await open();
    if (!socket) co_return;
    FilteringSamples samples;
    const auto first = co_await socket->ask(plain(*primary_), config_.timing);
    samples.asked = first[0].has_value();
    if (!samples.asked) co_return;
    std::vector<StunQuestion> questions{StunQuestion{*primary_, true, true},
                                        StunQuestion{*primary_, false, true}};
    const auto replies = co_await socket->ask(std::move(questions), config_.timing);
    const auto succeeded = [](const auto& reply) {
      return reply && reply->message.kind == StunClass::success;
    };
    // An error came from the address that was asked: the server does not change it after all.
    samples.asked = (!replies[0] || succeeded(replies[0])) && (!replies[1] || succeeded(replies[1]));
    samples.other_both = succeeded(replies[0]);
    samples.other_port = succeeded(replies[1]);
    report_.filtering = classify_filtering(samples);
  }

  [[nodiscard]] asio::awaitable<void> packet_size() {
    const auto socket = co_await open();
    if (!socket || !socket->forbid_fragmentation()) co_return;
    std::vector<StunQuestion> questions;
    questions.reserve(kPacketSizes.size());
    for (const std::uint16_t size : kPacketSizes) {
      questions.push_back({*primary_, false, false, static_cast<std::size_t>(size - header_size(v6_))});
    }
    const auto replies = co_await socket->ask(std::move(questions), config_.timing);
    for (std::size_t i = 0; i < replies.size(); ++i) {
      if (replies[i]) report_.path_mtu = kPacketSizes[i];
    }
  }

  [[nodiscard]] asio::awaitable<void> hairpin() {
    if (own_) co_return;
    const auto one = co_await open();
    const auto other = co_await open();
    if (!one || !other) co_return;
    const auto first = co_await one->ask(plain(*primary_), config_.timing);
    const auto second = co_await other->ask(plain(*primary_), config_.timing);
    if (!first[0] || !first[0]->message.mapped || !second[0] || !second[0]->message.mapped) co_return;
    const bool looped = co_await StunSocket::hairpin(*one, *first[0]->message.mapped, *other,
                                                     *second[0]->message.mapped, config_.timing);
    report_.hairpin = to_finding(looped);
  }

  const NetCheckConfig& config_;
  const bool v6_;
  std::vector<StunServerReport> servers_;
  FamilyReport report_;
  std::unique_ptr<StunSocket> socket_;
  std::optional<Endpoint> primary_;  // the server that is asked on
  std::optional<Endpoint> other_;    // its other address and port
  MappingSamples samples_;
  bool own_ = false;  // no NAT: the outside address is this machine's own
};

}  // namespace

asio::awaitable<NetFindings> check_network(NetCheckConfig config) {
  using namespace asio::experimental::awaitable_operators;
  FamilyCheck v4(config, false);
  FamilyCheck v6(config, true);
  co_await (v4.run() && v6.run());
  NetFindings out{v4.report(), v6.report(), v4.servers()};
  out.servers.insert(out.servers.end(), v6.servers().begin(), v6.servers().end());
  co_return out;
}

}  // namespace p2pd::net
