#include "net/ice_agent.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/overloaded.hpp"
#include "net/ice_session.hpp"

namespace p2pd::net {

namespace {

namespace asio = boost::asio;

// The peer may send on the old pair until its own end has a new one, a round trip or so later.
constexpr std::chrono::seconds kPreviousLingers{1};
// A receiver that flushes only at the end of a long batch would starve the sender of acknowledgements.
constexpr std::size_t kBatch = 64;

}  // namespace

// Shared because the handlers it posts (events, the closing of sessions) may run after IceAgent's destructor.
struct IceAgent::Impl final : IceSessionOwner, std::enable_shared_from_this<IceAgent::Impl> {
  Impl(asio::io_context& executor, IceConfig settings, IceEvents& receiver)
      : io(executor), config(std::move(settings)), events(&receiver), linger(executor) {}

  void on_session_event(IceSession& session, IceSessionEvent event) override;
  void on_session_datagram(base::ByteView datagram, std::size_t packets) override;
  void on_session_batch_end() override;

  void deliver();
  void deliver(IceSessionEvent& event);
  void close_later(std::unique_ptr<IceSession> session);
  void close_previous_soon();
  void finish_if_empty();
  [[nodiscard]] bool is_current(std::uint32_t generation) const {
    return current && current->generation() == generation;
  }
  // What datagrams go through: the session before this one until this one is connected. Or null.
  [[nodiscard]] IceSession* carrier() const {
    return current && current->connected() ? current.get() : previous.get();
  }

  asio::io_context& io;
  IceConfig config;
  IceEvents* events;  // null after stop(): nothing is told any more
  std::unique_ptr<IceSession> current;
  std::unique_ptr<IceSession> previous;  // connected when it was replaced
  std::vector<std::unique_ptr<IceSession>> closing;
  asio::steady_timer linger;
  std::deque<std::pair<std::uint32_t, IceSessionEvent>> queue;  // a few per candidate; drained at once
  bool posted = false;
  std::size_t batch = 0;
  std::function<void()> stopped;
};

void IceAgent::Impl::on_session_event(IceSession& session, IceSessionEvent event) {
  if (events == nullptr) return;
  queue.emplace_back(session.generation(), std::move(event));
  if (posted) return;
  posted = true;
  asio::post(io, [self = shared_from_this()] { self->deliver(); });
}

void IceAgent::Impl::deliver() {
  posted = false;
  // The owner may call anything from an event, stop() included, which empties the queue.
  while (!queue.empty()) {
    auto [generation, event] = std::move(queue.front());
    queue.pop_front();
    if (is_current(generation)) deliver(event);
  }
}

void IceAgent::Impl::deliver(IceSessionEvent& event) {
  const std::uint32_t generation = current->generation();
  std::visit(base::Overloaded{
                 [&](const proto::Candidate& candidate) { events->on_ice_candidate(generation, candidate); },
                 [&](const IceGatheringDone&) { events->on_ice_gathering_done(generation); },
                 [&](const IcePair& pair) {
                   if (previous) close_previous_soon();
                   if (!pair.relayed()) config.worked_before = pair.local_base();
                   events->on_ice_connected(generation, pair);
                 },
                 [&](const IceFailure& failure) { events->on_ice_failed(generation, failure); }},
             event);
}

void IceAgent::Impl::on_session_datagram(base::ByteView datagram, std::size_t packets) {
  if (events == nullptr) return;
  events->on_ice_datagram(datagram);
  batch += packets;
  if (batch >= kBatch) on_session_batch_end();
}

void IceAgent::Impl::on_session_batch_end() {
  if (std::exchange(batch, 0) > 0 && events != nullptr) events->on_ice_batch_end();
}

// Posted: the caller may be inside a callback of that very session.
void IceAgent::Impl::close_later(std::unique_ptr<IceSession> session) {
  IceSession* raw = session.get();
  closing.push_back(std::move(session));
  asio::post(io, [self = shared_from_this(), raw] {
    raw->close([self, raw] {
      std::erase_if(self->closing, [raw](const auto& held) { return held.get() == raw; });
      self->finish_if_empty();
    });
  });
}

void IceAgent::Impl::close_previous_soon() {
  linger.expires_after(kPreviousLingers);
  linger.async_wait(
      [self = shared_from_this(), raw = previous.get()](const boost::system::error_code& error) {
        // A restart meanwhile may have put another one in its place.
        if (!error && self->previous && self->previous.get() == raw)
          self->close_later(std::move(self->previous));
      });
}

void IceAgent::Impl::finish_if_empty() {
  if (!stopped || !closing.empty()) return;
  const auto done = std::exchange(stopped, nullptr);
  done();
}

IceAgent::IceAgent(asio::io_context& io, IceConfig config, IceEvents& events) {
  route_glib_log();
  impl_ = std::make_shared<Impl>(io, std::move(config), events);
}

IceAgent::~IceAgent() { P2PD_ASSERT(!impl_->current && !impl_->previous && impl_->closing.empty()); }

IceCredentials IceAgent::start(std::uint32_t generation, bool controlling) {
  Impl& impl = *impl_;
  P2PD_ASSERT(impl.events != nullptr);
  P2PD_ASSERT(!impl.current || generation > impl.current->generation());
  if (impl.current) {
    impl.linger.cancel();
    const bool carries = impl.current->connected();
    // Only one is kept beside the new one: the last that carried data.
    if (carries && impl.previous) impl.close_later(std::move(impl.previous));
    if (carries)
      impl.previous = std::move(impl.current);
    else
      impl.close_later(std::move(impl.current));
  }
  impl.current = std::make_unique<IceSession>(impl.io, impl.config, generation, controlling, impl);
  base::log::debug(
      "ice", "generation started",
      {{"peer", impl.config.log_name}, {"generation", generation}, {"controlling", controlling}});
  impl.current->gather();
  return impl.current->local_credentials();
}

void IceAgent::set_remote_credentials(std::uint32_t generation, const IceCredentials& credentials) {
  if (impl_->is_current(generation)) impl_->current->set_remote_credentials(credentials);
}

void IceAgent::add_remote_candidate(std::uint32_t generation, const proto::Candidate& candidate) {
  if (impl_->is_current(generation)) impl_->current->add_remote_candidate(candidate);
}

void IceAgent::remote_candidates_done(std::uint32_t generation) {
  if (impl_->is_current(generation)) impl_->current->remote_candidates_done();
}

SendOutcome IceAgent::send(base::ByteView datagram) {
  IceSession* carrier = impl_->carrier();
  return carrier != nullptr ? carrier->send(datagram) : SendOutcome::no_path;
}

SendOutcome IceAgent::send_batch(base::ByteView datagrams, std::size_t size) {
  IceSession* carrier = impl_->carrier();
  return carrier != nullptr ? carrier->send_batch(datagrams, size) : SendOutcome::no_path;
}

void IceAgent::stop(std::function<void()> done) {
  Impl& impl = *impl_;
  P2PD_ASSERT(impl.events != nullptr);
  impl.events = nullptr;
  impl.queue.clear();
  impl.linger.cancel();
  impl.stopped = std::move(done);
  if (impl.previous) impl.close_later(std::move(impl.previous));
  if (impl.current) impl.close_later(std::move(impl.current));
  // Where nothing is to be closed `done` must still not come from inside this call.
  asio::post(impl.io, [self = impl_] { self->finish_if_empty(); });
}

}  // namespace p2pd::net
