#include "net/ice_agent.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.hpp"
#include "proto/datagram.hpp"
#include "tests/unit/net/open_descriptors.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;

// Runs `io` until `condition` holds; false when it still does not after a time that only a hang reaches.
bool run_until(asio::io_context& io, const std::function<bool()>& condition) {
  const auto guard = asio::make_work_guard(io);
  const auto deadline = base::Clock::now() + std::chrono::seconds(40);
  while (!condition()) {
    if (base::Clock::now() >= deadline) return false;
    io.restart();
    io.run_one_until(deadline);
  }
  return true;
}

IceConfig loopback_config() {
  IceConfig config;
  config.allow_loopback = true;
  config.log_name = "test";
  return config;
}

proto::Candidate host_candidate(const char* address, std::uint16_t port) {
  proto::Candidate candidate;
  candidate.foundation = "1";
  candidate.priority = 2'000'000'000;
  candidate.endpoint = proto::Endpoint::from_text(address, port).value();
  return candidate;
}

IceCredentials some_credentials() { return {"abcd", "abcdefghijklmnopqrstuv"}; }

// An agent with everything it has told, its candidates passed to the other end as they come.
struct End final : IceEvents {
  explicit End(asio::io_context& io, const IceConfig& config = loopback_config())
      : agent(io, config, *this) {}

  void on_ice_candidate(std::uint32_t generation, const proto::Candidate& local) override {
    note();
    candidates.push_back(local);
    if (peer != nullptr) peer->call([&] { peer->agent.add_remote_candidate(generation, local); });
  }
  void on_ice_gathering_done(std::uint32_t generation) override {
    note();
    gathered = generation;
    if (peer != nullptr) peer->call([&] { peer->agent.remote_candidates_done(generation); });
  }
  void on_ice_connected(std::uint32_t generation, const IcePair& selected) override {
    note();
    connected = generation;
    pair = selected;
  }
  void on_ice_failed(std::uint32_t generation, IceFailure reason) override {
    note();
    failed = generation;
    failure = reason;
  }
  void on_ice_datagram(base::ByteView datagram) override {
    note();
    base::ByteView rest = datagram;
    while (!rest.empty()) {
      // Several of QUIC's may come as one.
      proto::QuicPackets packets(rest);
      const auto packet = packets.next();
      const std::size_t size = packet ? proto::kQuicPrefixSize + packet->size() : rest.size();
      received.emplace_back(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
      rest = rest.subspan(size);
      unflushed += 1;
    }
    largest_batch = std::max(largest_batch, unflushed);
    if (on_datagram) on_datagram();
  }
  void on_ice_batch_end() override {
    note();
    unflushed = 0;
  }

  // Every call into the agent goes through here, so that an event from inside one is noticed.
  void call(const std::function<void()>& action) {
    ++calls;
    action();
    --calls;
  }
  void note() {
    if (calls > 0) told_inside_call = true;
    if (stop_called) told_after_stop = true;
  }
  IceCredentials start(std::uint32_t generation, bool controlling) {
    IceCredentials credentials;
    call([&] { credentials = agent.start(generation, controlling); });
    return credentials;
  }
  // As QUIC's, a prefix and what it counts, or as the Link's where that is too large.
  static base::Bytes numbered(std::uint32_t number, std::size_t size) {
    base::Bytes datagram(size, 0x80);
    const std::size_t packet = size - proto::kQuicPrefixSize;
    if (packet <= proto::kMaxQuicPacket) std::ranges::copy(proto::quic_prefix(packet), datagram.begin());
    std::memcpy(datagram.data() + proto::kQuicPrefixSize, &number, sizeof number);
    return datagram;
  }
  SendOutcome send(std::uint32_t number, std::size_t size = 200) {
    const base::Bytes datagram = numbered(number, size);
    SendOutcome outcome{};
    call([&] { outcome = agent.send(datagram); });
    return outcome;
  }
  void stop() {
    stop_called = true;
    call([&] { agent.stop([this] { stopped = true; }); });
    EXPECT_FALSE(stopped);
  }
  std::set<std::uint32_t> numbers() const {
    std::set<std::uint32_t> result;
    for (const base::Bytes& datagram : received) {
      std::uint32_t number = 0;
      std::memcpy(&number, datagram.data() + proto::kQuicPrefixSize, sizeof number);
      result.insert(number);
    }
    return result;
  }

  IceAgent agent;
  End* peer = nullptr;
  std::vector<proto::Candidate> candidates;
  std::uint32_t gathered = 0;
  std::uint32_t connected = 0;
  std::optional<IcePair> pair;
  std::uint32_t failed = 0;
  std::optional<IceFailure> failure;
  std::vector<base::Bytes> received;
  std::size_t unflushed = 0;
  std::size_t largest_batch = 0;
  std::function<void()> on_datagram;
  int calls = 0;
  bool told_inside_call = false;
  bool told_after_stop = false;
  bool stop_called = false;
  bool stopped = false;
};

struct Pair {
  explicit Pair(asio::io_context& io) : a(io), b(io) {
    a.peer = &b;
    b.peer = &a;
  }
  void start(std::uint32_t generation) {
    const auto from_a = a.start(generation, true);
    const auto from_b = b.start(generation, false);
    b.call([&] { b.agent.set_remote_credentials(generation, from_a); });
    a.call([&] { a.agent.set_remote_credentials(generation, from_b); });
  }
  bool connected(std::uint32_t generation) const {
    return a.connected == generation && b.connected == generation;
  }

