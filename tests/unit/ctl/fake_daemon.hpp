// p2pd as p2pctl sees it: the real server, table and event hub with canned answers. Rows name the parameters
// of the contract, so that a misspelt one is refused. What was called is kept. Any thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "ipc/events.hpp"
#include "tests/fakes/api_server.hpp"

namespace p2pd::ctl {

class FakeDaemon final : private ipc::EventSource {
 public:
  using Answer = std::variant<nlohmann::json, ipc::ApiError>;
  using Behaviour = std::function<Answer(const nlohmann::json& params)>;

  FakeDaemon() : server_([this](ipc::MethodTable& table) { add_methods(table); }) {}

  void on(const std::string& method, Behaviour behaviour) {
    const std::lock_guard lock(mutex_);
    behaviours_[method] = std::move(behaviour);
  }
  void answer(const std::string& method, nlohmann::json result) {
    on(method, [result = std::move(result)](const nlohmann::json&) { return Answer(result); });
  }
  void refuse(const std::string& method, ipc::ErrorCode code, const std::string& message) {
    on(method, [=](const nlohmann::json&) { return Answer(ipc::ApiError(code, message)); });
  }

  void publish(const std::string& topic, const std::string& type, const nlohmann::json& fields) {
    server_.run([&] { hub_.publish(topic, type, fields); });
  }
  [[nodiscard]] std::size_t subscriptions() {
    std::size_t count = 0;
    server_.run([&] { count = hub_.subscriptions(); });
    return count;
  }
  void stop() { server_.stop(); }
  [[nodiscard]] std::string path() const { return server_.path(); }

  // The parameters of each call of `method` so far.
  [[nodiscard]] std::vector<nlohmann::json> calls(const std::string& method) {
    const std::lock_guard lock(mutex_);
    return calls_[method];
  }
  void wait_for_calls(const std::string& method, std::size_t count) {
    std::unique_lock lock(mutex_);
    called_.wait(lock, [&] { return calls_[method].size() >= count; });
  }

 private:
  void add_methods(ipc::MethodTable& table) {
    using ipc::Type;
    constexpr Type kSwitch = Type::text | Type::boolean;
    add(table, "daemon.hello", {{"client", Type::text}, {"version", Type::text}});
    add(table, "daemon.status", {});
    add(table, "peer.add", {{"name", Type::text}, {"id", Type::text}, {"relays", Type::texts}});
    add(table, "peer.list", {});
    add(table, "peer.set",
        {{"peer", Type::text}, {"name", Type::text}, {"direct", kSwitch}, {"files", kSwitch}});
    add(table, "peer.remove", {{"peer", Type::text}});
    add(table, "invite.create", {{"name", Type::text}, {"expires_ms", Type::integer}});
    add(table, "invite.list", {});
    add(table, "invite.revoke", {{"id", Type::text}});
    add(table, "invite.accept",
        {{"ticket", Type::text}, {"name", Type::text}, {"timeout_ms", Type::integer}});
    add(table, "peer.connect",
        {{"peer", Type::text},
         {"wait", Type::text},
         {"timeout_ms", Type::integer},
         {"direct", Type::boolean}});
    add(table, "peer.disconnect", {{"peer", Type::text}});
    add(table, "peer.status", {{"peer", Type::text}});
    add(table, "peer.ping", {{"peer", Type::text}, {"timeout_ms", Type::integer}});
    add(table, "peer.history", {{"peer", Type::text}, {"limit", Type::integer}});
    add(table, "message.send",
        {{"peer", Type::text},
         {"text", Type::text},
         {"data_base64", Type::text},
         {"content_type", Type::text},
         {"direct", Type::boolean}});
    add(table, "message.list", {{"peer", Type::text}, {"after", Type::integer}, {"limit", Type::integer}});
    add(table, "message.ack", {{"up_to", Type::integer}, {"peer", Type::text}});
    add(table, "outbox.list", {{"peer", Type::text}});
    add(table, "outbox.cancel", {{"id", Type::text}});
    add(table, "log.set_level", {{"level", Type::text}});
    hub_.add_methods(table);
  }

  void add(ipc::MethodTable& table, const std::string& name,
           const std::vector<std::pair<std::string, ipc::Type>>& params) {
    ipc::Method method;
    method.name = name;
    for (const auto& [param, type] : params)
      method.params.push_back({param, type, ipc::Presence::optional, ""});
    method.handler = [this, name](const ipc::Request& request, ipc::Responder responder) {
      Behaviour behaviour;
      {
        const std::lock_guard lock(mutex_);
        calls_[name].push_back(request.params());
        behaviour = behaviours_[name];
      }
      const Answer answer = behaviour ? behaviour(request.params()) : Answer(nlohmann::json::object());
      if (const auto* const error = std::get_if<ipc::ApiError>(&answer)) {
        responder.error(*error);
      } else {
        responder.ok(std::get<nlohmann::json>(answer));
      }
      called_.notify_all();
    };
    table.add(std::move(method));
  }

  std::variant<std::string, ipc::ApiError> find_peer(std::string_view text) override {
    return std::string(text);
  }
  void snapshot(const std::vector<std::string>&, const std::vector<std::string>&,
                std::function<void(const nlohmann::json&)> done) override {
    done({{"relays", nlohmann::json::array()}, {"peers", nlohmann::json::array()}});
  }

  std::mutex mutex_;
  std::condition_variable called_;
  std::map<std::string, Behaviour> behaviours_;
  std::map<std::string, std::vector<nlohmann::json>> calls_;
  ipc::EventHub hub_{*this, {"daemon", "relay", "peer", "message", "file", "service", "net"}};
  fakes::ApiServer server_;
};

}  // namespace p2pd::ctl
