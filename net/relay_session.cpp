#include "net/relay_session.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "base/await.hpp"
#include "base/log.hpp"
#include "base/overloaded.hpp"
#include "base/random.hpp"
#include "base/task_group.hpp"
#include "base/within.hpp"
#include "net/local_addresses.hpp"
#include "net/relay_backoff.hpp"
#include "net/relay_error.hpp"
#include "net/relay_handshake.hpp"
#include "net/relay_interest.hpp"
#include "net/relay_keepalive.hpp"
#include "net/relay_queue.hpp"
#include "net/relay_transport.hpp"
#include "proto/error.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
namespace log = base::log;
using base::kAwait;
using std::chrono::milliseconds;

// A session that lasted this long was a good one: the back-off begins anew.
constexpr std::chrono::seconds kProvenSession{5};
constexpr milliseconds kFlushAtStop{250};
// After the network changed: more than a round trip anywhere, less than a user waits for.
constexpr milliseconds kProveAlive{1'000};

bool is_local(const asio::ip::address& address) {
  const auto endpoint = proto::Endpoint::from_text(address.to_string(), 0);
  const auto all = local_addresses();
  return !endpoint || std::any_of(all.begin(), all.end(),
                                  [&](const LocalAddress& local) { return local.address == *endpoint; });
}

}  // namespace

std::string_view to_string(RelaySessionState state) {
  switch (state) {
    case RelaySessionState::stopped:
      return "stopped";
    case RelaySessionState::connecting:
      return "connecting";
    case RelaySessionState::authenticating:
      return "authenticating";
    case RelaySessionState::online:
      return "online";
    case RelaySessionState::backing_off:
      return "backing_off";
  }
  return "stopped";
}

class RelaySession::Impl {
 public:
  Impl(RelaySession& owner, asio::any_io_executor executor, RelaySessionConfig config, RelayEvents& events)
      : owner_(owner),
        config_(std::move(config)),
        url_text_(config_.url.text()),
        events_(events),
        tasks_(executor),
        queue_(RelayQueue::Limits{.datagrams = config_.queue_datagrams, .bytes = config_.queue_bytes}),
        wake_(executor),
        redial_(executor),
        disrupted_(executor),
        next_ping_(executor),
        flushed_(executor) {}

  void start() { tasks_.spawn("relay session", run()); }
  asio::awaitable<void> stop();
  bool send(const base::PeerId& to, base::ByteView datagram);
  bool knock(const base::PeerId& to, base::ByteView payload);
  void set_interest(std::vector<base::PeerId> peers);
  void set_credentials(std::string ca_file, std::string token);
  void retry_now();
  void network_changed();

 private:
  friend class RelaySession;

  asio::awaitable<void> run();
  asio::awaitable<base::Result<>> run_connecting();
  asio::awaitable<base::Error> run_online();
  asio::awaitable<void> run_backing_off(milliseconds delay);

  asio::awaitable<base::Result<>> dial();
  asio::awaitable<base::Result<>> dial_once();
  asio::awaitable<base::Error> read_frames();
  asio::awaitable<base::Error> write_frames();
  asio::awaitable<base::Error> keep_alive();

  std::optional<base::Error> handle(base::ByteView message);
  void queue_control(base::Bytes frame);
  void wake_writer();
  void tell_interest();
  void note_failure(const base::Error& error);

  RelaySession& owner_;
  RelaySessionConfig config_;
  const std::string url_text_;
  RelayEvents& events_;
  RelaySessionState state_ = RelaySessionState::stopped;
  RelaySessionStats stats_;
  std::string last_error_;
  std::optional<RelayAgreement> agreement_;
  RelayKeepalive keepalive_;
  base::TaskGroup tasks_;
  std::unique_ptr<RelayTransport> transport_;  // from connected to the end of the session
  std::shared_ptr<const TlsContext> tls_;
  RelayQueue queue_;
  bool writing_ = false;
  asio::steady_timer wake_;  // the writer waits on it for a frame
  asio::steady_timer redial_;
  asio::steady_timer disrupted_;  // cancelled when a dial is to be given up
  asio::steady_timer next_ping_;
  asio::steady_timer flushed_;
  std::vector<base::PeerId> interest_;
  RelayInterestList told_interest_;
  RelayBackoff backoff_{config_};
  bool bind_tls_ = true;         // what the relay took last
  bool hurried_ = false;         // next_ping_ was cancelled to see at once whether the relay lives
  bool redial_at_once_ = false;  // without back-off
  bool stopping_ = false;
};