  End a;
  End b;
};

class IceAgentTest : public testing::Test {
 protected:
  bool run_until(const std::function<bool()>& condition) { return net::run_until(io, condition); }
  void stop(std::initializer_list<End*> ends) {
    for (End* end : ends) {
      if (!end->stop_called) end->stop();
    }
    EXPECT_TRUE(
        run_until([&] { return std::all_of(ends.begin(), ends.end(), [](End* e) { return e->stopped; }); }));
    for (const End* end : ends) {
      EXPECT_FALSE(end->told_inside_call);
      EXPECT_FALSE(end->told_after_stop);
    }
  }
  void stop(Pair& pair) { stop({&pair.a, &pair.b}); }

  asio::io_context io;
};

TEST_F(IceAgentTest, ConnectsOverLoopbackAndCarriesDatagramsBothWays) {
  Pair pair(io);
  pair.start(1);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  EXPECT_EQ(pair.a.pair->local.endpoint, pair.b.pair->remote.endpoint);
  EXPECT_EQ(pair.a.pair->remote.endpoint, pair.b.pair->local.endpoint);
  EXPECT_FALSE(pair.a.pair->relayed());
  // In small groups: a socket buffer without privileges holds about 200 KiB.
  for (std::uint32_t group = 0; group < 20; ++group) {
    for (std::uint32_t i = 0; i < 50; ++i) {
      ASSERT_EQ(pair.a.send(group * 50 + i), SendOutcome::sent);
      ASSERT_EQ(pair.b.send(group * 50 + i), SendOutcome::sent);
    }
    const std::size_t expected = (group + 1) * 50;
    ASSERT_TRUE(
        run_until([&] { return pair.a.received.size() >= expected && pair.b.received.size() >= expected; }));
  }
  EXPECT_EQ(pair.a.numbers().size(), 1000U);
  EXPECT_EQ(pair.b.numbers().size(), 1000U);
  stop(pair);
}

TEST_F(IceAgentTest, EndsEveryBatchAndNoneIsOverSixtyFour) {
  Pair pair(io);
  pair.start(1);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  for (std::uint32_t i = 0; i < 150; ++i) ASSERT_EQ(pair.a.send(i), SendOutcome::sent);
  ASSERT_TRUE(run_until([&] { return pair.b.received.size() == 150 && pair.b.unflushed == 0; }));
  EXPECT_EQ(pair.b.largest_batch, 64U);
  stop(pair);
}

TEST_F(IceAgentTest, SendsManyAtOnceAndTellsThemApart) {
  Pair pair(io);
  pair.start(1);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  constexpr std::size_t kSize = 1'300;
  base::Bytes batch;
  for (std::uint32_t i = 0; i < 40; ++i) {
    const base::Bytes one = End::numbered(i, i == 39 ? 700 : kSize);
    batch.insert(batch.end(), one.begin(), one.end());
  }
  pair.a.call([&] { EXPECT_EQ(pair.a.agent.send_batch(batch, kSize), SendOutcome::sent); });
  ASSERT_EQ(pair.a.send(40), SendOutcome::sent);
  ASSERT_TRUE(run_until([&] { return pair.b.received.size() == 41; }));
  for (std::uint32_t i = 0; i < 40; ++i)
    EXPECT_EQ(pair.b.received[i], End::numbered(i, i == 39 ? 700 : kSize)) << i;
  stop(pair);
}

TEST_F(IceAgentTest, ABatchOverTheInterfacesSizeIsTooBig) {
  Pair pair(io);
  pair.start(1);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  const base::Bytes batch(140'000, 0x80);
  pair.a.call([&] { EXPECT_EQ(pair.a.agent.send_batch(batch, 70'000), SendOutcome::too_big); });
  stop(pair);
}

TEST_F(IceAgentTest, LeavesOtherHandlersTheirTurnWhileDatagramsNeverCease) {
  Pair pair(io);
  pair.start(1);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  bool flooding = true;
  // Each datagram brings the next, so that the socket is never empty.
  pair.b.on_datagram = [&] {
    if (flooding) {
      EXPECT_EQ(pair.a.send(0), SendOutcome::sent);
    }
  };
  ASSERT_EQ(pair.a.send(0), SendOutcome::sent);
  bool timer_fired = false;
  asio::steady_timer timer(io, std::chrono::milliseconds(1));
  timer.async_wait([&](auto) { timer_fired = true; });
  ASSERT_TRUE(run_until([&] { return timer_fired && pair.b.received.size() > 2'000; }));
  flooding = false;
  EXPECT_LE(pair.b.largest_batch, 64U);
  stop(pair);
}

TEST_F(IceAgentTest, HasNoPathBeforeAPairIsSelected) {
  End end(io);
  EXPECT_EQ(end.send(1), SendOutcome::no_path);
  static_cast<void>(end.start(1, true));
  EXPECT_EQ(end.send(1), SendOutcome::no_path);
  stop({&end});
  EXPECT_EQ(end.send(1), SendOutcome::no_path);
}

TEST_F(IceAgentTest, GathersNeitherLoopbackNorLinkLocalUnlessAllowed) {
  End end(io, IceConfig{});
  static_cast<void>(end.start(1, true));
  ASSERT_TRUE(run_until([&] { return end.gathered == 1; }));
  for (const proto::Candidate& candidate : end.candidates) {
    const auto refusal = proto::judge(candidate, {});
    EXPECT_NE(refusal, proto::CandidateRefusal::loopback) << candidate.text();
    EXPECT_NE(refusal, proto::CandidateRefusal::link_local) << candidate.text();
  }
  stop({&end});
}

TEST_F(IceAgentTest, OffersLoopbackBesideTheOtherAddressesWhenAllowed) {
  End plain(io, IceConfig{});
  End end(io);
  static_cast<void>(plain.start(1, true));
  static_cast<void>(end.start(1, true));
  ASSERT_TRUE(run_until([&] { return plain.gathered == 1 && end.gathered == 1; }));
  const auto loopbacks = std::count_if(
      end.candidates.begin(), end.candidates.end(),
      [](const auto& candidate) { return proto::judge(candidate, {}) == proto::CandidateRefusal::loopback; });
  EXPECT_GE(loopbacks, 1);
  EXPECT_EQ(end.candidates.size(), plain.candidates.size() + static_cast<std::size_t>(loopbacks));
  stop({&plain, &end});
}

TEST_F(IceAgentTest, ConnectsAHundredAgentsInOneIoContext) {
  std::vector<std::unique_ptr<Pair>> pairs;
  for (int i = 0; i < 50; ++i) pairs.push_back(std::make_unique<Pair>(io));
  for (const auto& pair : pairs) pair->start(1);
  ASSERT_TRUE(run_until([&] {
    return std::all_of(pairs.begin(), pairs.end(), [](const auto& pair) { return pair->connected(1); });
  }));
  for (const auto& pair : pairs) {
    EXPECT_EQ(pair->a.send(1), SendOutcome::sent);
    EXPECT_EQ(pair->b.send(1), SendOutcome::sent);
  }
  ASSERT_TRUE(run_until([&] {
    return std::all_of(pairs.begin(), pairs.end(), [](const auto& pair) {
      return pair->a.received.size() == 1 && pair->b.received.size() == 1;
    });
  }));
  for (const auto& pair : pairs) {
    pair->a.stop();
    pair->b.stop();
  }
  for (const auto& pair : pairs) stop(*pair);
}

TEST_F(IceAgentTest, RestartKeepsDataFlowing) {
  Pair pair(io);
  pair.start(1);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  const auto old_pair = *pair.a.pair;
  pair.start(2);
  // One datagram each way at every turn of the loop, from before the restart until well after it.
  std::uint32_t sent = 0;
  const auto send_both = [&] {
    EXPECT_EQ(pair.a.send(sent), SendOutcome::sent);
    EXPECT_EQ(pair.b.send(sent), SendOutcome::sent);
    ++sent;
  };
  ASSERT_TRUE(run_until([&] {
    send_both();
    return pair.connected(2);
  }));
  for (int i = 0; i < 50; ++i) send_both();
  ASSERT_TRUE(run_until([&] { return pair.a.received.size() >= sent && pair.b.received.size() >= sent; }));
  EXPECT_EQ(pair.a.numbers().size(), sent);
  EXPECT_EQ(pair.b.numbers().size(), sent);
  EXPECT_NE(pair.a.pair->local.endpoint, old_pair.local.endpoint);
  stop(pair);
}

TEST_F(IceAgentTest, ClosesTheOldGenerationOnceTheNewOneCarries) {
  {
    Pair first(io);  // what GLib opens once for the process
    first.start(1);
    stop(first);
  }
  Pair pair(io);
  pair.start(1);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  const std::size_t one_generation = open_descriptors();
  pair.start(2);
  EXPECT_GT(open_descriptors(), one_generation);
  ASSERT_TRUE(run_until([&] { return pair.connected(2) && open_descriptors() == one_generation; }));
  EXPECT_EQ(pair.a.send(1), SendOutcome::sent);
  ASSERT_TRUE(run_until([&] { return pair.b.received.size() == 1; }));
  stop(pair);
}

TEST_F(IceAgentTest, GoesOnWithTheOldGenerationWhenTheNewOneHasNothingToTry) {
  Pair pair(io);
  pair.start(1);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  pair.a.peer = nullptr;
  static_cast<void>(pair.a.start(2, true));
  pair.a.agent.set_remote_credentials(2, some_credentials());
  pair.a.agent.remote_candidates_done(2);
  ASSERT_TRUE(run_until([&] { return pair.a.failed == 2; }));
  EXPECT_EQ(pair.a.failure, IceFailure::no_candidates);
  EXPECT_EQ(pair.a.send(1), SendOutcome::sent);
  EXPECT_EQ(pair.b.send(2), SendOutcome::sent);
  ASSERT_TRUE(run_until([&] { return pair.a.received.size() == 1 && pair.b.received.size() == 1; }));
  // And a third one that works takes over from it.
  pair.a.peer = &pair.b;
  pair.start(3);
  ASSERT_TRUE(run_until([&] { return pair.connected(3); }));
  stop(pair);
}

TEST_F(IceAgentTest, IgnoresWhatBelongsToAnotherGeneration) {
  End end(io);
  static_cast<void>(end.start(5, true));
  end.agent.set_remote_credentials(4, {"x", "y"});
  end.agent.add_remote_candidate(6, host_candidate("127.0.0.1", 9));
  end.agent.remote_candidates_done(4);
  ASSERT_TRUE(run_until([&] { return end.gathered == 5; }));
  EXPECT_EQ(end.failed, 0U);
  stop({&end});
}

TEST_F(IceAgentTest, FailsTheChecksWhenNothingAnswers) {
  const udp::socket silent(io, udp::endpoint(asio::ip::address_v4::loopback(), 0));
  End end(io);
  static_cast<void>(end.start(1, true));
  end.agent.set_remote_credentials(1, some_credentials());
  end.agent.add_remote_candidate(1, host_candidate("127.0.0.1", silent.local_endpoint().port()));
  end.agent.remote_candidates_done(1);
  ASSERT_TRUE(run_until([&] { return end.failed == 1; }));
  EXPECT_EQ(end.failure, IceFailure::checks_failed);
  EXPECT_EQ(end.connected, 0U);
  stop({&end});
}

// libnice repeats a transaction; a second one is another check.
TEST_F(IceAgentTest, ChecksAServerReflexiveAddressOnceMoreBeforeLongForItsNatMayHaveBeenShut) {
  udp::socket nat(io, udp::endpoint(asio::ip::address_v4::loopback(), 0));
  std::array<char, 1500> request{};
  udp::endpoint from;
  std::map<udp::endpoint, std::set<std::string>> transactions;  // RFC 8489 5: 12 bytes from the ninth on
  bool twice = false;
  const std::function<void()> listen = [&] {
    nat.async_receive_from(asio::buffer(request), from,
                           [&](const boost::system::error_code& error, std::size_t size) {
                             if (error) return;
                             if (size >= 20) transactions[from].emplace(request.data() + 8, 12);
                             twice = twice || transactions[from].size() >= 2;
                             listen();
                           });
  };
  listen();
  End end(io);
  static_cast<void>(end.start(1, true));
  end.agent.set_remote_credentials(1, some_credentials());
  proto::Candidate behind = host_candidate("127.0.0.1", nat.local_endpoint().port());
  behind.type = proto::CandidateType::srflx;
  end.agent.add_remote_candidate(1, behind);
  end.agent.remote_candidates_done(1);
  EXPECT_TRUE(run_until([&] { return twice || end.failed == 1; }));
  EXPECT_TRUE(twice);
  nat.close();
  stop({&end});
}

TEST_F(IceAgentTest, HasNoCandidatesWhenThePeerSendsNone) {
  End end(io);
  static_cast<void>(end.start(1, false));
  end.agent.set_remote_credentials(1, some_credentials());
  end.agent.remote_candidates_done(1);
  ASSERT_TRUE(run_until([&] { return end.failed == 1; }));
  EXPECT_EQ(end.failure, IceFailure::no_candidates);
  stop({&end});
}

TEST_F(IceAgentTest, HandsNoRefusedCandidateToTheLibrary) {
  auto without_priority = host_candidate("127.0.0.1", 9);
  without_priority.priority = 0;
  IceConfig with_listener = loopback_config();
  with_listener.policy.own_listeners.push_back(proto::Endpoint::from_text("127.0.0.1", 4000).value());
  const struct {
    IceConfig config;
    proto::Candidate candidate;
  } cases[] = {
      {IceConfig{}, host_candidate("127.0.0.1", 9)},
      {loopback_config(), without_priority},
      {loopback_config(), host_candidate("127.0.0.1", 0)},
      {with_listener, host_candidate("127.0.0.1", 4000)},
  };
  for (const auto& [config, candidate] : cases) {
    End end(io, config);
    static_cast<void>(end.start(1, true));
    end.agent.set_remote_credentials(1, some_credentials());
    end.agent.add_remote_candidate(1, candidate);
    end.agent.remote_candidates_done(1);
    ASSERT_TRUE(run_until([&] { return end.failed == 1; })) << candidate.text();
    EXPECT_EQ(end.failure, IceFailure::no_candidates) << candidate.text();
    stop({&end});
  }
}

TEST_F(IceAgentTest, ConnectsAmongMoreCandidatesThanTheLibraryTakes) {
  Pair pair(io);
  const auto from_a = pair.a.start(1, true);
  const auto from_b = pair.b.start(1, false);
  pair.a.agent.set_remote_credentials(1, from_b);
  pair.b.agent.set_remote_credentials(1, from_a);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  for (std::uint16_t port = 2000; port < 2100; ++port)
    pair.a.agent.add_remote_candidate(1, host_candidate("127.0.0.1", port));
  EXPECT_EQ(pair.a.send(1), SendOutcome::sent);
  ASSERT_TRUE(run_until([&] { return pair.b.received.size() == 1; }));
  stop(pair);
}

TEST_F(IceAgentTest, CandidatesThatComeBeforeTheCredentialsWaitForThem) {
  Pair pair(io);
  const auto from_a = pair.a.start(1, true);
  const auto from_b = pair.b.start(1, false);
  ASSERT_TRUE(run_until([&] { return pair.a.gathered == 1 && pair.b.gathered == 1; }));
  pair.b.agent.set_remote_credentials(1, from_a);
  pair.a.agent.set_remote_credentials(1, from_b);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  stop(pair);
}

TEST_F(IceAgentTest, MalformedCredentialsFailTheGeneration) {
  for (const IceCredentials& credentials :
       {IceCredentials{"abc", "abcdefghijklmnopqrstuv"}, IceCredentials{"abcd", "too short"},
        IceCredentials{"ab d", "abcdefghijklmnopqrstuv"}, IceCredentials{"abcd", std::string(257, 'a')}}) {
    End end(io);
    static_cast<void>(end.start(1, true));
    end.call([&] { end.agent.set_remote_credentials(1, credentials); });
    ASSERT_TRUE(run_until([&] { return end.failed == 1; }));
    EXPECT_EQ(end.failure, IceFailure::agent_error);
    stop({&end});
  }
}

TEST_F(IceAgentTest, MakesCredentialsOfTheirOwnForEachGeneration) {
  End end(io);
  const auto first = end.start(1, true);
  const auto second = end.start(2, true);
  EXPECT_GE(first.ufrag.size(), 4U);
  EXPECT_GE(first.password.size(), 22U);
  EXPECT_NE(first, second);
  stop({&end});
}

int loopback_mtu() {
  asio::io_context io;
  udp::socket socket(io, udp::v4());
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  return ::ioctl(socket.native_handle(), SIOCGIFMTU, &request) == 0 ? request.ifr_mtu : 0;
}

TEST_F(IceAgentTest, ADatagramOverTheInterfacesSizeIsTooBig) {
  Pair pair(io);
  pair.start(1);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  const int mtu = loopback_mtu();
  ASSERT_GT(mtu, 0);
  // Less the IP and UDP headers; the length field of IPv4 counts its own header, that of IPv6 does not.
  const int largest_payload =
      pair.a.pair->remote.endpoint.v6 ? std::min(mtu - 48, 65'535 - 8) : std::min(mtu, 65'535) - 28;
  const auto largest = static_cast<std::size_t>(largest_payload);
  EXPECT_EQ(pair.a.send(1, largest + 1), SendOutcome::too_big);
  EXPECT_EQ(pair.a.send(2, 70'000), SendOutcome::too_big);
  EXPECT_EQ(pair.a.send(3, largest), SendOutcome::sent);
  EXPECT_EQ(pair.a.send(4, 1'200), SendOutcome::sent);
  ASSERT_TRUE(run_until([&] { return pair.b.received.size() == 2; }));
  EXPECT_EQ(pair.b.received.front().size(), largest);
  EXPECT_EQ(pair.b.received.back().size(), 1'200U);
  stop(pair);
}

TEST_F(IceAgentTest, GivesEveryDescriptorBack) {
  const auto round = [&](int agents) {
    std::vector<std::unique_ptr<Pair>> pairs;
    for (int i = 0; i < agents / 2; ++i) pairs.push_back(std::make_unique<Pair>(io));
    for (const auto& pair : pairs) pair->start(1);
    EXPECT_TRUE(run_until([&] {
      return std::all_of(pairs.begin(), pairs.end(), [](const auto& pair) { return pair->connected(1); });
    }));
    for (const auto& pair : pairs) stop(*pair);
  };
  round(2);  // what GLib opens once for the process
  const std::size_t before = open_descriptors();
  round(50);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(IceAgentTest, MayBeStoppedAtAnyStage) {
  for (int turns = 0; turns < 40; ++turns) {
    Pair pair(io);
    pair.start(1);
    const auto guard = asio::make_work_guard(io);
    io.restart();
    for (int i = 0; i < turns; ++i) io.run_one();
    stop(pair);
  }
}

TEST_F(IceAgentTest, MayBeStoppedAndDestroyedFromItsOwnEvents) {
  auto pair = std::make_unique<Pair>(io);
  pair->start(1);
  ASSERT_TRUE(run_until([&] { return pair->connected(1); }));
  bool destroyed = false;
  pair->b.on_datagram = [&] {
    if (pair->b.stop_called) return;
    pair->b.stop_called = true;
    pair->b.agent.stop([&] { pair->a.agent.stop([&] { pair.reset(), destroyed = true; }); });
  };
  for (std::uint32_t i = 0; i < 10; ++i) EXPECT_EQ(pair->a.send(i), SendOutcome::sent);
  ASSERT_TRUE(run_until([&] { return destroyed; }));
}

TEST_F(IceAgentTest, MayBeRestartedFromInsideADatagram) {
  Pair pair(io);
  pair.start(1);
  ASSERT_TRUE(run_until([&] { return pair.connected(1); }));
  bool restarted = false;
  pair.b.on_datagram = [&] {
    if (!std::exchange(restarted, true)) pair.start(2);
  };
  EXPECT_EQ(pair.a.send(1), SendOutcome::sent);
  ASSERT_TRUE(run_until([&] { return pair.connected(2); }));
  stop(pair);
}

// As on the data-plane threads: nothing is shared between them but the libraries' own state.
TEST(IceAgent, RunsOnSeveralThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([] {
      asio::io_context io;
      for (int round = 0; round < 5; ++round) {
        Pair pair(io);
        pair.start(1);
        EXPECT_TRUE(run_until(io, [&] { return pair.connected(1); }));
        EXPECT_EQ(pair.a.send(1), SendOutcome::sent);
        EXPECT_TRUE(run_until(io, [&] { return pair.b.received.size() == 1; }));
        pair.a.stop();
        pair.b.stop();
        EXPECT_TRUE(run_until(io, [&] { return pair.a.stopped && pair.b.stopped; }));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(IceAgentTest, StopsWithoutHavingStarted) {
  End end(io);
  stop({&end});
}

// RFC 8489 Binding responses that name an address of the test's choice.
class FakeStunServer {
 public:
  explicit FakeStunServer(asio::io_context& io)
      : socket_(io, udp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    receive();
  }
  std::uint16_t port() const { return socket_.local_endpoint().port(); }

 private:
  void receive() {
    socket_.async_receive_from(asio::buffer(request_), from_, [this](auto error, std::size_t size) {
      if (error) return;
      if (size >= 20) answer();
      receive();
    });
  }
  void answer() {
    std::array<std::uint8_t, 32> response{0x01, 0x01, 0, 12};
    std::copy_n(request_.begin() + 4, 16, response.begin() + 4);  // cookie, transaction
    // XOR-MAPPED-ADDRESS 8.8.4.4:4444
    const std::array<std::uint8_t, 12> attribute{
        0,        0x20,     0,        8,       0, 1, (4444 >> 8) ^ 0x21, (4444 & 0xff) ^ 0x12,
        8 ^ 0x21, 8 ^ 0x12, 4 ^ 0xa4, 4 ^ 0x42};
    std::copy(attribute.begin(), attribute.end(), response.begin() + 20);
    socket_.send_to(asio::buffer(response), from_);
  }

  udp::socket socket_;
  udp::endpoint from_;
  std::array<std::uint8_t, 1500> request_{};
};

TEST_F(IceAgentTest, OffersTheAddressThatTheStunServerSees) {
  FakeStunServer server(io);
  IceConfig config = loopback_config();
  auto servers = std::make_shared<IceServers>();
  servers->stun.push_back(proto::Endpoint::from_text("127.0.0.1", server.port()).value());
  config.servers = servers;
  End end(io, config);
  static_cast<void>(end.start(1, true));
  // Not until gathering is done: from addresses other than loopback the server cannot be reached.
  const auto find = [&] {
    return std::find_if(end.candidates.begin(), end.candidates.end(),
                        [](const auto& candidate) { return candidate.type == proto::CandidateType::srflx; });
  };
  ASSERT_TRUE(run_until([&] { return find() != end.candidates.end(); }));
  const auto found = find();
  EXPECT_EQ(found->endpoint, proto::Endpoint::from_text("8.8.4.4", 4444).value());
  ASSERT_TRUE(found->related.has_value());
  EXPECT_NE(found->related->port, 0);
  stop({&end});
}

TEST_F(IceAgentTest, ARestartAsksTheServersThatThereAreThen) {
  FakeStunServer server(io);
  IceConfig config = loopback_config();
  auto servers = std::make_shared<IceServers>();
  config.servers = servers;
  End end(io, config);
  static_cast<void>(end.start(1, true));
  ASSERT_TRUE(run_until([&] { return end.gathered == 1; }));
  const auto reflexive = [&] {
    return std::ranges::count(end.candidates, proto::CandidateType::srflx, &proto::Candidate::type);
  };
  EXPECT_EQ(reflexive(), 0);
  servers->stun.push_back(proto::Endpoint::from_text("127.0.0.1", server.port()).value());
  static_cast<void>(end.start(2, true));
  EXPECT_TRUE(run_until([&] { return reflexive() > 0; }));
  stop({&end});
}

TEST_F(IceAgentTest, TheAddressThatWorkedBeforeIsOfferedFirst) {
  const auto gather = [&](const std::optional<proto::Endpoint>& worked_before) {
    IceConfig config = loopback_config();
    config.worked_before = worked_before;
    End end(io, config);
    static_cast<void>(end.start(1, true));
    EXPECT_TRUE(run_until([&] { return end.gathered == 1; }));
    std::vector<std::string> offered;
    for (const proto::Candidate& candidate : end.candidates)
      offered.push_back(candidate.endpoint.address_text());
    stop({&end});
    return offered;
  };
  const std::vector<std::string> usual = gather(std::nullopt);
  if (usual.size() < 2) GTEST_SKIP() << "this machine has one address only";
  for (const std::string& address : usual) {
    const std::vector<std::string> offered = gather(proto::Endpoint::from_text(address, 9));
    ASSERT_EQ(offered.size(), usual.size());
    EXPECT_EQ(offered.front(), address);
  }
}

TEST_F(IceAgentTest, RelayOnlyOffersNoHostAddress) {
  IceConfig config = loopback_config();
  config.relay_only = true;
  End end(io, config);
  static_cast<void>(end.start(1, true));
  ASSERT_TRUE(run_until([&] { return end.gathered == 1; }));
  EXPECT_TRUE(end.candidates.empty());
  stop({&end});
}

}  // namespace
}  // namespace p2pd::net
