// net.report: what this network allows.
#include <memory>

#include <nlohmann/json.hpp>

#include "daemon/net_json.hpp"
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

constexpr std::int64_t kMaxAge = 3'600'000;

void report(Node& node, const Request& request, Responder responder) {
  const std::int64_t age = request.integer("max_age_ms").value_or(0);
  if (age < 0 || age > kMaxAge)
    return responder.error(ErrorCode::invalid_params, "max_age_ms can be 0 to 3600000");
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.net().check(std::chrono::milliseconds(age), [&node, answer](const NetChecker::ResultPtr& result) {
    nlohmann::json out = to_json(*result, node.relays().status());
    out["port_mapping"] = to_json(node.mapper().status());
    answer->ok(out);
  });
}

}  // namespace

void add_net_methods(ipc::MethodTable& table, Node& node) {
  table.add(Method{
      .name = "net.report",
      .tier = Tier::operate,
      .summary = "Checks what this network does with UDP; takes some seconds.",
      .params = {{"max_age_ms", Type::integer, ipc::Presence::optional,
                  "a result that is at most so old is given at once; 0 by default, at most an hour"}},
      .result = "what the network allows; null is what is not known",
      .fields = {{"at", Type::text, "when it was checked"},
                 {"took_ms", Type::number, "how long that took"},
                 {"direct", Type::boolean, "false: direct paths are off, not one UDP packet was sent"},
                 {"udp", Type::boolean | Type::null, "a STUN server answered"},
                 {"note", Type::text | Type::null, "why something is not known, a sentence"},
                 {"ipv4", Type::object,
                  "address, udp, outside, nat, mapping, filtering, allocation, hairpin…"},
                 {"ipv6", Type::object, "the same for IPv6"},
                 {"stun", Type::array, "the servers that were asked: server, rtt_ms, outside, behaviour"},
                 {"relays", Type::array, "relay sessions, as daemon.status has them"},
                 {"port_mapping", Type::object, "what the gateway does, as daemon.status has it"}},
      .handler = [&node](const Request& request, Responder responder) {
        report(node, request, std::move(responder));
      }});
}

}  // namespace p2pd::daemon
