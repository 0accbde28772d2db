#include "net/ice_keepalive.hpp"

#include <memory>

#include <glib.h>
#include <gtest/gtest.h>

#include "net/ice_nice.hpp"

namespace p2pd::net {
namespace {

constexpr gint64 kSecond = 1'000'000;

class IceKeepaliveTest : public testing::Test {
 protected:
  // A timer as libnice makes it; still owned by the context.
  GSource* add_timer(const char* name, guint milliseconds) {
    GSource* const source = g_timeout_source_new(milliseconds);
    g_source_set_name(source, name);
    g_source_set_callback(
        source, [](gpointer) -> gboolean { return G_SOURCE_REMOVE; }, nullptr, nullptr);
    g_source_attach(source, context_.get());
    g_source_unref(source);
    return source;
  }

  struct ContextUnref {
    void operator()(GMainContext* context) const { g_main_context_unref(context); }
  };
  const std::unique_ptr<GMainContext, ContextUnref> context_{g_main_context_new()};
  IceKeepalive keepalive_;
};

TEST_F(IceKeepaliveTest, PutsOffLibnicesTimerAndNoOther) {
  GSource* const other = add_timer("Connectivity check schedule", 5);
  GSource* const keepalive = add_timer("Connectivity keepalive timeout", 5);
  const gint64 others = g_source_get_ready_time(other);
  const gint64 now = g_get_monotonic_time();
  EXPECT_TRUE(keepalive_.put_off(context_.get(), now));
  EXPECT_EQ(g_source_get_ready_time(keepalive), now + 25 * kSecond);
  EXPECT_EQ(g_source_get_ready_time(other), others);
}

TEST_F(IceKeepaliveTest, FindsTheTimerThatCameAfterTheLast) {
  const gint64 now = g_get_monotonic_time();
  EXPECT_FALSE(keepalive_.put_off(context_.get(), now));
  GSource* const first = add_timer("Connectivity keepalive timeout", 5);
  EXPECT_TRUE(keepalive_.put_off(context_.get(), now));
  g_source_destroy(first);
  EXPECT_FALSE(keepalive_.put_off(context_.get(), now));
  GSource* const second = add_timer("Connectivity keepalive timeout", 5);
  EXPECT_TRUE(keepalive_.put_off(context_.get(), now + kSecond));
  EXPECT_EQ(g_source_get_ready_time(second), now + 26 * kSecond);
}

TEST_F(IceKeepaliveTest, NeverHastensIt) {
  const gint64 now = g_get_monotonic_time();
  GSource* const keepalive = add_timer("Connectivity keepalive timeout", 60'000);
  const gint64 due = g_source_get_ready_time(keepalive);
  EXPECT_TRUE(keepalive_.put_off(context_.get(), now));
  EXPECT_EQ(g_source_get_ready_time(keepalive), due);
}

// Should this fail with another libnice: see how its priv_conn_keepalive_tick_unlocked() names the timer.
TEST_F(IceKeepaliveTest, FindsTheTimerOfTheLibniceThatIsHere) {
  const auto unref = [](NiceAgent* agent) { g_object_unref(agent); };
  const std::unique_ptr<NiceAgent, decltype(unref)> agent(
      nice_agent_new(context_.get(), NICE_COMPATIBILITY_RFC5245), unref);
  const guint stream = nice_agent_add_stream(agent.get(), kComponent);
  NiceAddress local;
  nice_address_init(&local);
  ASSERT_TRUE(nice_address_set_from_string(&local, "127.0.0.1"));
  ASSERT_TRUE(nice_agent_add_local_address(agent.get(), &local));
  g_object_set(agent.get(), "upnp", gboolean{FALSE}, nullptr);
  const auto ignore = [](NiceAgent*, guint, guint, guint, gchar*, gpointer) {};
  nice_agent_attach_recv(agent.get(), stream, kComponent, context_.get(), ignore, nullptr);
  ASSERT_TRUE(nice_agent_gather_candidates(agent.get(), stream));
  EXPECT_FALSE(keepalive_.put_off(context_.get(), g_get_monotonic_time()));
  nice_agent_set_remote_credentials(agent.get(), stream, "abcd", "abcdefghijklmnopqrstuv");
  proto::Candidate remote;
  remote.foundation = "1";
  remote.priority = 1;
  remote.endpoint.address = {127, 0, 0, 1};
  remote.endpoint.port = 9;
  const NiceCandidatePtr candidate = to_nice(remote, stream);
  GSList entry{candidate.get(), nullptr};
  ASSERT_EQ(nice_agent_set_remote_candidates(agent.get(), stream, kComponent, &entry), 1);
  EXPECT_TRUE(keepalive_.put_off(context_.get(), g_get_monotonic_time()));
  nice_agent_remove_stream(agent.get(), stream);
}

}  // namespace
}  // namespace p2pd::net
