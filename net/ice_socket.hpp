// The UDP socket of the selected pair, held through a duplicate of libnice's descriptor, and the one remote
// address it is used with. Here is the place for what libnice does not do on its sockets: don't-fragment and
// buffer sizes now, segmentation offload (UDP_SEGMENT on send, UDP_GRO on receive) later, in
// ice_socket_linux.cpp. IP_RECVERR is never set: libnice drops a socket at its first read error. Owned by an
// IceSession, on its thread; ends by reset() or destruction, which leaves libnice's descriptor alone.
#pragma once

#include "base/bytes.hpp"
#include "base/descriptor.hpp"
#include "proto/candidate.hpp"

namespace p2pd::net {

class IceSocket {
 public:
  // Duplicates `fd` and makes it report EMSGSIZE for what does not fit its interface, instead of fragmenting.
  void adopt(int fd, const proto::Endpoint& remote);
  void reset() { descriptor_.reset(); }
  [[nodiscard]] bool open() const { return static_cast<bool>(descriptor_); }
  // One datagram to the pair's remote address, past libnice and so past its consent check (RFC 7675): for
  // the caller that has just asked libnice. Returns 0 or errno.
  [[nodiscard]] int send(base::ByteView datagram) const;

 private:
  base::Descriptor descriptor_;
  proto::Endpoint remote_;
};

// Asks for 4 MiB each way; without privileges the kernel gives what net.core.{r,w}mem_max allow.
void enlarge_socket_buffers(int fd);

// Sets DF on everything `fd` sends, and no path-MTU cache of the kernel decides (RFC 8899 does it above).
// Returns false where the system has no such option.
bool forbid_fragmentation(int fd, bool v6);

}  // namespace p2pd::net
