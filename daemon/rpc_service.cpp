// service.*: what of this machine peers may use.
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

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
using Needed = ipc::Presence;

json exposure_json(Node& node, const Exposure& exposure, std::size_t listeners) {
  json allow = json::array();
  for (const PeerId& peer : exposure.allow) {
    allow.push_back({{"id", peer.text()}, {"name", node.name_of(peer)}});
  }
  return {{"service", exposure.service},
          {"target", exposure.target.text()},
          {"allow", std::move(allow)},
          {"listening", listeners},
          {"streams", node.services().streams_of(exposure.service)}};
}

void expose_service(Node& node, const Request& request, Responder responder) {
  const auto service = service_name(request, responder);
  if (!service) return;
  auto target = parse_service_target(*request.text("target"));
  if (!target) {
    responder.error(to_api_error(target.error()));
    return;
  }
  auto allow = named_peers(node, request, "allow", responder);
  if (!allow) return;
  node.services().expose({*service, std::move(*target), request.client().uid, std::move(*allow)},
                         empty_answer(std::move(responder)));
}

void list_services(Node& node, Responder responder) {
  json services = json::array();
  for (const auto& [name, exposure] : node.services().exposures()) {
    services.push_back(exposure_json(node, exposure, 0));
  }
  for (const auto& [name, listeners] : node.services().listening()) {
    services.push_back({{"service", name},
                        {"target", nullptr},
                        {"allow", nullptr},
                        {"listening", listeners},
                        {"streams", node.services().streams_of(name)}});
  }
  responder.ok({{"services", std::move(services)}});
}

}  // namespace

std::optional<std::string> service_name(const Request& request, Responder& responder) {
  std::string name = *request.text("service");
  if (proto::is_service_name(name)) return name;
  responder.error(ErrorCode::invalid_params,
                  fmt::format("'{}' cannot be a service's name: use 1 to {} letters, digits, '.', '_' and "
                              "'-', beginning with a letter or digit",
                              name.substr(0, 80), proto::kMaxServiceName));
  return std::nullopt;
}

std::optional<std::set<PeerId>> named_peers(Node& node, const Request& request, std::string_view name,
                                            Responder& responder) {
  std::set<PeerId> out;
  for (const std::string& text : request.texts(name).value_or(std::vector<std::string>{})) {
    const auto found = node.book().find(text);
    if (!found) {
      responder.error(to_api_error(found.error()));
      return std::nullopt;
    }
    out.insert((*found)->id);
  }
  return out;
}

void add_service_methods(ipc::MethodTable& table, Node& node) {
  const ipc::Param service{"service", Type::text, Needed::required, "its name, at most 64 characters"};
  table.add(Method{
      .name = "service.expose",
      .tier = Tier::admin,
      .summary = "Lets peers open streams to a program of this machine, also after a restart of p2pd. "
                 "Replaces what the service was before; streams of peers that it does not permit any more "
                 "end.",
      .params = {service,
                 {"target", Type::text, Needed::required,
                  "tcp:HOST:PORT (an address or localhost) or unix:PATH (a socket of the caller's)"},
                 {"allow", Type::texts, Needed::optional, "the peers that may use it; nobody else may"}},
      .result = "nothing",
      .fields = {},
      .handler = [&node](const Request& request, Responder responder) {
        expose_service(node, request, std::move(responder));
      }});
  table.add(Method{.name = "service.unexpose",
                   .tier = Tier::admin,
                   .summary = "Ends a service and its streams.",
                   .params = {service},
                   .result = "nothing",
                   .fields = {},
                   .handler = [&node](const Request& request, Responder responder) {
                     const auto name = service_name(request, responder);
                     if (name) node.services().unexpose(*name, empty_answer(std::move(responder)));
                   }});
  table.add(
      Method{.name = "service.list",
             .tier = Tier::read,
             .summary = "The services of this machine, exposed ones and those that programs listen for.",
             .params = {},
             .result = "the services",
             .fields = {{"services", Type::array, "service, target, allow, listening, streams of each"}},
             .handler = [&node](const Request&, Responder responder) {
               list_services(node, std::move(responder));
             }});
}

}  // namespace p2pd::daemon
