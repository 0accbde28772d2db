// A data plane's way to the relays: datagrams go by mailbox to the control thread, where the relay sessions
// live. A full mailbox loses the datagram, as a network would. The plane's thread.
#pragma once

#include <utility>

#include "base/mailbox.hpp"
#include "peer/ports.hpp"

namespace p2pd::daemon {

struct RelayDatagram {
  base::PeerId peer;  // where it goes, or whom it came from
  base::Bytes bytes;
};

class RelayUplink final : public peer::RelayPort {
 public:
  explicit RelayUplink(base::Mailbox<RelayDatagram>& to_relays) : to_relays_(to_relays) {}

  bool send(const base::PeerId& peer, base::ByteView datagram) override {
    return online_ && to_relays_.push({peer, base::Bytes(datagram.begin(), datagram.end())});
  }
  [[nodiscard]] bool online() const override { return online_; }
  // True when this changed it.
  bool set_online(bool online) { return std::exchange(online_, online) != online; }

 private:
  base::Mailbox<RelayDatagram>& to_relays_;
  bool online_ = false;
};

}  // namespace p2pd::daemon
