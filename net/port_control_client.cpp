// PCP (RFC 6887) and NAT-PMP (RFC 6886) over UDP. One connected socket, so that the kernel drops what does
// not come from the gateway's address and port.
#include <chrono>
#include <optional>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "base/await.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/within.hpp"
#include "net/port_protocol.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using base::kAwait;
using base::Result;
using proto::PortMappingReply;
using proto::PortMappingRequest;
using Kind = PortMappingReply::Kind;

// RFC 6886 3.1 begins at 250 ms; the gateway is one hop away, so a third try is the last.
constexpr std::array kTries{std::chrono::milliseconds(250), std::chrono::milliseconds(500),
                            std::chrono::milliseconds(1'000)};
// What a stranger on the link may put into the socket's buffer between two looks.
constexpr int kMaxForeign = 32;

MappingError error_of(const PortMappingReply& reply) {
  const bool pcp = reply.kind == Kind::pcp_map || reply.kind == Kind::pcp_other;
  switch (reply.result) {
    case 1:
      return MappingError::not_supported;
    case 4:
      return pcp ? MappingError::refused : MappingError::no_room;
    case 8:
    case 10:
      return MappingError::no_room;
    case 11:
      return MappingError::conflict;
    default:
      return MappingError::refused;
  }
}

class PortControlClient final : public PortProtocol {
 public:
  PortControlClient(Gateway gateway, udp::socket socket) : gateway_(gateway), socket_(std::move(socket)) {}

  // Which of the two it speaks; a gateway of the older one answers the newer with its version (RFC 6887 9).
  asio::awaitable<Result<>> find_version() {
    const auto any = [](const PortMappingReply&) { return true; };
    const auto pcp = co_await ask(proto::encode_pcp_announce(gateway_.local), any, 2);
    if (pcp && (pcp->kind == Kind::pcp_other || pcp->kind == Kind::pcp_map) &&
        !proto::is_version_refusal(*pcp)) {
      pcp_ = true;
      co_return Result<>();
    }
    const auto natpmp = co_await ask(
        proto::encode_natpmp_address(),
        [](const PortMappingReply& reply) {
          return reply.kind == Kind::natpmp_address || reply.kind == Kind::natpmp_other;
        },
        pcp ? kTries.size() : 1);
    if (!natpmp) co_return natpmp.error();
    if (natpmp->result != 0) co_return refusal(*natpmp);
    co_return Result<>();
  }

  std::string_view name() const override { return pcp_ ? "pcp" : "nat-pmp"; }

  asio::awaitable<Result<MappedPort>> map(PortMappingRequest request) override {
    const auto reply = co_await ask_to_map(request);
    if (!reply) co_return reply.error();
    if (reply->result != 0) co_return refusal(*reply);
    if (reply->lifetime == 0 || reply->external.port == 0)
      co_return mapping_error(MappingError::malformed, "a mapping without lifetime or port");
    MappedPort mapped{reply->external, std::chrono::seconds(reply->lifetime)};
    if (pcp_) co_return mapped;
    const auto address = co_await ask(
        proto::encode_natpmp_address(),
        [](const PortMappingReply& one) { return one.kind == Kind::natpmp_address || one.result != 0; },
        kTries.size());
    if (!address) co_return address.error();
    if (address->result != 0) co_return refusal(*address);
    mapped.external.address = address->external.address;
    co_return mapped;
  }

  asio::awaitable<Result<>> unmap(PortMappingRequest request, proto::Endpoint external) override {
    request.lifetime = 0;
    request.external = external;
    const auto reply = co_await ask_to_map(request);
    if (!reply) co_return reply.error();
    if (reply->result != 0) co_return refusal(*reply);
    co_return Result<>();
  }

  bool take_lost_state() override { return std::exchange(lost_state_, false); }

 private:
  asio::awaitable<Result<PortMappingReply>> ask_to_map(PortMappingRequest request) {
    if (pcp_) {
      // A failure without the map part (RFC 6887 8.3) ends the wait too.
      co_return co_await ask(
          proto::encode_pcp_map(gateway_.local, request),
          [request](const PortMappingReply& reply) {
            if (reply.kind == Kind::pcp_map)
              return reply.nonce == request.nonce && reply.internal_port == request.internal_port;
            return reply.result != 0;
          },
          kTries.size());
    }
    co_return co_await ask(
        proto::encode_natpmp_map(request),
        [request](const PortMappingReply& reply) {
          if (reply.kind == Kind::natpmp_map) return reply.internal_port == request.internal_port;
          return reply.kind == Kind::natpmp_other && reply.result != 0;
        },
        kTries.size());
  }

  // Sends until what comes back fits the question; each try waits longer.
  template <class Fits>
  asio::awaitable<Result<PortMappingReply>> ask(base::Bytes question, Fits fits, std::size_t tries) {
    for (std::size_t i = 0; i < tries; ++i) {
      boost::system::error_code lost;  // as any datagram may be
      socket_.send(asio::buffer(question), 0, lost);
      // No service there: the next try will not find one either.
      const auto heard = co_await base::within(kTries[i], hear(fits));
      if (heard && *heard) co_return **heard;
      if (heard) break;
    }
    co_return mapping_error(MappingError::no_answer);
  }

  // Nothing: the gateway said that nobody listens there.
  template <class Fits>
  asio::awaitable<std::optional<PortMappingReply>> hear(Fits fits) {
    std::array<std::uint8_t, proto::kMaxPortMappingReply + 1> buffer;
    for (int foreign = 0; foreign < kMaxForeign; ++foreign) {
      const auto [error, size] = co_await socket_.async_receive(asio::buffer(buffer), kAwait);
      if (error) co_return std::nullopt;
      const auto reply = proto::parse_port_mapping_reply(base::ByteView(buffer).first(size));
      if (!reply) {
        base::log::debug("mapping", "gateway's answer ignored", {{"reason", reply.error().message()}});
        continue;
      }
      if (!fits(*reply)) continue;
      note_epoch(*reply);
      co_return *reply;
    }
    co_return std::nullopt;
  }

  void note_epoch(const PortMappingReply& reply) {
    if (proto::is_version_refusal(reply)) return;
    const base::TimePoint now = base::Clock::now();
    const auto elapsed = std::chrono::duration_cast<std::chrono::seconds>(now - heard_at_).count();
    if (epoch_ && proto::epoch_says_lost(*epoch_, reply.epoch, static_cast<std::uint32_t>(elapsed)))
      lost_state_ = true;
    epoch_ = reply.epoch;
    heard_at_ = now;
  }

  static base::Error refusal(const PortMappingReply& reply) {
    return mapping_error(error_of(reply), std::string(proto::result_text(reply)));
  }

  const Gateway gateway_;
  udp::socket socket_;
  bool pcp_ = false;
  std::optional<std::uint32_t> epoch_;
  base::TimePoint heard_at_{};
  bool lost_state_ = false;
};

}  // namespace

asio::awaitable<Result<std::unique_ptr<PortProtocol>>> find_port_control(Gateway gateway,
                                                                         PortProtocolPorts ports) {
  udp::socket socket(co_await asio::this_coro::executor);
  boost::system::error_code error;
  const auto local = asio::ip::make_address(gateway.local.address_text(), error);
  if (!error) socket.open(udp::v4(), error);
  if (!error) socket.bind({local, 0}, error);
  if (!error) {
    socket.connect({asio::ip::make_address(gateway.address.address_text()), ports.port_control}, error);
  }
  if (error) co_return base::Error(error, "cannot speak to the gateway");
  auto client = std::make_unique<PortControlClient>(gateway, std::move(socket));
  if (const auto found = co_await client->find_version(); !found) co_return found.error();
  co_return std::unique_ptr<PortProtocol>(std::move(client));
}

}  // namespace p2pd::net