asio::awaitable<void> RelaySession::Impl::run() {
  while (!stopping_) {
    state_ = RelaySessionState::connecting;
    const base::Result<> connected = co_await run_connecting();
    if (stopping_) break;
    base::Error end;
    if (connected) {
      end = co_await run_online();
    } else {
      end = connected.error();
      ++stats_.failures;
      transport_.reset();
    }
    if (stopping_) break;
    if (std::exchange(redial_at_once_, false)) continue;
    const milliseconds delay = backoff_.next(end, base::random_unit());
    log::debug("relay", "waiting before the next dial", {{"url", url_text_}, {"ms", delay.count()}});
    co_await run_backing_off(delay);
  }
}

asio::awaitable<base::Result<>> RelaySession::Impl::run_connecting() {
  using namespace asio::experimental::awaitable_operators;
  disrupted_.expires_at(asio::steady_timer::time_point::max());
  const auto ended =
      co_await (base::within(config_.connect_timeout, dial()) || disrupted_.async_wait(kAwait));
  base::Result<> result;
  if (ended.index() == 1) {
    result = base::Error(asio::error::operation_aborted, "the network changed");
    co_return result;
  }
  if (const auto& dialled = std::get<0>(ended); !dialled) {
    result = base::Error(
        make_error_code(RelayError::timed_out),
        fmt::format("{} {}",
                    state_ == RelaySessionState::authenticating ? "authenticating to" : "connecting to",
                    config_.url.authority()));
  } else {
    result = *dialled;
  }
  if (result.has_error() && !stopping_) note_failure(result.error());
  co_return result;
}

// Where a proxy ends TLS in front of the relay, the relay cannot know our exporter: then the other form of
// signature is tried at once. A relay that ends TLS itself takes no unbound signature, so nobody gains by
// making us send one.
asio::awaitable<base::Result<>> RelaySession::Impl::dial() {
  base::Result<> result = co_await dial_once();
  if (result.has_error() && result.error().code == RelayError::authentication_failed && config_.url.tls) {
    bind_tls_ = !bind_tls_;
    state_ = RelaySessionState::connecting;
    result = co_await dial_once();
  }
  co_return result;
}

asio::awaitable<base::Result<>> RelaySession::Impl::dial_once() {
  if (config_.url.tls && !tls_) {
    auto tls = TlsContext::client(config_.ca_file);
    if (!tls) co_return tls.error();
    tls_ = std::move(*tls);
  }
  auto transport = co_await RelayTransport::dial(config_.url, tls_, config_.proxy);
  if (!transport) co_return transport.error();
  transport_ = std::move(*transport);
  state_ = RelaySessionState::authenticating;
  RelayHandshake handshake{config_.identity,  config_.url.authority(), config_.token,
                           config_.relay_key, config_.joined_already,  bind_tls_};
  auto agreed =
      co_await base::within(config_.auth_timeout, authenticate_to_relay(*transport_, std::move(handshake)));
  if (!agreed) {
    co_return base::Error(make_error_code(RelayError::timed_out),
                          "authenticating to " + config_.url.authority());
  }
  if (!*agreed) co_return agreed->error();
  agreement_ = std::move(**agreed);
  co_return base::Result<>();
}

asio::awaitable<base::Error> RelaySession::Impl::run_online() {
  using namespace asio::experimental::awaitable_operators;
  const auto since = asio::steady_timer::clock_type::now();
  state_ = RelaySessionState::online;
  ++stats_.sessions;
  last_error_.clear();
  keepalive_ = RelayKeepalive();
  redial_at_once_ = false;
  transport_->set_max_message(proto::kRelayMaxFrame);
  log::info(
      "relay", "online",
      {{"url", url_text_}, {"relay", agreement_->relay}, {"max_payload", agreement_->welcome.max_payload}});
  told_interest_.forget();
  tell_interest();
  events_.on_relay_online(owner_);

  // The first to end ends the others.
  const auto ended = co_await (read_frames() || write_frames() || keep_alive());
  const base::Error end = std::visit([](const base::Error& error) { return error; }, ended);
  transport_.reset();
  queue_.clear();
  flushed_.cancel();
  state_ = RelaySessionState::connecting;
  if (stopping_) co_return end;
  if (asio::steady_timer::clock_type::now() - since >= kProvenSession) backoff_.reset();
  note_failure(end);
  events_.on_relay_offline(owner_, last_error_);
  co_return end;
}

asio::awaitable<void> RelaySession::Impl::run_backing_off(milliseconds delay) {
  state_ = RelaySessionState::backing_off;
  redial_.expires_after(delay);
  co_await redial_.async_wait(kAwait);
}

asio::awaitable<base::Error> RelaySession::Impl::read_frames() {
  for (;;) {
    const auto message = co_await transport_->read();
    if (!message) co_return message.error();
    auto end = handle(*message);
    if (end) co_return std::move(*end);
  }
}

