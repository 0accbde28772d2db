#include "ipc/events.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "ipc/codec.hpp"

namespace p2pd::ipc {
namespace {

using nlohmann::json;

class FakeOutlet final : public Outlet {
 public:
  bool notify(std::string_view method, const json& params) override {
    if (full) return false;
    EXPECT_EQ(method, "event");
    sent.push_back(params);
    return true;
  }
  void notify_last(std::string_view, const json& params) override { sent.push_back(params); }
  void hold() override { ++holds; }
  void release() override { --holds; }

  std::vector<json> sent;
  bool full = false;
  int holds = 0;
};

class FakeSource final : public EventSource {
 public:
  std::variant<std::string, ApiError> find_peer(std::string_view text) override {
    if (text == "bob" || text == "carol") return std::string(text) + "-id";
    return ApiError(ErrorCode::unknown_peer, "there is no peer of that name: see `p2pctl peer list`");
  }
  void snapshot(const std::vector<std::string>& topics, const std::vector<std::string>& peers,
                std::function<void(const json&)> done) override {
    asked.push_back({topics, peers});
    if (later) {
      waiting.push_back(std::move(done));
    } else {
      done({{"state", "now"}});
    }
  }

  bool later = false;
  std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> asked;
  std::vector<std::function<void(const json&)>> waiting;
};

class EventHubTest : public ::testing::Test {
 protected:
  EventHubTest() { hub_.add_methods(table_); }

  Answer call(const std::string& method, json params, const std::shared_ptr<FakeOutlet>& outlet,
              int client = 1) {
    std::string line;
    const ClientInfo info{ClientId{static_cast<std::uint64_t>(client)}, 0, 0, Tier::read};
    table_.call(method, Request(std::move(params), info, outlet),
                Responder("1", [&](std::string answer) { line = std::move(answer); }));
    return parse_answer(line).value_or(Answer{});
  }
  std::uint64_t subscribe(json params, const std::shared_ptr<FakeOutlet>& outlet, int client = 1) {
    const Answer answer = call("events.subscribe", std::move(params), outlet, client);
    EXPECT_FALSE(answer.error) << answer.error->message;
    return answer.error ? 0 : (*answer.value)["subscription"].get<std::uint64_t>();
  }
  ErrorCode refused(const std::string& method, json params, int client = 1) {
    const Answer answer = call(method, std::move(params), outlet_, client);
    EXPECT_TRUE(answer.error);
    return answer.error ? answer.error->code : ErrorCode{};
  }

