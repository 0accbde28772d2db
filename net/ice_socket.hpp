// The UDP socket of the selected direct pair, held through a duplicate of libnice's descriptor, and the one
// remote address it is used with. Here is what libnice does not do on its sockets: don't-fragment, buffer
// sizes, and segmentation offload, where the system has it (ice_socket_linux.cpp): UDP_SEGMENT sends many
// datagrams in one call, UDP_GRO lets the kernel hand over several as one. Only datagrams of ours may be
// glued so, as libnice would not find its own behind them: the kernel glues none of different hop limits, so
// QUIC goes out with 63, Link frames with 62 and 61 in turn, and libnice's STUN with the system's 64.
// IP_RECVERR is never set: libnice drops a socket at its first read error. Owned by an IceSession, on its
// thread; ends by reset() or destruction, which leaves libnice's descriptor alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include <sys/socket.h>

#include "base/bytes.hpp"
#include "base/descriptor.hpp"
#include "proto/candidate.hpp"

namespace p2pd::net {

class IceSocket {
 public:
  // Duplicates `fd` and makes it report EMSGSIZE for what does not fit its interface, instead of fragmenting.
  void adopt(int fd, const proto::Endpoint& remote);
  void reset();
  [[nodiscard]] bool open() const { return static_cast<bool>(descriptor_); }
  // One datagram to the pair's remote address, past libnice: whether the other end consents
  // to it (RFC 7675) is for the caller to know. Returns 0 or errno.
  [[nodiscard]] int send(base::ByteView datagram);
  // Several, each of `size` bytes but the last, which may have fewer; at most 65,000 bytes. Returns 0, or the
  // errno of the first that was not sent.
  [[nodiscard]] int send_batch(base::ByteView datagrams, std::size_t size);
  // What is received may be several datagrams in one.
  [[nodiscard]] bool coalesces() const { return coalesces_; }
  void stop_coalescing();

 private:
  [[nodiscard]] int hop_limit(base::ByteView datagram);

  base::Descriptor descriptor_;
  sockaddr_storage remote_{};
  socklen_t remote_size_ = 0;
  bool segments_ = false;   // UDP_SEGMENT has not been refused so far
  bool coalesces_ = false;  // UDP_GRO is on
  bool odd_frame_ = false;
};

// One message to `to`; with `segment` as several datagrams of that size, where the system can. Returns 0 or
// errno.
int send_message(int fd, const sockaddr_storage& to, socklen_t size, base::ByteView bytes, int hop_limit,
                 std::uint16_t segment = 0);
// Whether the system has UDP_SEGMENT, and whether it took UDP_GRO.
bool can_segment();
bool set_coalescing(int fd, bool on);

// Asks for 4 MiB each way; without privileges the kernel gives what net.core.{r,w}mem_max allow.
void enlarge_socket_buffers(int fd);

// Sets DF on everything `fd` sends, and no path-MTU cache of the kernel decides (RFC 8899 does it above).
// Returns false where the system has no such option.
bool forbid_fragmentation(int fd, bool v6);

}  // namespace p2pd::net