asio::awaitable<base::Error> RelaySession::Impl::write_frames() {
  for (;;) {
    const auto frame = queue_.pop();
    if (!frame) {
      flushed_.cancel();
      wake_.expires_at(asio::steady_timer::time_point::max());
      co_await wake_.async_wait(kAwait);
      const auto cancellation = co_await asio::this_coro::cancellation_state;
      if (cancellation.cancelled() != asio::cancellation_type::none) {
        co_return base::Error(asio::error::operation_aborted);
      }
      continue;
    }
    writing_ = true;
    const auto written = co_await transport_->write(frame->bytes);
    writing_ = false;
    if (!written) co_return written.error();
    if (frame->datagram) ++stats_.sent;
  }
}

asio::awaitable<base::Error> RelaySession::Impl::keep_alive() {
  hurried_ = false;
  for (;;) {
    const bool hurried = std::exchange(hurried_, false);
    if (!hurried || keepalive_.answered()) {
      const auto ping = keepalive_.next_ping(asio::steady_timer::clock_type::now());
      if (!ping) co_return base::Error(make_error_code(RelayError::silent), "two pings stand unanswered");
      queue_control(proto::encode(proto::RelayPing{*ping}));
    }
    next_ping_.expires_after(hurried ? kProveAlive : config_.keepalive);
    const auto [error] = co_await next_ping_.async_wait(kAwait);
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none || (error && !hurried_)) {
      co_return base::Error(asio::error::operation_aborted);
    }
    if (hurried && !error && !keepalive_.answered()) {
      co_return base::Error(make_error_code(RelayError::silent), "no answer after the network changed");
    }
  }
}

std::optional<base::Error> RelaySession::Impl::handle(base::ByteView message) {
  const auto frame = proto::parse_relay_frame(message);
  if (!frame) {
    if (frame.error().code == make_error_code(proto::FrameError::unknown_type)) return std::nullopt;
    return base::Error(make_error_code(RelayError::bad_frame), frame.error().message());
  }
  if (stopping_) return std::nullopt;
  return std::visit(base::Overloaded{
                        [this](const proto::RelayReceived& received) -> std::optional<base::Error> {
                          ++stats_.received;
                          events_.on_relay_datagram(owner_, received.from, received.payload);
                          return std::nullopt;
                        },
                        [this](const proto::RelayPresence& presence) -> std::optional<base::Error> {
                          events_.on_relay_presence(owner_, presence.peer, presence.state);
                          return std::nullopt;
                        },
                        [this](const proto::RelayKnocked& knocked) -> std::optional<base::Error> {
                          events_.on_relay_knock(owner_, knocked.from, knocked.payload);
                          return std::nullopt;
                        },
                        [this](const proto::RelayPing& ping) -> std::optional<base::Error> {
                          queue_control(proto::encode(proto::RelayPong{ping.opaque}));
                          return std::nullopt;
                        },
                        [this](const proto::RelayPong& pong) -> std::optional<base::Error> {
                          keepalive_.on_pong(pong.opaque, asio::steady_timer::clock_type::now());
                          events_.on_relay_rtt(owner_);
                          return std::nullopt;
                        },
                        [this](const proto::RelayLimits& limits) -> std::optional<base::Error> {
                          log::debug("relay", "limits",
                                     {{"url", url_text_},
                                      {"packets_per_second", limits.packets_per_second},
                                      {"bytes_per_second", limits.bytes_per_second}});
                          return std::nullopt;
                        },
                        [](const proto::RelayGoodbye& goodbye) -> std::optional<base::Error> {
                          return goodbye_error(goodbye);
                        },
                        [](const auto&) -> std::optional<base::Error> {
                          return base::Error(make_error_code(RelayError::bad_frame),
                                             "a handshake frame after the handshake");
                        },
                    },
                    *frame);
}

void RelaySession::Impl::note_failure(const base::Error& error) {
  std::string sentence = error.message();
  // The same reason every few seconds is one line, not a thousand.
  if (sentence != last_error_) {
    log::warn("relay", "not online", {{"url", url_text_}, {"reason", sentence}});
  } else {
    log::debug("relay", "not online", {{"url", url_text_}, {"reason", sentence}});
  }
  last_error_ = std::move(sentence);
}

void RelaySession::Impl::wake_writer() { wake_.cancel(); }

void RelaySession::Impl::queue_control(base::Bytes frame) {
  if (queue_.push_control(std::move(frame))) {
    wake_writer();
  } else {
    // Thousands of frames that nobody takes: the pings are among them, so this is a dead relay, seen early.
    transport_->abort();
  }
}

