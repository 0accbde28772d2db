// What an ICE agent needs of the port mapper: an outside address for a port of its own. The PortMapper is it;
// tests have others. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include <boost/asio/any_io_executor.hpp>

#include "proto/candidate.hpp"

namespace p2pd::net {

class PortMappings {
 public:
  using Id = std::uint64_t;
  // Nothing: there is no mapping, or not any more.
  using Told = std::function<void(std::optional<proto::Endpoint> external)>;

  // Asks for a mapping to `internal`, a UDP port of this machine, until remove(). `told` runs on `executor`,
  // never inside the call: once, some 12 s later at most, and again at each change.
  [[nodiscard]] virtual Id add(const proto::Endpoint& internal, boost::asio::any_io_executor executor,
                               Told told) = 0;
  // A `told` that is under way may still run.
  virtual void remove(Id id) = 0;

 protected:
  ~PortMappings() = default;
};

}  // namespace p2pd::net
