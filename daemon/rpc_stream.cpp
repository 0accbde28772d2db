// stream.*: byte streams to services of peers, and for programs that offer one themselves.
#include <chrono>
#include <memory>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

#include "daemon/node.hpp"
#include "daemon/rpc.hpp"

namespace p2pd::daemon {
namespace {

using base::PeerId;
using ipc::Method;
using ipc::Request;
using ipc::Responder;
using ipc::Tier;
using ipc::Type;
using nlohmann::json;
using peer::StreamEnding;
using std::chrono::milliseconds;
using Needed = ipc::Presence;

constexpr std::int64_t kStreamTimeoutMs = 10'000;
constexpr std::int64_t kMaxStreamTimeoutMs = 24 * 3600 * 1000;

json stream_json(Node& node, const StreamView& view) {
  json out = {{"stream", static_cast<std::uint64_t>(view.number)},
              {"peer", view.peer.text()},
              {"name", node.name_of(view.peer)},
              {"service", view.service}};
  return out;
}

ipc::ApiError open_error(StreamEnding ending, const std::string& name, const std::string& service) {
  switch (ending) {
    case StreamEnding::no_such_service:
      return {
          ErrorCode::no_such_service,
          fmt::format("{} has no service '{}'; `p2pctl services` there lists what it has", name, service)};
    case StreamEnding::not_permitted:
      return {ErrorCode::not_permitted,
              fmt::format("{} does not permit this machine to use '{}'; it is permitted there with "
                          "`p2pctl expose {} TARGET --allow NAME`",
                          name, service, service)};
    case StreamEnding::refused:
      return {ErrorCode::refused,
              fmt::format("the program behind '{}' at {} does not take connections: start it there, or look "
                          "at the service's target",
                          service, name)};
    case StreamEnding::busy:
      return {
          ErrorCode::busy,
          fmt::format("as many streams with {} are open as there may be: close some, or try again", name)};
    case StreamEnding::unsupported:
      return {ErrorCode::no_such_service,
              fmt::format("p2pd at {} is too old for services: update it there", name)};
    case StreamEnding::peer_restarted:
      return {ErrorCode::peer_restarted,
              fmt::format("{} restarted while the stream was being opened: try again", name)};
    case StreamEnding::removed:
      return {ErrorCode::not_found, "the peer was removed while the stream was being opened"};
    case StreamEnding::stopping:
      return {ErrorCode::shutting_down, "p2pd is stopping: try again when it runs again"};
    default:
      return {ErrorCode::not_connected,
              fmt::format("the connection with {} ended while the stream was being opened: try again", name)};
  }
}

// It was not open in time: why depends on whether there is a connection.
void answer_late(Node& node, const StreamView& view, const std::shared_ptr<Responder>& answer,
                 milliseconds timeout) {
  node.collect(view.peer, [&node, view, answer, timeout](const Node::PeerStatuses& statuses) {
    const std::string name = node.name_of(view.peer);
    const bool connected = !statuses.empty() && statuses.front().second.state == peer::PeerState::established;
    if (connected) {
      answer->error(ErrorCode::timeout, fmt::format("{} did not answer for '{}' in {} ms: try again", name,
                                                    view.service, timeout.count()));
    } else if (!node.relays().online()) {
      answer->error(ErrorCode::relay_unreachable,
                    fmt::format("no relay is reachable: {}", node.relays().trouble()));
    } else {
      answer->error(ErrorCode::peer_offline,
                    fmt::format("{} did not answer in {} ms: check that p2pd runs there, is connected to one "
                                "of the same relays, and lists this machine ({})",
                                name, timeout.count(), node.id().text()));
    }
  });
}

// A connected stream socket, of the kinds that programs have.
bool is_stream(int descriptor) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) return false;
  sockaddr_storage address{};
  size = sizeof(address);
  return ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0;
}

std::optional<milliseconds> stream_timeout(const Request& request, Responder& responder, std::int64_t least) {
  const std::int64_t value = request.integer("timeout_ms").value_or(kStreamTimeoutMs);
  if (value >= least && value <= kMaxStreamTimeoutMs) return milliseconds(value);
  responder.error(ErrorCode::invalid_params,
                  fmt::format("timeout_ms can be {} to {}", least, kMaxStreamTimeoutMs));
  return std::nullopt;
}

void open_stream(Node& node, Request request, Responder responder) {
  const KnownPeer* known = named_peer(node, request, responder);
  if (known == nullptr) return;
  const auto service = service_name(request, responder);
  if (!service) return;
  const auto timeout = stream_timeout(request, responder, 1);
  if (!timeout) return;
  auto socket = std::make_shared<base::Descriptor>(request.take_descriptor());
  const bool given = static_cast<bool>(*socket);
  if (given && !is_stream(socket->get())) {
    responder.error(ErrorCode::invalid_params,
                    "the descriptor beside the request is no connected stream socket");
    return;
  }
  if (!node.relays().online()) node.relays().retry_now();
  auto answer = std::make_shared<Responder>(std::move(responder));
  const auto opened = [&node, answer, socket, given, outlet = request.outlet(), name = known->name,
                       timeout = *timeout](const StreamView& view) {
    if (!view.open) {
      const StreamEnding why = view.outcome->ending;
      if (why == StreamEnding::timed_out) return answer_late(node, view, answer, timeout);
      return answer->error(open_error(why, name, view.service));
    }
    if (given) {
      node.services().begin(view.number, std::move(*socket), {});
    } else if (const auto here = outlet.lock()) {
      here->hand_over([&node, number = view.number](base::Descriptor taken, base::Bytes early) {
        node.services().begin(number, std::move(taken), std::move(early));
      });
    } else {
      node.services().end(view.number, StreamEnding::cancelled);
    }
    answer->ok(stream_json(node, view));
  };
  const StreamNumber number = node.services().open(known->id, *service, *timeout, opened);
  node.services().tie(number, request.client().id, request.outlet());
}

