#include "net/relay_keepalive.hpp"

#include "base/bytes.hpp"

namespace p2pd::net {

std::optional<RelayKeepalive::Opaque> RelayKeepalive::next_ping(base::TimePoint now) {
  if (unanswered_.size() >= kUnanswered) return std::nullopt;
  unanswered_.push_back({next_number_, now});
  base::ByteWriter writer;
  writer.u64(next_number_++);
  return base::ByteReader(writer.view()).array<8>();
}

void RelayKeepalive::on_pong(const Opaque& opaque, base::TimePoint now) {
  const std::uint64_t number = base::ByteReader(opaque).u64();
  for (auto ping = unanswered_.begin(); ping != unanswered_.end(); ++ping) {
    if (ping->number != number) continue;
    const base::Duration sample = now - ping->sent;
    rtt_ = rtt_ ? (*rtt_ * 7 + sample) / 8 : sample;
    // Pongs come in order: what was asked before is answered too.
    unanswered_.erase(unanswered_.begin(), std::next(ping));
    return;
  }
}

}  // namespace p2pd::net
