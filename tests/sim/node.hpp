// One machine of the simulation: a disk, a relay session that comes and goes, and, while the process runs, a
// real peer::Peer. kill() is kill -9; start() begins anew from the disk.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "peer/peer.hpp"
#include "tests/sim/fake_ice.hpp"
#include "tests/sim/fake_store.hpp"
#include "tests/sim/network.hpp"

namespace p2pd::sim {

class Node final : private peer::PeerHost, private peer::RelayPort, private peer::PeerObserver {
 public:
  Node(World& world, Network& network, IceRegistry& ice, int side,
       std::shared_ptr<const net::Identity> identity);
  void meet(Node& other) { other_ = &other; }

  void start();
  void kill();
  [[nodiscard]] bool running() const { return peer_ != nullptr; }
  [[nodiscard]] peer::Peer& peer() { return *peer_; }
  [[nodiscard]] Disk& disk() { return disk_; }
  [[nodiscard]] const base::PeerId& id() const { return identity_->id(); }

  // The user's doings; those that need the process do nothing without it.
  void connect();
  void disconnect();
  // Stores a message; its ID tells whose and which it is.
  void send_message(std::size_t size);
  void ping();

  // The relay session. It can be up only while the process runs.
  void set_relay_online(bool online);
  [[nodiscard]] bool relay_online() const { return online_; }
  // A datagram that came a while ago comes again, as a hostile relay could do.
  void replay_old_datagram();

  [[nodiscard]] bool established() const;
  [[nodiscard]] peer::PeerStatus status() const { return peer_->status(); }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] bool ever_disconnected() const { return ever_disconnected_; }
  [[nodiscard]] std::uint64_t kills() const { return kills_; }
  [[nodiscard]] std::uint64_t messages_made() const { return made_; }
  [[nodiscard]] std::uint64_t agents_made() const { return agents_; }
  [[nodiscard]] const std::vector<std::string>& reasons() const { return reasons_; }
  // As they were told, why the connection was not direct.
  [[nodiscard]] const std::vector<peer::WhyNotDirect>& whys() const { return whys_; }

  // The store's troubles are over.
  void heal_store();

  bool direct_allowed = true;
  bool presence = true;  // told to and by this node
  double store_full = 0;
  double store_broken = 0;
  bool wanted = false;
  peer::ServiceHost* services = nullptr;
  std::function<void()> on_kill;  // just before

  // Runs unless the process has died by then.
  void later(base::Duration delay, std::function<void()> what);

 private:
  void tell_presence(peer::Presence what);
  void count_step();

  base::TimePoint now() const override { return world_.now(); }
  void deadline_changed(base::TimePoint deadline) override;
  std::unique_ptr<net::Ice> make_ice(net::IceEvents& events,
                                     const std::optional<proto::Endpoint>& worked_before) override;
  void fill_random(std::span<std::uint8_t> out) override { world_.random.fill(out); }

  bool send(const base::PeerId& peer, base::ByteView datagram) override;
  bool online() const override { return online_; }

  void on_state_changed(const base::PeerId&, std::string_view state, std::string_view reason) override;
  void on_path_changed(const base::PeerId&, peer::PathKind, peer::PathKind, peer::WhyNotDirect,
                       std::string_view) override {}
  void on_why_not_direct(const base::PeerId&, peer::WhyNotDirect why) override { whys_.push_back(why); }
  void on_established(const base::PeerId&, base::Duration) override {}
  void on_direct(const base::PeerId&, peer::PathKind, base::Duration, const net::IcePair&) override {}
  void on_candidate(const base::PeerId&, std::string_view, std::uint32_t, const proto::Candidate&,
                    std::string_view, std::string_view) override {}
  void on_messages_delivered(const base::PeerId&, std::uint64_t up_to) override;
  void on_messages_received(const base::PeerId&, std::uint64_t up_to) override;
  void on_relay_hints(const base::PeerId&, const std::vector<std::string>&) override {}

  World& world_;
  Network& network_;
  IceRegistry& ice_;
  const int side_;
  const std::shared_ptr<const net::Identity> identity_;
  Node* other_ = nullptr;
  Disk disk_;
  std::uint64_t made_ = 0;
  std::uint64_t agents_ = 0;
  bool ever_disconnected_ = false;
  std::uint64_t kills_ = 0;
  std::deque<base::Bytes> old_datagrams_;
  std::vector<std::string> reasons_;
  std::vector<peer::WhyNotDirect> whys_;

  bool online_ = false;
  std::uint64_t session_ = 0;  // counts relay sessions, so that datagrams of an old one do not arrive
  std::shared_ptr<char> process_;
  std::unique_ptr<FakeStore> store_;
  std::unique_ptr<peer::Peer> peer_;
  base::TimePoint timer_ = base::kNever;
  std::uint64_t told_received_ = 0;

  std::uint64_t steps_ = 0;
  std::uint64_t steps_this_second_ = 0;
  base::TimePoint second_began_{};
};

}  // namespace p2pd::sim
