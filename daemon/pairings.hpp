// Invitations in both directions as the node sees them: the inviter's side and the joiner's, which share the
// relays' knocks and datagrams. Control thread; owned by the Node. How it ends: stop() while the relays are
// still up, then destruction.
#pragma once

#include <memory>

#include "daemon/inviting.hpp"
#include "daemon/joining.hpp"

namespace p2pd::daemon {

class Pairings final : public PairingTraffic {
 public:
  Pairings(std::unique_ptr<Inviting> inviting, std::unique_ptr<Joining> joining)
      : inviting_(std::move(inviting)), joining_(std::move(joining)) {}

  [[nodiscard]] Inviting& inviting() { return *inviting_; }
  [[nodiscard]] Joining& joining() { return *joining_; }

  void stop() {
    joining_->stop();
    inviting_->stop();
  }

  void on_knock(const std::string& url, const base::PeerId& relay, const base::PeerId& sender,
                base::ByteView payload) override {
    inviting_->on_knock(url, relay, sender, payload);
  }
  [[nodiscard]] bool pairing() const override { return inviting_->active() || joining_->active(); }
  [[nodiscard]] bool take_datagram(const std::string& url, const base::PeerId& sender,
                                   base::ByteView datagram) override {
    return joining_->take_datagram(url, sender, datagram) || inviting_->take_datagram(url, sender, datagram);
  }
  void on_relay_up() override { joining_->look(); }

 private:
  std::unique_ptr<Inviting> inviting_;
  std::unique_ptr<Joining> joining_;
};

}  // namespace p2pd::daemon
