// daemon.*, log.*: about the daemon itself.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "daemon/errors.hpp"
#include "daemon/node.hpp"
#include "daemon/rpc.hpp"
#include "daemon/status_text.hpp"

namespace p2pd::daemon {
namespace {

using ipc::Method;
using ipc::Request;
using ipc::Responder;
using ipc::Tier;
using ipc::Type;
using nlohmann::json;
using Needed = ipc::Presence;

constexpr std::int64_t kMaxRecords = 2000;

json settings_json(const std::vector<Setting>& settings) {
  json out = json::object();
  for (const Setting& setting : settings) {
    const auto table = option_table();
    const auto row =
        std::find_if(table.begin(), table.end(), [&](const auto& one) { return one.name == setting.name; });
    json& value = out[std::string(setting.name)];
    if (row != table.end() && row->repeatable) {
      value = setting.values;
    } else {
      value = setting.values.empty() ? json() : json(setting.values.front());
    }
  }
  return out;
}

void config(Node& node, Responder responder) {
  json files = json::array();
  for (const auto& file : node.options().files) files.push_back(file.string());
  json live = json::array();
  for (const OptionRow& row : option_table()) {
    if (row.live) live.push_back(row.name);
  }
  responder.ok({{"options", settings_json(settings(node.options()))},
                {"files", std::move(files)},
                {"live", std::move(live)}});
}

void recent_log(const Request& request, Responder responder) {
  const auto level = base::log::parse_level(request.text("level").value_or("debug"));
  if (!level) return responder.error(ErrorCode::invalid_params, "level can be error, warn, info or debug");
  const std::int64_t limit = request.integer("limit").value_or(kMaxRecords);
  if (limit < 1 || limit > kMaxRecords)
    return responder.error(ErrorCode::invalid_params, "limit can be 1 to 2000");
  json records = json::array();
  for (const auto& record : base::log::recent(*level, static_cast<std::size_t>(limit))) {
    records.push_back({{"time", base::to_rfc3339(record.time)},
                       {"level", base::log::to_string(record.level)},
                       {"text", record.text}});
  }
  responder.ok({{"records", std::move(records)}});
}

void reload(Node& node, Responder responder) {
  const auto plan = node.reload();
  if (!plan) {
    const auto error = to_api_error(plan.error(), ErrorCode::invalid_config);
    return responder.error(error.code, error.message);
  }
  responder.ok({{"changed", plan->changed}, {"needs_restart", plan->needs_restart}});
}

// Who asks while the planes are being asked waits for the next round and shares it with all others who wait:
// a hundred requests that came together cost two rounds, and each gets a state that is no older than its
// question. Kept alive by the method table and by a round under way.
class StatusRounds : public std::enable_shared_from_this<StatusRounds> {
 public:
  explicit StatusRounds(Node& node) : node_(node), text_(node) {}

  void ask(Responder responder) {
    waiting_.push_back(std::move(responder));
    if (!running_) begin();
  }

 private:
  void begin() {
    running_ = true;
    // std::function wants to copy what it holds.
    auto asked = std::make_shared<std::vector<Responder>>(std::exchange(waiting_, {}));
    node_.collect(std::nullopt, [self = shared_from_this(), asked](const Node::PeerStatuses& statuses) {
      const std::string text = self->text_.of(statuses);
      for (Responder& responder : *asked) responder.ok_text(text);
      self->running_ = false;
      if (!self->waiting_.empty()) self->begin();
    });
  }

