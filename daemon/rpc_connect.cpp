// peer.connect, disconnect, status, ping: what is done with a peer's connection.
#include <chrono>
#include <memory>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "daemon/node.hpp"
#include "daemon/rpc.hpp"
#include "daemon/status_json.hpp"

namespace p2pd::daemon {
namespace {

using ipc::Method;
using ipc::Request;
using ipc::Responder;
using ipc::Tier;
using ipc::Type;
using nlohmann::json;
using std::chrono::milliseconds;
using Needed = ipc::Presence;

constexpr std::int64_t kDefaultTimeoutMs = 10'000;
constexpr std::int64_t kMaxTimeoutMs = 24 * 3600 * 1000;

struct Wanted {
  enum class Path { any, direct } path = Path::any;
  milliseconds timeout{kDefaultTimeoutMs};
};

// One peer.connect that waits: looks at the peer's state after every change, answers once. Kept alive by its
// own timer.
class ConnectWait : public std::enable_shared_from_this<ConnectWait> {
 public:
  ConnectWait(Node& node, base::PeerId peer, Wanted wanted, Responder responder)
      : node_(node), peer_(peer), wanted_(wanted), responder_(std::move(responder)), timer_(node.io()) {}

  void start() {
    watch_ = node_.board().watch(peer_, [self = weak_from_this()] {
      if (const auto here = self.lock()) here->look(false);
    });
    timer_.expires_after(wanted_.timeout);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error) self->look(true);
    });
    look(false);
  }

 private:
  void look(bool last) {
    node_.collect(peer_, [self = shared_from_this(), last](const Node::PeerStatuses& statuses) {
      if (!self->responder_.answered()) self->judge(statuses, last);
    });
  }

  void judge(const Node::PeerStatuses& statuses, bool last) {
    const KnownPeer* known = node_.book().find(peer_);
    if (statuses.empty() || known == nullptr) {
      fail(ErrorCode::not_found, "the peer was removed while it was being connected");
      return;
    }
    const peer::PeerStatus& status = statuses.front().second;
    if (status.state == peer::PeerState::established) {
      const bool direct = status.path == peer::PathKind::direct;
      // No use in waiting for what one of the two ends does not allow.
      const bool never = status.why_not_direct == peer::WhyNotDirect::disabled ||
                         status.why_not_direct == peer::WhyNotDirect::proxy ||
                         status.why_not_direct == peer::WhyNotDirect::peer_disabled;
      if (wanted_.path == Wanted::Path::any || direct || never || last) {
        succeed(status);
        return;
      }
    }
    if (!last) return;
    if (!node_.relays().online()) {
      fail(ErrorCode::relay_unreachable, fmt::format("no relay is reachable: {}", node_.relays().trouble()));
      return;
    }
    fail(ErrorCode::timeout,
         fmt::format("{} did not answer in {} ms{}{}: check that p2pd runs there, is connected to one of the "
                     "same relays, "
                     "and lists this machine ({})",
                     known->name, wanted_.timeout.count(), status.last_error.empty() ? "" : "; ",
                     status.last_error, node_.id().text()));
  }

  void succeed(const peer::PeerStatus& status) {
    const peer::WhyNotDirect why = node_.doctor().refined(peer_, status.why_not_direct);
    responder_.ok({{"peer", peer_json(node_, peer_, status)},
                   {"path", status.path ? json(to_string(*status.path)) : json()},
                   {"to_relay_ms", ms_or_null(status.to_relay)},
                   {"to_direct_ms", ms_or_null(status.to_direct)},
                   {"why_not_direct", why == peer::WhyNotDirect::none ? json() : json(to_string(why))}});
    finish();
  }

  void fail(ErrorCode code, std::string sentence) {
    responder_.error(code, std::move(sentence));
    finish();
  }

  void finish() {
    node_.board().unwatch(watch_);
    timer_.cancel();
  }

  Node& node_;
  const base::PeerId peer_;
  const Wanted wanted_;
  Responder responder_;
  boost::asio::steady_timer timer_;
  PeerBoard::WatchId watch_{};
};

