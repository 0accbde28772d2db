// A GMainContext driven by an Asio io_context: no thread and no GMainLoop of its own. The context's
// descriptors are watched with async_wait and its next timeout is one steady_timer. One ICE session owns one
// loop, so a wake-up polls that session's few descriptors and not every peer's (233 us at 1,000 peers).
// Everything happens on the io_context's thread. It ends by stop(), which must not be called from a callback
// of the context; handlers already queued in the io_context find it stopped.
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/io_context.hpp>

typedef struct _GMainContext GMainContext;

namespace p2pd::net {

class GlibLoop {
 public:
  // `on_dispatched` runs after each round of callbacks, still inside the context's iteration.
  GlibLoop(boost::asio::io_context& io, std::function<void()> on_dispatched);
  ~GlibLoop();
  GlibLoop(const GlibLoop&) = delete;
  GlibLoop& operator=(const GlibLoop&) = delete;

  [[nodiscard]] GMainContext* context() const;
  // Runs what is ready, from the io_context. Call it after anything that may have added a source; sources
  // that are added from inside a callback are found anyway.
  void schedule();
  // Releases every descriptor and the context. No callback runs afterwards.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the handlers waiting in the io_context
};

// Sends what GLib and libnice log to base::log, at debug: their warnings are about single packets and dead
// servers, nothing that the user must act on. Idempotent; any thread.
void route_glib_log();

}  // namespace p2pd::net