  Node& node_;
  StatusText text_;
  bool running_ = false;
  std::vector<Responder> waiting_;
};

void hello(Node& node, const Request& request, Responder responder) {
  responder.ok({{"peer_id", node.id().text()},
                {"version", P2PD_VERSION},
                {"api", 1},
                {"tier", to_string(request.client().tier)}});
}

}  // namespace

void add_daemon_methods(ipc::MethodTable& table, Node& node) {
  table.add(Method{.name = "daemon.hello",
                   .tier = Tier::read,
                   .summary = "Names the daemon; the first call of a client.",
                   .params = {{"client", Type::text, Needed::optional, "the calling program, for logs"},
                              {"version", Type::text, Needed::optional, "the calling program's version"}},
                   .result = "who answers",
                   .fields = {{"peer_id", Type::text, "this machine's peer ID"},
                              {"version", Type::text, "p2pd's version"},
                              {"api", Type::integer, "the API's version, 1"},
                              {"tier", Type::text, "what this client may do: read, operate or admin"}},
                   .handler = [&node](Request request, Responder responder) {
                     hello(node, request, std::move(responder));
                   }});
  table.add(Method{
      .name = "daemon.status",
      .tier = Tier::read,
      .summary = "Relay sessions and all peers with their paths.",
      .params = {},
      .result = "the state of the daemon",
      .fields = {{"peer_id", Type::text, "this machine's peer ID"},
                 {"version", Type::text, "p2pd's version"},
                 {"relay", Type::object, "the home relay: url, state (online, connecting, offline), rtt_ms"},
                 {"relays", Type::array, "all relay sessions"},
                 {"port_mapping", Type::object,
                  "state (off, finding, none, mapping), protocol, gateway, external, mappings, error"},
                 {"peers", Type::array, "all peers, as peer.status shows one"}},
      .handler = [rounds = std::make_shared<StatusRounds>(node)](const Request&, Responder responder) {
        rounds->ask(std::move(responder));
      }});
  table.add(Method{
      .name = "daemon.config",
      .tier = Tier::admin,
      .summary = "The configuration in force; of secrets, the files they come from.",
      .params = {},
      .result = "options with their values",
      .fields = {{"options", Type::object,
                  "an option's value, null when it is not set; a list "
                  "where it can be repeated"},
                 {"files", Type::array, "the configuration files that were read, weakest first"},
                 {"live", Type::array, "options that daemon.reload changes"}},
      .handler = [&node](const Request&, Responder responder) { config(node, std::move(responder)); }});
  table.add(Method{
      .name = "daemon.reload",
      .tier = Tier::admin,
      .summary = "Reads the whole configuration again; takes it over, or keeps the old one.",
      .params = {},
      .result = "what is different",
      .fields = {{"changed", Type::array, "options that have their new value now"},
                 {"needs_restart", Type::array, "options that change when p2pd starts again"}},
      .handler = [&node](const Request&, Responder responder) { reload(node, std::move(responder)); }});
  table.add(Method{.name = "daemon.log",
                   .tier = Tier::admin,
                   .summary = "The latest records of the log, also of levels that are not logged now.",
                   .params = {{"limit", Type::integer, Needed::optional, "1 to 2,000, 2,000 by default"},
                              {"level", Type::text, Needed::optional,
                               "the least severe to give: error, warn, info or debug, which is the default"}},
                   .result = "the records, the oldest first",
                   .fields = {{"records", Type::array, "each with its time, level and text"}},
                   .handler = [](const Request& request, Responder responder) {
                     recent_log(request, std::move(responder));
                   }});
  table.add(Method{.name = "log.set_level",
                   .tier = Tier::admin,
                   .summary = "Changes what is logged until the daemon ends.",
                   .params = {{"level", Type::text, Needed::required, "error, warn, info or debug"}},
                   .result = "the level in force",
                   .fields = {{"level", Type::text, "error, warn, info or debug"}},
                   .handler = [](const Request& request, Responder responder) {
                     const auto level = base::log::parse_level(*request.text("level"));
                     if (!level) {
                       responder.error(ErrorCode::invalid_params, "level can be error, warn, info or debug");
                       return;
                     }
                     base::log::set_level(*level);
                     responder.ok({{"level", base::log::to_string(*level)}});
                   }});
}

}  // namespace p2pd::daemon