bool read_timeout(const Request& request, Responder& responder, milliseconds& timeout) {
  const std::int64_t value = request.integer("timeout_ms").value_or(kDefaultTimeoutMs);
  if (value < 1 || value > kMaxTimeoutMs) {
    responder.error(ErrorCode::invalid_params, fmt::format("timeout_ms can be 1 to {}", kMaxTimeoutMs));
    return false;
  }
  timeout = milliseconds(value);
  return true;
}

void connect(Node& node, const Request& request, Responder responder) {
  const KnownPeer* known = named_peer(node, request, responder);
  Wanted wanted;
  if (known == nullptr || !read_timeout(request, responder, wanted.timeout)) return;
  const std::string wait = request.text("wait").value_or("relay");
  if (wait != "relay" && wait != "direct" && wait != "none") {
    responder.error(ErrorCode::invalid_params, "wait can be relay, direct or none");
    return;
  }
  const bool direct = request.boolean("direct").value_or(true);
  if (wait == "direct" && (!direct || !known->direct || !node.options().direct)) {
    responder.error(ErrorCode::direct_disabled, node.options().proxy && !node.options().direct
                                                    ? "a proxy is in use, and direct connections would go "
                                                      "past it; `direct = on` in p2pd.conf permits them"
                                                    : "direct connections are switched off for this; see "
                                                      "`direct` in p2pd.conf and `p2pctl peer list`");
    return;
  }
  wanted.path = wait == "direct" ? Wanted::Path::direct : Wanted::Path::any;
  const base::PeerId id = known->id;
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.store().set_wanted(id, true, node.post_here(),
                          [&node, id, wanted, wait, direct, answer](base::Result<> stored) {
                            if (!stored) {
                              answer_store_error(stored.error(), *answer);
                              return;
                            }
                            node.book().set_wanted(id, true);
                            if (!node.relays().online()) node.relays().retry_now();
                            node.with_peer(id, [direct](PeerNode& peer) {
                              peer.peer().set_direct_allowed_once(direct);
                              peer.peer().connect();
                            });
                            if (wait == "none") {
                              answer->ok(json::object());
                            } else {
                              std::make_shared<ConnectWait>(node, id, wanted, std::move(*answer))->start();
                            }
                          });
}

void disconnect(Node& node, const Request& request, Responder responder) {
  const KnownPeer* known = named_peer(node, request, responder);
  if (known == nullptr) return;
  const base::PeerId id = known->id;
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.store().set_wanted(id, false, node.post_here(), [&node, id, answer](base::Result<> stored) {
    if (!stored) {
      answer_store_error(stored.error(), *answer);
      return;
    }
    node.book().set_wanted(id, false);
    node.with_peer(id, [](PeerNode& peer) { peer.peer().disconnect(); });
    answer->ok();
  });
}

void status(Node& node, const Request& request, Responder responder) {
  const KnownPeer* known = named_peer(node, request, responder);
  if (known == nullptr) return;
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.collect(known->id, [&node, id = known->id, answer](const Node::PeerStatuses& statuses) {
    if (node.book().find(id) == nullptr || statuses.empty()) {
      answer->error(ErrorCode::not_found, "the peer has just been removed");
    } else {
      answer->ok(peer_json(node, id, statuses.front().second));
    }
  });
}

