// net.report, peer.diagnose: what networks allow.
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
// Both ends' checks take up to 8 s.
constexpr std::int64_t kDiagnosis = 15'000;
constexpr std::int64_t kMaxDiagnosis = 60'000;

void report(Node& node, const Request& request, Responder responder) {
  const std::int64_t age = request.integer("max_age_ms").value_or(0);
  if (age < 0 || age > kMaxAge)
    return responder.error(ErrorCode::invalid_params, "max_age_ms can be 0 to 3600000");
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.net().check(std::chrono::milliseconds(age), [&node, answer](const NetChecker::ResultPtr& result) {
    answer->ok(to_json(*result, node.relays().status(), node.mapper().status()));
  });
}

void diagnose(Node& node, const Request& request, Responder responder) {
  const KnownPeer* known = named_peer(node, request, responder);
  if (known == nullptr) return;
  const std::int64_t timeout = request.integer("timeout_ms").value_or(kDiagnosis);
  if (timeout < 0 || timeout > kMaxDiagnosis)
    return responder.error(ErrorCode::invalid_params, "timeout_ms can be 0 to 60000");
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.doctor().examine(known->id, std::chrono::milliseconds(timeout),
                        [answer](const nlohmann::json& result) { answer->ok(result); });
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
                 {"turn", Type::array,
                  "the TURN servers: server, transport, allocated, took_ms, relayed, error"},
                 {"relays", Type::array, "relay sessions, as daemon.status has them"},
                 {"port_mapping", Type::object, "what the gateway does, as daemon.status has it"}},
      .handler = [&node](const Request& request, Responder responder) {
        report(node, request, std::move(responder));
      }});
  table.add(Method{
      .name = "peer.diagnose",
      .tier = Tier::operate,
      .summary = "Checks the networks at both ends and says why the path is what it is.",
      .params = {peer_param(),
                 {"timeout_ms", Type::integer, ipc::Presence::optional,
                  "how long to wait for both ends, 15,000 by default, at most 60,000"}},
      .result = "one verdict and one advice",
      .fields = {{"peer", Type::text, "its ID"},
                 {"name", Type::text, "what it is called here"},
                 {"state", Type::text, "idle, dialing, established, backoff"},
                 {"path", Type::text | Type::null, "relay, direct, turn"},
                 {"why_not_direct", Type::text | Type::null, "the reason, made exact by both networks"},
                 {"verdict", Type::text, "what is so, a sentence"},
                 {"advice", Type::text, "what to do about it, a sentence"},
                 {"here", Type::object, "direct, udp, ipv4, ipv6 as net.report, and candidates"},
                 {"there", Type::object | Type::null, "the same of the peer; null when it did not tell"}},
      .handler = [&node](const Request& request, Responder responder) {
        diagnose(node, request, std::move(responder));
      }});
}

}  // namespace p2pd::daemon
