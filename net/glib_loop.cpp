#include "net/glib_loop.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"

namespace p2pd::net {

namespace {

namespace asio = boost::asio;
using WaitType = asio::posix::stream_descriptor::wait_type;

// Rounds of callbacks in one go; then other handlers of the io_context get their turn.
constexpr int kMaxRounds = 8;
// libnice's timers go off up to a millisecond before the moment they are for, and are set anew, to nothing,
// until it has come: 18 rounds for one keepalive. Where a millisecond does not matter they are given it.
constexpr std::chrono::milliseconds kEarly{1};
constexpr std::chrono::milliseconds kUnhurried{20};
// A deadline that has moved on by so much is worth setting the timer for: it saves a wake-up.
constexpr std::chrono::seconds kMuchLater{10};

// The file behind a descriptor: its number alone may have been closed and given out again meanwhile.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};

FileId file_id(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

// One descriptor of the context, watched through a duplicate: the library may close its own at any moment,
// and Asio must be able to take the registration out of epoll by a number that still is the same file.
struct Watch {
  Watch(asio::io_context& io, int fd, gushort wanted, FileId file)
      : number(fd), events(wanted), id(file), descriptor(io) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0) descriptor.assign(copy);
  }
  ~Watch() { close_duplicate(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // release() deletes the epoll registration; close() would not, as the file stays open elsewhere.
  void close_duplicate() {
    if (descriptor.is_open()) ::close(descriptor.release());
  }

  const int number;
  const gushort events;
  const FileId id;
  asio::posix::stream_descriptor descriptor;
  bool waiting_in = false;
  bool waiting_out = false;
};

struct ContextUnref {
  void operator()(GMainContext* context) const { g_main_context_unref(context); }
};

}  // namespace

// Shared because handlers of cancelled waits still run after stop().
struct GlibLoop::State : std::enable_shared_from_this<GlibLoop::State> {
  State(asio::io_context& executor, std::function<void()> handler)
      : io(executor),
        on_dispatched(std::move(handler)),
        // OWNERLESS_POLLING: a source attached while no iteration runs (nice_agent_send over TURN does it)
        // makes the wake-up descriptor readable, which is watched like any other.
        context(g_main_context_new_with_flags(G_MAIN_CONTEXT_FLAGS_OWNERLESS_POLLING)),
        timer(executor) {}

  void schedule();
  void pump();
  bool iterate(int& timeout);
  void query(int priority, int& timeout);
  void update_watches();
  void wait(const std::shared_ptr<Watch>& watch, WaitType type);
  void arm_timer(int timeout);

