// What one stream still owes its peer: bytes copied in once, in chunks whose addresses stay until the bytes
// are acknowledged (ngtcp2 copies nothing and sends from here again after a loss). Three positions in one
// sequence: released <= sent <= written. Not bounded here: the stream's writer looks at size(). A plain
// value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>

#include "base/bytes.hpp"

namespace p2pd::net {

class SendQueue {
 public:
  void append(base::ByteView data);

  // Views of unsent bytes in order, at most out.size() of them; returns how many were set. `all` tells
  // whether they hold everything unsent.
  std::size_t peek_unsent(std::span<base::ByteView> out, bool& all) const;
  // `count` unsent bytes are in flight now.
  void mark_sent(std::size_t count);
  // The `count` oldest bytes were acknowledged: they are freed.
  void release(std::size_t count);
  // Forgets the unsent bytes; those in flight stay.
  void drop_unsent();

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t unsent() const { return unsent_; }

 private:
  struct Chunk {
    std::unique_ptr<std::uint8_t[]> data;
    std::size_t capacity = 0;
    std::size_t begin = 0;  // released up to here
    std::size_t sent = 0;
    std::size_t end = 0;
  };

  std::deque<Chunk> chunks_;
  std::size_t next_ = 0;  // index of the first chunk with unsent bytes; chunks_.size() when there is none
  std::size_t size_ = 0;
  std::size_t unsent_ = 0;
};

}  // namespace p2pd::net
