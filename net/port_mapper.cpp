#include "net/port_mapper.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/await.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/task_group.hpp"
#include "base/within.hpp"
#include "proto/address_rules.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
using base::kAwait;
using base::Result;
using base::TimePoint;
using proto::Endpoint;
using State = PortMapperStatus::State;

constexpr std::chrono::seconds kFarewell{1};
constexpr std::chrono::seconds kFindLimit{5};
// Who asked for a port is not left without a word for much longer, however slow the gateway is.
constexpr std::chrono::seconds kAnswerAfter{5};
// A mapping that the gateway refuses, asked for again at the earliest.
constexpr std::chrono::minutes kAfterRefusal{5};

bool is_gone(const base::Error& error) { return error.code == make_error_code(MappingError::no_answer); }

// Asio throws at the next wait of a coroutine that is cancelled; a request that was cut off for that is no
// word of the gateway.
asio::awaitable<void> end_if_cancelled() { co_return; }

// One after the other, so that it does not depend on luck which one is used.
asio::awaitable<Result<std::unique_ptr<PortProtocol>>> find_either(Gateway gateway, PortProtocolPorts ports) {
  auto control = co_await find_port_control(gateway, ports);
  if (control) co_return control;
  auto upnp = co_await find_upnp(gateway, ports);
  // What a gateway said outweighs what it did not say.
  if (upnp || is_gone(control.error())) co_return upnp;
  co_return control;
}

asio::awaitable<Result<std::unique_ptr<PortProtocol>>> find_protocol(Gateway gateway,
                                                                     PortProtocolPorts ports) {
  auto found = co_await base::within(kFindLimit, find_either(gateway, ports));
  if (!found) co_return mapping_error(MappingError::no_answer);
  co_return std::move(*found);
}

}  // namespace

std::string_view to_string(State state) {
  switch (state) {
    case State::off:
      return "off";
    case State::finding:
      return "finding";
    case State::none:
      return "none";
    case State::mapping:
      return "mapping";
  }
  return "unknown";
}

class PortMapper::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, PortMapperConfig config)
      : home(executor), config_(std::move(config)), tasks_(executor), wake_(executor) {}

  void start() { tasks_.spawn("port mapper", run()); }
  void set_enabled(bool enabled);
  void network_changed();
  void set_stun_servers(std::vector<Endpoint> servers);
  void add(Id id, const Endpoint& internal, asio::any_io_executor executor, Told told);
  void remove(Id id);
  asio::awaitable<void> stop();

  asio::any_io_executor home;
  std::atomic<Id> next_id{1};
  PortMapperStatus shown;
  std::function<void()> on_change;

 private:
  struct Entry {
    Endpoint internal;
    asio::any_io_executor executor;
    Told told;
    proto::MappingNonce nonce = base::random_array<12>();
    TimePoint since = base::Clock::now();
    bool asked = false;  // the gateway may have a mapping
    bool answered = false;
    std::optional<Endpoint> external;
    TimePoint due = TimePoint::min();  // of the next request
  };
  // Deleted at the gateway when there is time for it.
  struct Farewell {
    proto::PortMappingRequest request;
    Endpoint external;
  };

  asio::awaitable<void> run();
  asio::awaitable<void> work();
  asio::awaitable<void> find();
  asio::awaitable<void> prove();
  asio::awaitable<proto::Finding> is_reached(StunSocket& mapped, Endpoint external);
  asio::awaitable<void> renew(Id id);
  asio::awaitable<Result<MappedPort>> ask_anew(proto::PortMappingRequest request,
                                               std::optional<Endpoint> external);
  asio::awaitable<void> say_farewells();
  void take_over(Entry& entry, const MappedPort& mapped);
  void gateway_gone(const base::Error& why);
  void forget_gateway();
  void farewell(Entry& entry);
  void tell(Entry& entry, std::optional<Endpoint> external);
  void tell_all_none();
  void refresh_status();
  [[nodiscard]] bool may_prove() const { return protocol_ && to_prove_ && !stun_servers_.empty(); }
  [[nodiscard]] std::optional<Id> due_entry(TimePoint now) const;
  [[nodiscard]] TimePoint next_due() const;
  [[nodiscard]] proto::PortMappingRequest request_of(const Entry& entry) const;
  [[nodiscard]] bool usable(const Endpoint& external) const;
  void set_state(State state) {
    shown.state = state;
    refresh_status();
  }

  const PortMapperConfig config_;
  base::TaskGroup tasks_;
  asio::steady_timer wake_;
  bool enabled_ = false;
  bool network_changed_ = false;
  bool stopping_ = false;
  std::optional<Gateway> gateway_;
  std::unique_ptr<PortProtocol> protocol_;
  bool proved_ = false;  // it has mapped a port since it was found
  std::vector<Endpoint> stun_servers_;
  bool to_prove_ = false;  // whether a mapped port is reached
  TimePoint looked_at_ = TimePoint::min();
  std::map<Id, Entry> entries_;
  std::deque<Farewell> farewells_;
  PortMapperStatus told_status_;
};

