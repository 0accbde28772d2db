// What the service manager is told about the running daemon: ready, a line of status, a sign of life while
// every thread answers, the end. Owned by the Node, control thread. How it ends: stopping().
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/service_manager.hpp"
#include "daemon/data_plane.hpp"

namespace p2pd::daemon {

class Node;

class Service {
 public:
  // All outlive it.
  Service(const base::ServiceManager& manager, Node& node);

  // The socket answers and the peers are there. Tells the manager once the data planes have answered, too.
  void ready();
  // Something that the status line shows may have changed: it is told within a second, if it has.
  void changed();
  // Before and after the configuration is read again; both are needed. Before ready() nobody is told.
  void reloading() const {
    if (ready_) manager_.reloading();
  }
  void reloaded() const {
    if (ready_) manager_.ready();
  }
  void stopping();

  // base::HealthCheck of the whole daemon: the data planes and the store answer.
  void check_health(std::function<void()> well);
  [[nodiscard]] const base::ServiceManager& manager() const { return manager_; }

 private:
  void with_line(std::function<void(const std::string& line)> done);
  void tell();

  const base::ServiceManager& manager_;
  Node& node_;
  boost::asio::steady_timer pause_;
  bool ready_ = false;
  bool waiting_ = false;  // a change is told at the end of the pause
  bool stopping_ = false;
  std::string told_;
};

}  // namespace p2pd::daemon
