// What waits to be written to one relay connection, at either end. Datagrams are bounded in number and bytes:
// when they are full the oldest goes, as on a network with a short queue. Control frames go first and are
// never dropped; there is a limit to them too, past which the connection is to be ended. A plain value; no
// clock, no I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/bytes.hpp"

namespace p2pd::net {

class RelayQueue {
 public:
  struct Limits {
    std::size_t datagrams = 256;
    std::size_t bytes = 1024 * 1024;  // of datagrams
    std::size_t control = 8'192;
  };
  struct Frame {
    base::Bytes bytes;
    bool datagram = false;
  };

  explicit RelayQueue(Limits limits) : limits_(limits) {}

  // Returns how many datagrams were dropped for it; one larger than the whole queue is dropped itself.
  std::size_t push_datagram(base::Bytes frame);
  // False: over the limit, not taken.
  [[nodiscard]] bool push_control(base::Bytes frame);
  // Control first, each kind in the order it came.
  [[nodiscard]] std::optional<Frame> pop();

  [[nodiscard]] bool empty() const { return control_.empty() && datagrams_.empty(); }
  [[nodiscard]] std::size_t datagrams() const { return datagrams_.size(); }
  [[nodiscard]] std::size_t datagram_bytes() const { return datagram_bytes_; }
  void clear();

 private:
  Limits limits_;
  std::deque<base::Bytes> control_;
  std::deque<base::Bytes> datagrams_;
  std::size_t datagram_bytes_ = 0;
};

}  // namespace p2pd::net