void PortMapper::Impl::set_enabled(bool enabled) {
  if (enabled_ == enabled || stopping_) return;
  enabled_ = enabled;
  looked_at_ = TimePoint::min();
  wake_.cancel();
}

void PortMapper::Impl::network_changed() {
  network_changed_ = true;
  wake_.cancel();
}

void PortMapper::Impl::set_stun_servers(std::vector<Endpoint> servers) {
  std::erase_if(servers, [](const Endpoint& one) { return one.v6; });
  if (servers == stun_servers_) return;
  stun_servers_ = std::move(servers);
  to_prove_ = shown.reached == proto::Finding::unknown;
  wake_.cancel();
}

void PortMapper::Impl::add(Id id, const Endpoint& internal, asio::any_io_executor executor, Told told) {
  Entry entry;
  entry.internal = internal;
  entry.executor = std::move(executor);
  entry.told = std::move(told);
  if (!enabled_ || stopping_ || internal.v6 || entries_.size() >= kMaxMappings)
    return tell(entry, std::nullopt);
  entries_.emplace(id, std::move(entry));
  wake_.cancel();
}

void PortMapper::Impl::remove(Id id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  farewell(found->second);
  entries_.erase(found);
  wake_.cancel();
}

void PortMapper::Impl::farewell(Entry& entry) {
  const auto request = request_of(entry);
  if (entry.asked && protocol_) farewells_.push_back({request, entry.external.value_or(request.external)});
}

void PortMapper::Impl::tell(Entry& entry, std::optional<Endpoint> external) {
  if (entry.answered && entry.external == external) return;
  entry.answered = true;
  entry.external = external;
  asio::post(entry.executor, [told = entry.told, external] { told(external); });
}

void PortMapper::Impl::tell_all_none() {
  for (auto& [id, entry] : entries_) {
    tell(entry, std::nullopt);
    entry.due = base::kNever;  // until a gateway is found
  }
}

proto::PortMappingRequest PortMapper::Impl::request_of(const Entry& entry) const {
  proto::PortMappingRequest request;
  request.nonce = entry.nonce;
  request.lifetime = static_cast<std::uint32_t>(config_.lifetime.count());
  request.internal_port = entry.internal.port;
  request.external = entry.external.value_or(Endpoint{});
  if (request.external.port == 0) request.external.port = entry.internal.port;
  return request;
}

// The rules for the other side's candidates: it would not use another one anyway.
bool PortMapper::Impl::usable(const Endpoint& external) const {
  const auto refusal = proto::judge_address(proto::canonical(external));
  return external.port != 0 && (refusal == proto::CandidateRefusal::none ||
                                (refusal == proto::CandidateRefusal::loopback && config_.allow_loopback));
}

void PortMapper::Impl::refresh_status() {
  shown.mappings = static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const auto& one) { return one.second.external; }));
  if (shown == told_status_) return;
  told_status_ = shown;
  if (on_change) on_change();
}