  MethodTable table_{"test", "1"};
  FakeSource source_;
  EventHub hub_{source_, {"daemon", "relay", "peer"}};
  std::shared_ptr<FakeOutlet> outlet_ = std::make_shared<FakeOutlet>();
};

TEST_F(EventHubTest, StartsWithASnapshotAndNumbersWithoutGaps) {
  const std::uint64_t id = subscribe({{"topics", {"relay", "peer"}}}, outlet_);
  for (int i = 0; i < 5; ++i) hub_.publish("relay", "state", {{"url", "wss://r"}, {"i", i}});
  ASSERT_EQ(outlet_->sent.size(), 6U);
  EXPECT_EQ(outlet_->sent[0]["type"], "snapshot");
  EXPECT_EQ(outlet_->sent[0]["state"], "now");
  for (std::size_t i = 0; i < outlet_->sent.size(); ++i) {
    EXPECT_EQ(outlet_->sent[i]["seq"], i + 1);
    EXPECT_EQ(outlet_->sent[i]["subscription"], id);
    EXPECT_TRUE(outlet_->sent[i]["time"].is_string());
  }
  EXPECT_EQ(outlet_->sent[5]["topic"], "relay");
  EXPECT_EQ(outlet_->sent[5]["type"], "state");
  EXPECT_EQ(outlet_->sent[5]["url"], "wss://r");
  EXPECT_EQ(outlet_->sent[5]["i"], 4);
}

TEST_F(EventHubTest, KnowsWhichTopicsAreWanted) {
  int begun = 0;
  hub_.on_subscribed([&begun] { ++begun; });
  EXPECT_FALSE(hub_.wanted("peer"));
  subscribe({{"topics", {"peer"}}}, outlet_);
  EXPECT_EQ(begun, 1);
  EXPECT_TRUE(hub_.wanted("peer"));
  EXPECT_FALSE(hub_.wanted("relay"));
  outlet_.reset();
  EXPECT_FALSE(hub_.wanted("peer"));
}

TEST_F(EventHubTest, SendsOnlyWhatWasAskedFor) {
  subscribe({{"topics", {"peer"}}, {"peer", "bob"}}, outlet_);
  EXPECT_EQ(source_.asked[0].second, std::vector<std::string>{"bob-id"});
  hub_.publish("relay", "state", {{"n", 1}});
  hub_.publish("peer", "state", {{"n", 2}}, "alice-id");
  hub_.publish("peer", "state", {{"n", 3}}, "bob-id");
  hub_.publish("peer", "state", {{"n", 4}});
  ASSERT_EQ(outlet_->sent.size(), 3U);
  EXPECT_EQ(outlet_->sent[1]["n"], 3);
  EXPECT_EQ(outlet_->sent[2]["n"], 4);
  EXPECT_EQ(outlet_->sent[2]["seq"], 3);
}

TEST_F(EventHubTest, SendsWhatConcernsOneOfSeveralPeers) {
  subscribe({{"topics", {"peer"}}, {"peers", {"bob", "carol"}}}, outlet_);
  EXPECT_EQ(source_.asked[0].second, (std::vector<std::string>{"bob-id", "carol-id"}));
  for (const char* id : {"bob-id", "alice-id", "carol-id"}) hub_.publish("peer", "state", {{"id", id}}, id);
  ASSERT_EQ(outlet_->sent.size(), 3U);
  EXPECT_EQ(outlet_->sent[1]["id"], "bob-id");
  EXPECT_EQ(outlet_->sent[2]["id"], "carol-id");
}

// A hub with a timer that fires when the test says so.
class PacedEvents : public EventHubTest {
 protected:
  PacedEvents() { hub_.add_methods(methods_); }

  void path(const std::string& from, const std::string& to, const std::string& peer = "bob-id") {
    hub_.publish_latest("peer", "path", {{"id", peer}, {"from", from}, {"to", to}}, peer, "from");
  }
  // What was set before this call fires; what that sets waits for the next.
  void time_passes() {
    for (const auto& task : std::exchange(timers_, {})) task();
  }
  void begin() {
    const Answer answer = [&] {
      std::string line;
      methods_.call(
          "events.subscribe",
          Request({{"topics", {"peer", "relay"}}}, ClientInfo{ClientId{1}, 0, 0, Tier::read}, outlet_),
          Responder("1", [&](std::string text) { line = std::move(text); }));
      return parse_answer(line).value_or(Answer{});
    }();
    ASSERT_FALSE(answer.error);
  }
  // The events after the snapshot, briefly; checks that their numbers have no gap.
  [[nodiscard]] std::string told() const {
    std::string out;
    for (std::size_t i = 1; i < outlet_->sent.size(); ++i) {
      const json& event = outlet_->sent[i];
      EXPECT_EQ(event["seq"], i + 1);
      out += (i > 1 ? " " : "") + event.value("from", event.value("type", "")) + ">" + event.value("to", "");
      if (event.contains("merged")) out += "*" + std::to_string(event["merged"].get<int>());
    }
    return out;
  }