void listen_for_stream(Node& node, Request request, Responder responder) {
  const auto service = service_name(request, responder);
  if (!service) return;
  if (request.take_descriptor()) {
    responder.error(ErrorCode::invalid_params, "stream.listen takes no descriptor");
    return;
  }
  ServiceBoard::Listener listener;
  listener.service = *service;
  if (request.params().contains("allow")) {
    listener.allow = named_peers(node, request, "allow", responder);
    if (!listener.allow) return;
  }
  const auto outlet = request.outlet();
  auto answer = std::make_shared<Responder>(std::move(responder));
  listener.stopped = [answer] {
    answer->error(ErrorCode::shutting_down, "p2pd is stopping: listen again when it runs again");
  };
  listener.take = [&node, answer, outlet](const StreamView& view, ServiceBoard::Give give) {
    const auto here = outlet.lock();
    if (!here) return give({}, {});
    here->hand_over(std::move(give));
    answer->ok(stream_json(node, view));
  };
  const auto id = node.services().listen(std::move(listener));
  if (!id) {
    answer->error(to_api_error(id.error()));
    return;
  }
  if (const auto here = outlet.lock()) {
    here->when_gone([&node, id = *id] { node.services().forget_listener(id); });
  }
}

void answer_wait(Node& node, const StreamView& view, Responder& responder) {
  json out = stream_json(node, view);
  out["over"] = view.outcome.has_value();
  out["reason"] = view.outcome ? json(to_string(view.outcome->ending)) : json();
  out["sent"] = view.outcome ? json(view.outcome->sent) : json();
  out["received"] = view.outcome ? json(view.outcome->received) : json();
  responder.ok(out);
}

void wait_for_stream(Node& node, const Request& request, Responder responder) {
  const StreamNumber number{static_cast<std::uint64_t>(*request.integer("stream"))};
  const auto timeout = stream_timeout(request, responder, 0);
  if (!timeout) return;
  auto answer = std::make_shared<Responder>(std::move(responder));
  auto timer = std::make_shared<boost::asio::steady_timer>(node.io(), *timeout);
  const bool known = node.services().wait(number, [&node, answer, timer](const StreamView& view) {
    timer->cancel();
    if (!answer->answered()) answer_wait(node, view, *answer);
  });
  if (!known) {
    answer->error(ErrorCode::not_found, "no such stream is remembered");
    return;
  }
  if (answer->answered()) return;
  timer->async_wait([answer, timer](const boost::system::error_code& error) {
    if (!error && !answer->answered()) answer->error(ErrorCode::timeout, "the stream goes on");
  });
}

}  // namespace

void add_stream_methods(ipc::MethodTable& table, Node& node) {
  const ipc::Param service{"service", Type::text, Needed::required, "its name, at most 64 characters"};
  const ipc::Param timeout{"timeout_ms", Type::integer, Needed::optional,
                           "how long to wait, 10000 by default"};
  const std::vector<ipc::ResultField> fields = {
      {"stream", Type::integer, "names it for stream.wait and in events"},
      {"peer", Type::text, "the peer's ID"},
      {"name", Type::text, "its name here"},
      {"service", Type::text, "the service"}};
  table.add(Method{
      .name = "stream.open",
      .tier = Tier::operate,
      .summary = "Opens a stream to a peer's service, dialling first where there is no connection. Behind "
                 "the answer the connection is the stream's bytes, each direction ended by itself; or a "
                 "connected stream socket that comes beside the request (SCM_RIGHTS) is, and the stream "
                 "ends with this connection.",
      .params = {peer_param(), service, timeout},
      .result = "the stream",
      .fields = fields,
      .handler = [&node](
                     Request request,
                     Responder responder) { open_stream(node, std::move(request), std::move(responder)); },
      .upgrades = true});
  table.add(Method{.name = "stream.listen",
                   .tier = Tier::operate,
                   .summary =
                       "Waits for the next stream that a peer opens to this service. Behind the answer the "
                       "connection is the stream's bytes; for another one, listen on another connection.",
                   .params = {service,
                              {"allow", Type::texts, Needed::optional,
                               "the peers that may open it; without it every peer of the address book"}},
                   .result = "the stream",
                   .fields = fields,
                   .handler =
                       [&node](Request request, Responder responder) {
                         listen_for_stream(node, std::move(request), std::move(responder));
                       },
                   .upgrades = true});
  table.add(Method{.name = "stream.wait",
                   .tier = Tier::operate,
                   .summary = "Waits until a stream is over and says how it ended.",
                   .params = {{"stream", Type::count, Needed::required, "as its opening named it"}, timeout},
                   .result = "the stream",
                   .fields = {{"over", Type::boolean, "always true"},
                              {"reason", Type::text, "a word from the closed list"},
                              {"sent", Type::integer, "bytes of this machine that went into it"},
                              {"received", Type::integer, "bytes that came out of it here"}},
                   .handler = [&node](const Request& request, Responder responder) {
                     wait_for_stream(node, request, std::move(responder));
                   }});
}

}  // namespace p2pd::daemon
