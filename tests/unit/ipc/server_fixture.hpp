// A server in a temporary folder with the methods that the tests of it call, and what they ask and are
// answered.
#pragma once

#include <list>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "ipc/server.hpp"
#include "tests/fakes/api_server.hpp"
#include "tests/fakes/raw_client.hpp"

namespace p2pd::ipc::testing {

using fakes::ApiServer;
using nlohmann::json;

inline std::string request(int id, const std::string& method, const json& params = json::object()) {
  return encode_request(std::to_string(id), method, params);
}

inline Answer answer(const std::optional<std::string>& line) {
  EXPECT_TRUE(line.has_value());
  const auto parsed = line ? parse_answer(*line) : std::nullopt;
  EXPECT_TRUE(parsed.has_value()) << line.value_or("closed");
  return parsed.value_or(Answer{});
}

inline ErrorCode code(const std::optional<std::string>& line) {
  const Answer parsed = answer(line);
  EXPECT_TRUE(parsed.error.has_value());
  return parsed.error ? parsed.error->code : ErrorCode{};
}

// echo answers with its text; size, with that many bytes; later.keep is answered by later.release, newest
// first; hold keeps the connection's outlet.
class ServerTest : public ::testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    server_.emplace([this](MethodTable& table) { add_methods(table); }, std::move(options));
  }
  // What a test left unanswered goes while the server's thread is there to take it.
  void TearDown() override {
    if (!server_) return;
    server_->stop();
    server_->run([this] { kept_.clear(); });
    server_.reset();
  }

  void add_methods(MethodTable& table) {
    const auto add = [&](std::string name, std::vector<Param> params, Handler handler) {
      Method method;
      method.name = std::move(name);
      method.params = std::move(params);
      method.handler = std::move(handler);
      table.add(std::move(method));
    };
    add("echo", {{"text", Type::text, Presence::required, ""}},
        [](const Request& request, Responder responder) {
          responder.ok({{"text", *request.text("text")}, {"uid", request.client().uid}});
        });
    add("size", {{"bytes", Type::count, Presence::required, ""}},
        [](const Request& request, Responder responder) {
          responder.ok({{"data", std::string(static_cast<std::size_t>(*request.integer("bytes")), 'x')}});
        });
    add("later.keep", {},
        [this](const Request&, Responder responder) { kept_.push_back(std::move(responder)); });
    add("later.release", {}, [this](const Request&, Responder responder) {
      while (!kept_.empty()) {
        kept_.back().ok({{"left", kept_.size()}});
        kept_.pop_back();
      }
      responder.ok();
    });
    add("hold", {}, [this](const Request& request, Responder responder) {
      outlet_ = request.outlet();
      outlet_.lock()->hold();
      responder.ok();
    });
    add("descriptor", {}, [](Request request, Responder responder) {
      const base::Descriptor fd = request.take_descriptor();
      struct stat about {};
      const bool good = fd && ::fstat(fd.get(), &about) == 0;
      responder.ok({{"size", good ? about.st_size : -1}});
    });
  }

  [[nodiscard]] std::string path() const { return server_->path(); }

  std::optional<ApiServer> server_;
  std::list<Responder> kept_;  // server's thread
  std::weak_ptr<Outlet> outlet_;
};

}  // namespace p2pd::ipc::testing
