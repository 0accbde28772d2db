// What a command runs in: the global options, the streams, and the connection to the daemon, made when it is
// first needed. Lives for one run.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/clock.hpp"
#include "ctl/environment.hpp"
#include "ctl/exit_code.hpp"
#include "ctl/text.hpp"
#include "ipc/client.hpp"

namespace p2pd::ctl {

struct GlobalOptions {
  std::optional<std::string> socket;
  bool json = false;
  std::optional<base::Duration> timeout;
};

using JsonPtr = std::shared_ptr<nlohmann::json>;

class Context {
 public:
  Context(Environment& environment, GlobalOptions options);

  [[nodiscard]] bool json() const { return options_.json; }
  [[nodiscard]] std::ostream& out() { return environment_.out; }
  [[nodiscard]] std::ostream& err() { return environment_.err; }
  [[nodiscard]] Environment& environment() { return environment_; }
  [[nodiscard]] const Paint& paint() const { return paint_; }

  // --timeout, or what the command has by default.
  [[nodiscard]] base::Duration timeout_or(base::Duration otherwise) const;
  // When the whole command has to be over: --timeout after its start, or never.
  [[nodiscard]] base::TimePoint end() const { return end_; }

  // The next call connects anew; subscriptions are gone.
  void disconnect() { client_.reset(); }
  // One answer of the daemon, by `deadline` or, without one, by the command's end, which is in 30 s without
  // --timeout. `descriptor` goes beside the request.
  [[nodiscard]] CtlResult<JsonPtr> call(std::string_view method, const nlohmann::json& params,
                                        std::optional<base::TimePoint> deadline = {}, int descriptor = -1);
  // `call` for methods in which the daemon itself waits up to `wait` (as `timeout_ms`): its own answer should
  // come first.
  [[nodiscard]] CtlResult<JsonPtr> call_waiting(std::string_view method, nlohmann::json params,
                                                base::Duration wait);
  // A connection of its own, for whoever speaks to the daemon in another way than by one call at a time.
  [[nodiscard]] CtlResult<ipc::Client> connection();
  // What a failure of such a connection means to the user.
  [[nodiscard]] Failure explain(const ipc::CallError& error) const { return to_failure(error); }
  // The next event of any subscription; its params. At the deadline: a failure of the kind timeout.
  [[nodiscard]] CtlResult<JsonPtr> next_event(base::TimePoint deadline);
  // Events about one peer, or about all.
  [[nodiscard]] CtlResult<void> subscribe(const std::vector<std::string>& topics,
                                          const std::optional<std::string>& peer);
  // About these peers, or, without any, about all.
  [[nodiscard]] CtlResult<void> subscribe_to(const std::vector<std::string>& topics,
                                             const std::vector<std::string>& peers);

  // The result as one compact line.
  void print_json(const nlohmann::json& value);
  // The end of a command whose result is data for --json and one sentence for people.
  ExitCode done(const nlohmann::json& result, std::string_view sentence);

 private:
  [[nodiscard]] std::vector<std::string> socket_paths() const;
  [[nodiscard]] CtlResult<void> connect();
  [[nodiscard]] Failure to_failure(const ipc::CallError& error) const;

  Environment& environment_;
  const GlobalOptions options_;
  const base::TimePoint end_;
  const Paint paint_;
  std::optional<ipc::Client> client_;
};

}  // namespace p2pd::ctl