TimePoint PortMapper::Impl::next_due() const {
  TimePoint next = base::kNever;
  for (const auto& [id, entry] : entries_) next = std::min(next, entry.due);
  return next;
}

std::optional<PortMapper::Id> PortMapper::Impl::due_entry(TimePoint now) const {
  for (const auto& [id, entry] : entries_) {
    if (entry.due <= now) return id;
  }
  return std::nullopt;
}

// Sleeps without end when nothing is mapped and nothing is wanted; every input wakes it.
asio::awaitable<void> PortMapper::Impl::run() {
  while (!stopping_) {
    co_await work();
    refresh_status();
    const bool busy =
        !farewells_.empty() || may_prove() || network_changed_ || enabled_ == (shown.state == State::off);
    const TimePoint next = busy ? TimePoint::min() : next_due();
    if (stopping_ || next <= base::Clock::now()) continue;
    wake_.expires_at(next);
    (void)co_await wake_.async_wait(kAwait);
  }
}

// One round: what has become wrong first, then one look at every port.
asio::awaitable<void> PortMapper::Impl::work() {
  if (!enabled_) {
    for (auto& [id, entry] : entries_) {
      farewell(entry);
      tell(entry, std::nullopt);
    }
    entries_.clear();  // agents ask again with their next generation
    co_await say_farewells();
    forget_gateway();
    network_changed_ = false;
    set_state(State::off);
    co_return;
  }
  if (std::exchange(network_changed_, false)) {
    forget_gateway();
    looked_at_ = TimePoint::min();
    for (auto& [id, entry] : entries_) entry.due = TimePoint::min();
  }
  const bool wanted = due_entry(base::Clock::now()).has_value();
  const bool never = looked_at_ == TimePoint::min();
  if (!protocol_ && (never || (wanted && base::Clock::now() - looked_at_ >= config_.look_again)))
    co_await find();
  if (may_prove()) co_await prove();
  co_await say_farewells();
  while (enabled_ && !network_changed_ && !stopping_) {
    const auto due = due_entry(base::Clock::now());
    if (!due) break;
    if (!protocol_) {
      if (looked_at_ != TimePoint::min()) tell_all_none();
      break;
    }
    for (auto& [id, entry] : entries_) {
      if (!entry.answered && base::Clock::now() - entry.since >= kAnswerAfter) tell(entry, std::nullopt);
    }
    co_await renew(*due);
  }
}

asio::awaitable<void> PortMapper::Impl::find() {
  looked_at_ = base::Clock::now();
  gateway_ = config_.find_gateway();
  shown.gateway = gateway_ ? gateway_->address.address_text() : "";
  shown.error = gateway_ ? "" : "no gateway: there is no IPv4 default route";
  if (!gateway_) co_return set_state(State::none);
  set_state(State::finding);
  auto found = co_await find_protocol(*gateway_, config_.ports);
  co_await end_if_cancelled();
  if (network_changed_ || stopping_) co_return;
  if (!found) {
    shown.error = found.error().message();
    base::log::info("mapping", "the gateway maps no ports",
                    {{"gateway", shown.gateway}, {"reason", shown.error}});
    co_return set_state(State::none);
  }
  protocol_ = std::move(*found);
  shown.protocol = protocol_->name();
  base::log::info("mapping", "the gateway maps ports",
                  {{"gateway", shown.gateway}, {"protocol", shown.protocol}});
  for (auto& [id, entry] : entries_) entry.due = TimePoint::min();
  to_prove_ = true;
  set_state(State::mapping);
}

