// The SHA-256 of a file's beginning, up to a position that moves forward with what is read or written, and
// can go back a little: a copy of the state is kept every 4 MiB, the last 64 of them. A plain value; the file
// worker's line.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "base/bytes.hpp"
#include "net/crypto.hpp"

namespace p2pd::daemon {

class HashedPrefix {
 public:
  static constexpr std::uint64_t kInterval = 4 * 1024 * 1024;
  static constexpr std::size_t kKept = 64;

  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] net::Sha256 digest() const { return hash_.digest(); }
  void add(base::ByteView data);
  // `count` zero bytes.
  void add_zeros(std::uint64_t count);
  // Goes back to the nearest kept place at or before `position`, at worst to 0; position() says which.
  void go_back(std::uint64_t position);

 private:
  void moved(std::uint64_t count);

  net::Sha256Stream hash_;
  std::uint64_t position_ = 0;
  std::deque<std::pair<std::uint64_t, net::Sha256Stream>> kept_;
};

}  // namespace p2pd::daemon
