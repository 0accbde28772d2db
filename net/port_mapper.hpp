// The daemon's one client of its gateway's port mapping: PCP before NAT-PMP before UPnP. It finds the
// gateway, makes a mapping for each port that ICE agents ask for, renews it at half of its life, deletes it
// and makes it anew where the gateway will not renew it, makes all anew when the gateway has lost them or the
// network has changed, and removes them at the end.
//
// Once for each gateway it maps a port of its own and has a STUN server send there: nothing is mapped for
// others where that does not come in.
//
//   off <-> finding --> none: asked again at a network change, or after a while when a port is asked for
//              ^  +---> mapping (pcp | nat-pmp | upnp) --+
//              +----- no answer, network changed --------+
//
// Owned by the Node, on its executor's thread, except for add() and remove(). One request to the gateway at a
// time, each with a deadline; what the gateway says is used only after the rules for candidates. How it ends:
// co_await stop(), then destruction; agents may outlive it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "net/default_gateway.hpp"
#include "net/port_mappings.hpp"
#include "net/port_protocol.hpp"
#include "net/stun_client.hpp"
#include "proto/net_report.hpp"

namespace p2pd::net {

struct PortMapperConfig {
  std::function<std::optional<Gateway>()> find_gateway = default_gateway;
  PortProtocolPorts ports;
  // Of a mapping, asked for. A crash leaves a port open for no longer than this.
  std::chrono::seconds lifetime{1'800};
  // No sooner is a mapping renewed, whatever lifetime the gateway grants.
  std::chrono::milliseconds least_renewal{30'000};
  // A gateway that did not answer is asked again when a port is wanted this much later.
  std::chrono::seconds look_again{600};
  // Of the question whether a mapped port is reached from outside. A gateway of which it is not is left
  // alone.
  StunTiming proof{
      {std::chrono::milliseconds(0), std::chrono::milliseconds(150), std::chrono::milliseconds(450)},
      std::chrono::milliseconds(1'000)};
  bool allow_loopback = false;  // outside addresses may be loopback ones, for tests
};

struct PortMapperStatus {
  enum class State { off, finding, none, mapping };

  State state = State::off;
  std::string protocol;  // pcp, nat-pmp, upnp while mapping
  std::string gateway;   // its address; empty without one
  std::string external;  // the outside address, of the latest mapping
  std::size_t mappings = 0;
  // A STUN server's answer came in by a mapped port; unknown: none could be asked, or the gateway is behind
  // another NAT, whose other customers may still get in.
  proto::Finding reached = proto::Finding::unknown;
  std::string error;  // the latest failure
  [[nodiscard]] bool operator==(const PortMapperStatus&) const = default;
};
[[nodiscard]] std::string_view to_string(PortMapperStatus::State state);

class PortMapper final : public PortMappings {
 public:
  // Mappings at a time; who comes later gets none.
  static constexpr std::size_t kMaxMappings = 128;

  PortMapper(boost::asio::any_io_executor executor, PortMapperConfig config);
  ~PortMapper();
  PortMapper(const PortMapper&) = delete;
  PortMapper& operator=(const PortMapper&) = delete;

  void start();  // once
  // Off is the beginning: nothing is sent. Turning it off deletes what is mapped.
  void set_enabled(bool enabled);
  void network_changed();
  // STUN servers by which it sees whether mapped ports are reached from outside (RFC 5780 7.5).
  void set_stun_servers(std::vector<proto::Endpoint> servers);
  // Called on the mapper's thread at each change of status().
  void watch(std::function<void()> changed);
  [[nodiscard]] PortMapperStatus status() const;
  // Deletes the mappings, for at most a second.
  [[nodiscard]] boost::asio::awaitable<void> stop();

  [[nodiscard]] Id add(const proto::Endpoint& internal, boost::asio::any_io_executor executor,
                       Told told) override;
  void remove(Id id) override;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // shared with what other threads have posted
};

}  // namespace p2pd::net