// Of a port of its own, which then is mapped no more. What the gateway answers to that is left to the ports
// that are wanted.
asio::awaitable<void> PortMapper::Impl::prove() {
  to_prove_ = false;
  const auto socket = StunSocket::open(home, false);
  if (!socket) co_return;
  proto::PortMappingRequest request;
  request.nonce = base::random_array<12>();
  request.lifetime = static_cast<std::uint32_t>(config_.lifetime.count());
  request.internal_port = socket->port();
  request.external.port = socket->port();
  const auto mapped = co_await protocol_->map(request);
  co_await end_if_cancelled();
  if (!mapped) co_return;
  farewells_.push_back({request, mapped->external});
  if (!usable(mapped->external)) co_return;
  const proto::Finding reached = co_await is_reached(*socket, mapped->external);
  co_await end_if_cancelled();
  if (network_changed_ || !enabled_) co_return;
  if (reached == proto::Finding::unknown) co_return;
  const bool good = reached == proto::Finding::yes;
  base::log::info("mapping", good ? "a mapped port is reached from outside" : "no mapped port is reached",
                  {{"gateway", shown.gateway}, {"external", mapped->external.text()}});
  if (good) {
    shown.reached = reached;
    co_return;
  }
  co_await say_farewells();
  co_await end_if_cancelled();
  forget_gateway();
  shown.reached = proto::Finding::no;
  shown.error = "the gateway maps ports, but nothing from outside comes in by them";
  set_state(State::none);
}

asio::awaitable<proto::Finding> PortMapper::Impl::is_reached(StunSocket& mapped, Endpoint external) {
  const auto asker = StunSocket::open(home, false);
  if (!asker) co_return proto::Finding::unknown;
  for (const Endpoint& server : std::vector(stun_servers_)) {
    std::vector<StunQuestion> plain{StunQuestion{server}};
    const auto replies = co_await asker->ask(std::move(plain), config_.proof);
    if (!replies[0] || !replies[0]->message.mapped) continue;
    if (replies[0]->message.mapped->address != external.address) continue;  // there is another NAT outside
    const auto reached = co_await mapped.reached(*asker, server, external.port, config_.proof);
    if (reached) co_return *reached ? proto::Finding::yes : proto::Finding::no;
  }
  co_return proto::Finding::unknown;
}

// Once as it is; if the gateway does not want that any more, deleted, then added without a wish for the port.
asio::awaitable<Result<MappedPort>> PortMapper::Impl::ask_anew(proto::PortMappingRequest request,
                                                               std::optional<Endpoint> external) {
  auto mapped = co_await protocol_->map(request);
  if (mapped || is_gone(mapped.error()) || !external) co_return mapped;
  base::log::debug("mapping", "stale, made anew",
                   {{"external", external->text()}, {"reason", mapped.error().message()}});
  (void)co_await protocol_->unmap(request, *external);
  request.external = {};
  co_return co_await protocol_->map(request);
}

asio::awaitable<void> PortMapper::Impl::renew(Id id) {
  const auto before = entries_.find(id);
  // Another interface's port: its packets do not pass this gateway.
  if (before->second.internal.address != gateway_->local.address) {
    before->second.due = base::kNever;
    tell(before->second, std::nullopt);
    co_return;
  }
  before->second.asked = true;
  const proto::PortMappingRequest request = request_of(before->second);
  const auto mapped = co_await ask_anew(request, before->second.external);
  co_await end_if_cancelled();
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    if (mapped) farewells_.push_back({request, mapped->external});
    co_return;
  }
  Entry& entry = found->second;
  if (mapped && usable(mapped->external)) {
    take_over(entry, *mapped);
  } else if (!mapped && is_gone(mapped.error())) {
    gateway_gone(mapped.error());
  } else {
    if (mapped) farewells_.push_back({request, mapped->external});
    const base::Error why =
        mapped ? mapping_error(MappingError::bad_address, mapped->external.text()) : mapped.error();
    shown.error = why.message();
    base::log::info("mapping", "a port was not mapped",
                    {{"internal", entry.internal.text()}, {"reason", shown.error}});
    entry.due = base::Clock::now() + kAfterRefusal;
    tell(entry, std::nullopt);
  }
  if (protocol_ && protocol_->take_lost_state()) {
    base::log::info("mapping", "the gateway has lost its mappings", {{"gateway", shown.gateway}});
    for (auto& [other, one] : entries_) {
      if (other != id) one.due = TimePoint::min();
    }
  }
}