  std::vector<std::function<void()>> timers_;
  MethodTable methods_{"test", "1"};
  EventHub hub_{source_, {"peer", "relay"}, [this](base::Duration wait, std::function<void()> task) {
                  EXPECT_EQ(wait, EventHub::kPace);
                  timers_.push_back(std::move(task));
                }};
};

TEST_F(PacedEvents, ABurstBecomesTheFirstAndTheLatestFromWhereTheFirstLeftOff) {
  begin();
  path("relay", "direct");
  EXPECT_EQ(told(), "relay>direct");
  path("direct", "relay");
  path("relay", "turn");
  path("turn", "relay");
  EXPECT_EQ(told(), "relay>direct");
  time_passes();
  EXPECT_EQ(told(), "relay>direct direct>relay*3");
  time_passes();
  EXPECT_TRUE(timers_.empty());
  path("relay", "direct");
  EXPECT_EQ(told(), "relay>direct direct>relay*3 relay>direct");
}

TEST_F(PacedEvents, ASteadyStreamComesAtThePace) {
  begin();
  for (int i = 0; i < 5; ++i) {
    path("a", "b");
    path("b", "c");
    time_passes();
  }
  EXPECT_EQ(outlet_->sent.size(), 1U + 1U + 5U);
}

TEST_F(PacedEvents, OneThatStandsAloneSaysNothingOfMerging) {
  begin();
  path("relay", "direct");
  path("direct", "relay");
  time_passes();
  EXPECT_EQ(told(), "relay>direct direct>relay");
}

TEST_F(PacedEvents, PeersDoNotDelayEachOther) {
  begin();
  path("relay", "direct");
  path("relay", "turn", "carol-id");
  EXPECT_EQ(told(), "relay>direct relay>turn");
}

TEST_F(PacedEvents, WhatWasHeldBackComesBeforeWhatHappenedLater) {
  begin();
  path("relay", "direct");
  path("direct", "relay");
  hub_.publish("relay", "state", json::object());
  EXPECT_EQ(told(), "relay>direct state>");
  hub_.publish("peer", "state", json::object(), "bob-id");
  EXPECT_EQ(told(), "relay>direct state> direct>relay state>");
  time_passes();
  EXPECT_EQ(outlet_->sent.size(), 5U);
}

TEST_F(PacedEvents, NothingIsHeldForNobody) {
  path("relay", "direct");
  EXPECT_TRUE(timers_.empty());
  begin();
  path("relay", "direct");
  path("direct", "relay");
  outlet_.reset();
  time_passes();
  time_passes();
  EXPECT_TRUE(hub_.idle());
  EXPECT_TRUE(timers_.empty());
}

TEST_F(EventHubTest, KeepsEventsBehindASnapshotThatTakesTime) {
  source_.later = true;
  subscribe({{"topics", {"peer"}}}, outlet_);
  hub_.publish("peer", "state", {{"n", 1}});
  EXPECT_TRUE(outlet_->sent.empty());
  source_.waiting[0]({{"state", "then"}});
  hub_.publish("peer", "state", {{"n", 2}});
  ASSERT_EQ(outlet_->sent.size(), 3U);
  EXPECT_EQ(outlet_->sent[0]["type"], "snapshot");
  EXPECT_EQ(outlet_->sent[1]["n"], 1);
  EXPECT_EQ(outlet_->sent[2]["n"], 2);
  EXPECT_EQ(outlet_->sent[2]["seq"], 3);
}

TEST_F(EventHubTest, OverflowsWhenTooMuchHappensBeforeTheSnapshot) {
  source_.later = true;
  subscribe({{"topics", {"peer"}}}, outlet_);
  for (int i = 0; i < 5000; ++i) hub_.publish("peer", "state", {{"n", i}});
  source_.waiting[0]({{"state", "then"}});
  ASSERT_EQ(outlet_->sent.size(), 2U);
  EXPECT_EQ(outlet_->sent[1]["type"], "overflow");
  EXPECT_EQ(outlet_->sent[1]["seq"], 2);
  EXPECT_EQ(hub_.subscriptions(), 0U);
  EXPECT_EQ(outlet_->holds, 0);
}

TEST_F(EventHubTest, TellsASlowClientOnceAndForgetsIt) {
  const std::uint64_t id = subscribe({{"topics", {"peer"}}}, outlet_);
  const auto quick = std::make_shared<FakeOutlet>();
  subscribe({{"topics", {"peer"}}}, quick, 2);
  outlet_->full = true;
  for (int i = 0; i < 3; ++i) hub_.publish("peer", "state", {{"n", i}});
  ASSERT_EQ(outlet_->sent.size(), 2U);
  EXPECT_EQ(outlet_->sent[1]["type"], "overflow");
  EXPECT_EQ(outlet_->sent[1]["topic"], "daemon");
  EXPECT_EQ(outlet_->sent[1]["seq"], 2);
  EXPECT_EQ(quick->sent.size(), 4U);
  EXPECT_EQ(outlet_->holds, 0);
  EXPECT_EQ(refused("events.unsubscribe", {{"subscription", id}}), ErrorCode::not_found);
  outlet_->full = false;
  EXPECT_NE(subscribe({{"topics", {"peer"}}}, outlet_), id);
  EXPECT_EQ(outlet_->sent[2]["seq"], 1);
}

TEST_F(EventHubTest, UnsubscribeEndsOnlyTheClientsOwn) {
  const std::uint64_t id = subscribe({{"topics", {"peer"}}}, outlet_);
  EXPECT_EQ(outlet_->holds, 1);
  EXPECT_EQ(refused("events.unsubscribe", {{"subscription", id}}, 2), ErrorCode::not_found);
  EXPECT_FALSE(call("events.unsubscribe", {{"subscription", id}}, outlet_).error);
  EXPECT_EQ(outlet_->holds, 0);
  hub_.publish("peer", "state", {{"n", 1}});
  EXPECT_EQ(outlet_->sent.size(), 1U);
  EXPECT_TRUE(hub_.idle());
}

TEST_F(EventHubTest, ForgetsClientsThatAreGone) {
  subscribe({{"topics", {"peer"}}}, outlet_);
  outlet_.reset();
  hub_.publish("relay", "state", json::object());
  EXPECT_TRUE(hub_.idle());
}

TEST_F(EventHubTest, ASnapshotMayComeAfterItsSubscriptionOrTheHub) {
  source_.later = true;
  const std::uint64_t id = subscribe({{"topics", {"peer"}}}, outlet_);
  EXPECT_FALSE(call("events.unsubscribe", {{"subscription", id}}, outlet_).error);
  source_.waiting[0]({{"state", "late"}});
  EXPECT_TRUE(outlet_->sent.empty());

  MethodTable table("test", "1");
  auto hub = std::make_unique<EventHub>(source_, std::vector<std::string>{"peer"});
  hub->add_methods(table);
  table.call("events.subscribe", Request({{"topics", {"peer", "peer"}}}, ClientInfo{}, outlet_),
             Responder("1", [](const std::string&) {}));
  hub.reset();
  source_.waiting[1]({{"state", "late"}});
  EXPECT_TRUE(outlet_->sent.empty());
}

TEST_F(EventHubTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(refused("events.subscribe", {{"topics", json::array()}}), ErrorCode::invalid_params);
  EXPECT_EQ(refused("events.subscribe", {{"topics", {"peer", "weather"}}}), ErrorCode::invalid_params);
  EXPECT_EQ(refused("events.subscribe", {{"topics", {"peer"}}, {"peer", "eve"}}), ErrorCode::unknown_peer);
  EXPECT_EQ(refused("events.subscribe", {{"topics", {"peer"}}, {"peers", {"bob", "eve"}}}),
            ErrorCode::unknown_peer);
  EXPECT_EQ(refused("events.subscribe", {{"topics", {"peer"}}, {"peers", json::array()}}),
            ErrorCode::invalid_params);
  EXPECT_TRUE(hub_.idle());
}

TEST_F(EventHubTest, BoundsTheSubscriptionsOfAClient) {
  for (int i = 0; i < 16; ++i) subscribe({{"topics", {"peer"}}}, outlet_);
  EXPECT_EQ(refused("events.subscribe", {{"topics", {"peer"}}}), ErrorCode::busy);
  subscribe({{"topics", {"peer"}}}, outlet_, 2);
}

}  // namespace
}  // namespace p2pd::ipc