bool RelaySession::Impl::send(const base::PeerId& to, base::ByteView datagram) {
  if (state_ != RelaySessionState::online || datagram.empty() || datagram.size() > owner_.max_payload()) {
    return false;
  }
  stats_.dropped += queue_.push_datagram(proto::encode(proto::RelaySend{to, datagram}));
  wake_writer();
  return true;
}

bool RelaySession::Impl::knock(const base::PeerId& to, base::ByteView payload) {
  if (state_ != RelaySessionState::online || payload.empty() || payload.size() > proto::kRelayMaxKnock) {
    return false;
  }
  queue_control(proto::encode(proto::RelayKnock{to, payload}));
  return true;
}

void RelaySession::Impl::set_interest(std::vector<base::PeerId> peers) {
  interest_ = std::move(peers);
  if (state_ == RelaySessionState::online) tell_interest();
}

void RelaySession::Impl::tell_interest() {
  const std::size_t limit = agreement_->welcome.max_interest;
  for (base::Bytes& frame : told_interest_.update(interest_, limit)) queue_control(std::move(frame));
  if (told_interest_.told() == limit && interest_.size() > limit) {
    log::warn("relay", "the relay takes interest in fewer peers than there are",
              {{"url", url_text_}, {"peers", interest_.size()}, {"taken", limit}});
  }
}

void RelaySession::Impl::set_credentials(std::string ca_file, std::string token) {
  config_.ca_file = std::move(ca_file);
  config_.token = std::move(token);
  tls_.reset();
}

void RelaySession::Impl::retry_now() {
  backoff_.reset();
  if (state_ == RelaySessionState::backing_off) redial_.cancel();
}

void RelaySession::Impl::network_changed() {
  backoff_.reset();
  switch (state_) {
    case RelaySessionState::stopped:
      break;
    case RelaySessionState::backing_off:
      redial_.cancel();
      break;
    case RelaySessionState::connecting:
    case RelaySessionState::authenticating:
      redial_at_once_ = true;
      disrupted_.cancel();
      break;
    case RelaySessionState::online:
      if (is_local(transport_->local_address())) {
        hurried_ = true;
        next_ping_.cancel();
      } else {
        redial_at_once_ = true;
        transport_->abort();
      }
      break;
  }
}

asio::awaitable<void> RelaySession::Impl::stop() {
  stopping_ = true;
  // The last datagrams are often the ones that tell peers goodbye.
  if (state_ == RelaySessionState::online && (writing_ || !queue_.empty())) {
    flushed_.expires_after(kFlushAtStop);
    co_await flushed_.async_wait(kAwait);
  }
  tasks_.cancel();
  co_await tasks_.join();
  transport_.reset();
  state_ = RelaySessionState::stopped;
}

RelaySession::RelaySession(asio::any_io_executor executor, RelaySessionConfig config, RelayEvents& events)
    : impl_(std::make_unique<Impl>(*this, std::move(executor), std::move(config), events)) {}
RelaySession::~RelaySession() = default;

void RelaySession::start() { impl_->start(); }
asio::awaitable<void> RelaySession::stop() { return impl_->stop(); }
bool RelaySession::send(const base::PeerId& to, base::ByteView datagram) { return impl_->send(to, datagram); }
bool RelaySession::knock(const base::PeerId& to, base::ByteView payload) { return impl_->knock(to, payload); }
void RelaySession::set_interest(std::vector<base::PeerId> peers) { impl_->set_interest(std::move(peers)); }
void RelaySession::set_credentials(std::string ca_file, std::string token) {
  impl_->set_credentials(std::move(ca_file), std::move(token));
}
void RelaySession::retry_now() { impl_->retry_now(); }
void RelaySession::network_changed() { impl_->network_changed(); }
RelaySessionState RelaySession::state() const { return impl_->state_; }
std::optional<base::Duration> RelaySession::rtt() const {
  return online() ? impl_->keepalive_.rtt() : std::nullopt;
}
const RelayUrl& RelaySession::url() const { return impl_->config_.url; }
const std::string& RelaySession::last_error() const { return impl_->last_error_; }
std::optional<base::PeerId> RelaySession::relay_id() const {
  if (!impl_->agreement_) return std::nullopt;
  return impl_->agreement_->relay;
}
std::size_t RelaySession::max_payload() const {
  if (!impl_->agreement_) return proto::kRelayMaxPayload;
  return std::min<std::size_t>(impl_->agreement_->welcome.max_payload, proto::kRelayMaxPayload);
}
RelaySessionStats RelaySession::stats() const { return impl_->stats_; }

}  // namespace p2pd::net