void PortMapper::Impl::take_over(Entry& entry, const MappedPort& mapped) {
  using std::chrono::milliseconds;
  const auto half = std::max<milliseconds>(mapped.lifetime / 2, config_.least_renewal);
  const auto wait = mapped.lifetime.count() == 0 ? milliseconds(config_.lifetime) : half;
  entry.due = base::Clock::now() + wait;
  shown.external = mapped.external.address_text();
  shown.error.clear();
  proved_ = true;
  if (entry.external != mapped.external) {
    base::log::debug("mapping", "port mapped",
                     {{"internal", entry.internal.text()},
                      {"external", mapped.external.text()},
                      {"lifetime_s", mapped.lifetime.count()}});
  }
  tell(entry, mapped.external);
}

// Looked for again at once where it had mapped something: it may have been replaced.
void PortMapper::Impl::gateway_gone(const base::Error& why) {
  base::log::info("mapping", "the gateway does not answer any more", {{"gateway", shown.gateway}});
  shown.error = why.message();
  forget_gateway();
  set_state(State::none);
  if (std::exchange(proved_, false)) looked_at_ = TimePoint::min();
}

void PortMapper::Impl::forget_gateway() {
  protocol_.reset();
  gateway_.reset();
  farewells_.clear();
  to_prove_ = false;
  shown.reached = proto::Finding::unknown;
  shown.protocol.clear();
  shown.external.clear();
}

asio::awaitable<void> PortMapper::Impl::say_farewells() {
  while (protocol_ && !farewells_.empty()) {
    // It goes when it has been said: stop() says again what this was interrupted in.
    const Farewell next = farewells_.front();
    const auto done = co_await protocol_->unmap(next.request, next.external);
    co_await end_if_cancelled();
    base::log::debug("mapping", "mapping removed",
                     {{"external", next.external.text()}, {"error", done ? "" : done.error().message()}});
    if (!done && is_gone(done.error())) break;
    farewells_.pop_front();
  }
  farewells_.clear();
}

asio::awaitable<void> PortMapper::Impl::stop() {
  stopping_ = true;
  tasks_.cancel();
  co_await tasks_.join();
  for (auto& [id, entry] : entries_) {
    farewell(entry);
    tell(entry, std::nullopt);
  }
  entries_.clear();
  const auto said = [](Impl& self) -> asio::awaitable<bool> {
    co_await self.say_farewells();
    co_return true;
  };
  (void)co_await base::within(kFarewell, said(*this));
  on_change = nullptr;
}

PortMapper::PortMapper(asio::any_io_executor executor, PortMapperConfig config)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(config))) {}

PortMapper::~PortMapper() = default;

void PortMapper::start() { impl_->start(); }
void PortMapper::set_enabled(bool enabled) { impl_->set_enabled(enabled); }
void PortMapper::network_changed() { impl_->network_changed(); }
void PortMapper::set_stun_servers(std::vector<Endpoint> servers) {
  impl_->set_stun_servers(std::move(servers));
}
void PortMapper::watch(std::function<void()> changed) { impl_->on_change = std::move(changed); }
PortMapperStatus PortMapper::status() const { return impl_->shown; }
asio::awaitable<void> PortMapper::stop() { return impl_->stop(); }

PortMappings::Id PortMapper::add(const Endpoint& internal, asio::any_io_executor executor, Told told) {
  const Id id = impl_->next_id++;
  asio::post(impl_->home, [impl = std::weak_ptr(impl_), id, internal, executor = std::move(executor),
                           told = std::move(told)]() mutable {
    if (const auto here = impl.lock()) here->add(id, internal, std::move(executor), std::move(told));
  });
  return id;
}

void PortMapper::remove(Id id) {
  asio::post(impl_->home, [impl = std::weak_ptr(impl_), id] {
    if (const auto here = impl.lock()) here->remove(id);
  });
}

}  // namespace p2pd::net