  asio::io_context& io;
  std::function<void()> on_dispatched;
  std::unique_ptr<GMainContext, ContextUnref> context;
  asio::steady_timer timer;
  base::TimePoint timer_deadline = base::kNever;
  std::vector<GPollFD> polled = std::vector<GPollFD>(8);
  std::size_t polled_count = 0;
  std::vector<std::shared_ptr<Watch>> watches;
  bool scheduled = false;
  bool running = false;
  bool stopped = false;
};

void GlibLoop::State::schedule() {
  if (scheduled || stopped) return;
  scheduled = true;
  asio::post(io, [state = shared_from_this()] {
    state->scheduled = false;
    state->pump();
  });
}

void GlibLoop::State::query(int priority, int& timeout) {
  for (;;) {
    const int room = static_cast<int>(polled.size());
    const int count = g_main_context_query(context.get(), priority, &timeout, polled.data(), room);
    if (count <= room) {
      polled_count = static_cast<std::size_t>(count);
      return;
    }
    polled.resize(static_cast<std::size_t>(count));
  }
}

// One round: what is ready is called. False when nothing was.
bool GlibLoop::State::iterate(int& timeout) {
  int priority = 0;
  g_main_context_prepare(context.get(), &priority);
  query(priority, timeout);
  const auto count = static_cast<guint>(polled_count);
  g_poll(polled.data(), count, 0);
  if (!g_main_context_check(context.get(), priority, polled.data(), static_cast<int>(count))) return false;
  g_main_context_dispatch(context.get());
  return true;
}

void GlibLoop::State::pump() {
  if (stopped || running) return;
  running = true;
  // libnice hands datagrams over directly only where the calling thread owns the context.
  const bool acquired = g_main_context_acquire(context.get());
  P2PD_ASSERT(acquired);
  int timeout = -1;
  int rounds = 0;
  while (rounds < kMaxRounds && iterate(timeout)) {
    ++rounds;
    if (on_dispatched) on_dispatched();
  }
  g_main_context_release(context.get());
  running = false;
  if (rounds == kMaxRounds) {
    schedule();
    return;
  }
  update_watches();
  arm_timer(timeout);
}

// Follows the set of descriptors that the last query returned. It seldom changes, and then only what did is
// registered anew.
void GlibLoop::State::update_watches() {
  const auto same = [](const Watch& watch, const GPollFD& entry) {
    return watch.number == entry.fd && watch.events == entry.events && watch.id == file_id(entry.fd);
  };
  bool changed = watches.size() != polled_count;
  for (std::size_t i = 0; !changed && i < polled_count; ++i) changed = !same(*watches[i], polled[i]);
  if (changed) {
    std::vector<std::shared_ptr<Watch>> next;
    next.reserve(polled_count);
    for (std::size_t i = 0; i < polled_count; ++i) {
      const auto found = std::find_if(watches.begin(), watches.end(),
                                      [&](const auto& watch) { return watch && same(*watch, polled[i]); });
      if (found != watches.end()) {
        next.push_back(std::move(*found));
      } else {
        next.push_back(std::make_shared<Watch>(io, polled[i].fd, polled[i].events, file_id(polled[i].fd)));
      }
    }
    // A dropped watch may be held by its own waiting handler: close it now, not when that has run.
    for (const auto& dropped : watches) {
      if (dropped) dropped->close_duplicate();
    }
    watches = std::move(next);
  }
  for (const auto& watch : watches) {
    if (!watch->descriptor.is_open()) continue;
    if ((watch->events & (G_IO_IN | G_IO_PRI)) != 0 && !watch->waiting_in) {
      watch->waiting_in = true;
      wait(watch, WaitType::wait_read);
    }
    if ((watch->events & G_IO_OUT) != 0 && !watch->waiting_out) {
      watch->waiting_out = true;
      wait(watch, WaitType::wait_write);
    }
  }
}

void GlibLoop::State::wait(const std::shared_ptr<Watch>& watch, WaitType type) {
  watch->descriptor.async_wait(
      type, [state = shared_from_this(), watch, type](const boost::system::error_code& error) {
        (type == WaitType::wait_read ? watch->waiting_in : watch->waiting_out) = false;
        if (!error) state->pump();
      });
}

// Only an earlier deadline touches the timer, or a much later one: a wake-up too early does nothing but arm
// it again, and setting a timer at every packet would cost more than the packet.
void GlibLoop::State::arm_timer(int timeout) {
  if (timeout < 0) return;
  const std::chrono::milliseconds due_in(timeout);
  const auto deadline = base::Clock::now() + due_in + (due_in > kUnhurried ? kEarly : kEarly.zero());
  const bool much_later = timer_deadline != base::kNever && deadline - timer_deadline >= kMuchLater;
  if (timer_deadline <= deadline && !much_later) return;
  // GLib rounds up to milliseconds, so that one source's deadline seems to wander by one.
  if (!much_later && timer_deadline != base::kNever &&
      timer_deadline - deadline < std::chrono::milliseconds(1))
    return;
  timer_deadline = deadline;
  timer.expires_at(deadline);
  timer.async_wait([state = shared_from_this()](const boost::system::error_code& error) {
    if (error) return;
    state->timer_deadline = base::kNever;
    state->pump();
  });
}

GlibLoop::GlibLoop(asio::io_context& io, std::function<void()> on_dispatched)
    : state_(std::make_shared<State>(io, std::move(on_dispatched))) {}

GlibLoop::~GlibLoop() { stop(); }

GMainContext* GlibLoop::context() const { return state_->context.get(); }

void GlibLoop::schedule() { state_->schedule(); }

void GlibLoop::stop() {
  if (state_->stopped) return;
  P2PD_ASSERT(!state_->running);
  state_->stopped = true;
  state_->timer.cancel();
  for (const auto& watch : state_->watches) watch->close_duplicate();
  state_->watches.clear();
  state_->on_dispatched = nullptr;
  state_->context.reset();
}

void route_glib_log() {
  static std::once_flag once;
  std::call_once(once, [] {
    g_log_set_default_handler(
        [](const gchar* domain, GLogLevelFlags, const gchar* message, gpointer) {
          base::log::debug("glib", message != nullptr ? message : "",
                           {{"domain", domain != nullptr ? domain : ""}});
        },
        nullptr);
  });
}

}  // namespace p2pd::net