void ping(Node& node, const Request& request, Responder responder) {
  const KnownPeer* known = named_peer(node, request, responder);
  milliseconds timeout{};
  if (known == nullptr || !read_timeout(request, responder, timeout)) return;
  auto answer = std::make_shared<Responder>(std::move(responder));
  const auto done = [&node, answer, name = known->name](base::Result<peer::PingReply> reply) {
    if (reply) {
      answer->ok({{"rtt_ms", ms_or_null(reply->rtt)}, {"path", to_string(reply->path)}});
    } else if (!node.relays().online() && reply.error().code == boost::system::errc::timed_out) {
      answer->error(ErrorCode::relay_unreachable,
                    fmt::format("no relay is reachable: {}", node.relays().trouble()));
    } else {
      const bool timed_out = reply.error().code == boost::system::errc::timed_out;
      answer->error(
          timed_out ? ErrorCode::timeout : ErrorCode::not_connected,
          fmt::format("no reply from {}: {}; see `p2pctl status {}`", name, reply.error().message(), name));
    }
  };
  node.with_peer(known->id, [&node, done, timeout](PeerNode& peer) {
    peer.peer().ping(
        [&node, done](base::Result<peer::PingReply> reply) {
          node.post_here()([done, reply = std::move(reply)] { done(reply); });
        },
        timeout);
  });
}

}  // namespace

void add_connect_methods(ipc::MethodTable& table, Node& node) {
  const ipc::Param peer = peer_param();
  const ipc::Param timeout{"timeout_ms", Type::integer, Needed::optional,
                           "how long to wait, 10000 by default"};
  table.add(Method{
      .name = "peer.connect",
      .tier = Tier::operate,
      .summary = "Connects to a peer and keeps it connected, also after a restart, until peer.disconnect.",
      .params = {peer,
                 {"wait", Type::text, Needed::optional, "relay (default): until connected; direct; none"},
                 timeout,
                 {"direct", Type::boolean, Needed::optional, "false: this connection stays on the relay"}},
      .result = "how it is connected; with wait = direct the path may still be relay when the time is over",
      .fields = {{"peer", Type::object, "as peer.status"},
                 {"path", Type::text | Type::null, "relay, direct or turn"},
                 {"to_relay_ms", Type::number | Type::null, "from the dial to the first authenticated byte"},
                 {"to_direct_ms", Type::number | Type::null,
                  "from the dial to the switch to the direct path"},
                 {"why_not_direct", Type::text | Type::null, "a word from the closed list"}},
      .handler = [&node](Request request, Responder responder) {
        connect(node, request, std::move(responder));
      }});
  table.add(Method{.name = "peer.disconnect",
                   .tier = Tier::operate,
                   .summary = "Closes the connection and dials no more by itself.",
                   .params = {peer},
                   .result = "nothing",
                   .fields = {},
                   .handler = [&node](Request request, Responder responder) {
                     disconnect(node, request, std::move(responder));
                   }});
  table.add(Method{.name = "peer.status",
                   .tier = Tier::read,
                   .summary = "One peer's connection and path.",
                   .params = {peer},
                   .result = "the peer",
                   .fields = {{"id", Type::text, "peer ID"},
                              {"name", Type::text, "its name here"},
                              {"state", Type::text, "idle, dialing, established or backoff"},
                              {"path", Type::text | Type::null, "relay, direct or turn"},
                              {"why_not_direct", Type::text | Type::null, "a word from the closed list"},
                              {"rtt_ms", Type::number | Type::null, "round trip on the path in use"},
                              {"bytes", Type::object, "QUIC datagrams' bytes by the path they took"},
                              {"outbox", Type::integer, "messages that wait for it"}},
                   .handler = [&node](Request request, Responder responder) {
                     status(node, request, std::move(responder));
                   }});
  table.add(
      Method{.name = "peer.ping",
             .tier = Tier::operate,
             .summary = "One round trip inside the encrypted connection, dialling first where there is none.",
             .params = {peer, timeout},
             .result = "the reply",
             .fields = {{"rtt_ms", Type::number, "round trip"},
                        {"path", Type::text, "the path it took: relay, direct or turn"}},
             .handler = [&node](Request request, Responder responder) {
               ping(node, request, std::move(responder));
             }});
}

}  // namespace p2pd::daemon
