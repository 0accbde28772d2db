#include "net/port_mapper.hpp"

#include <array>
#include <deque>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "tests/unit/net/fake_gateway.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
using base::Bytes;
using base::ByteView;
using proto::Endpoint;
using State = PortMapperStatus::State;

constexpr std::uint16_t kPort = 40'000;

Endpoint loopback(std::uint16_t port) { return *Endpoint::from_text("127.0.0.1", port); }

// The table of a PCP and NAT-PMP gateway, as far as one client sees it.
struct Table {
  bool pcp = true;
  std::uint32_t epoch = 1'000;
  std::uint32_t lifetime = 1'800;
  std::string outside = "203.0.113.9";
  std::uint8_t refuse_next = 0;  // a result for the next request to map
  bool other_nonce = false;
  std::vector<std::string> calls;

  std::optional<Bytes> answer(ByteView datagram) {
    if (datagram.size() < 2) return std::nullopt;
    return datagram[0] == 2 ? answer_pcp(datagram) : answer_natpmp(datagram);
  }

 private:
  static base::ByteWriter& address(base::ByteWriter& out, const std::string& text) {
    const Endpoint endpoint = *Endpoint::from_text(text, 0);
    return out.u64(0).u16(0).u16(0xffff).bytes(ByteView(endpoint.address).first(4));
  }

  std::optional<Bytes> answer_pcp(ByteView datagram) {
    base::ByteWriter out;
    if (!pcp) return out.u8(0).u8(0x80).u16(1).u32(epoch).take();
    base::ByteReader in(datagram.subspan(4));
    const std::uint32_t asked = in.u32();
    in.take(16);
    if (datagram[1] == 0) {
      calls.emplace_back("announce");
      return out.u8(2).u8(0x80).u8(0).u8(0).u32(0).u32(epoch).u64(0).u32(0).take();
    }
    auto nonce = in.array<12>();
    if (other_nonce) nonce[0] = static_cast<std::uint8_t>(nonce[0] + 1);
    in.take(4);
    const std::uint16_t internal = in.u16();
    calls.push_back(asked == 0 ? "delete" : "map");
    const std::uint8_t result = asked == 0 ? std::uint8_t{0} : std::exchange(refuse_next, std::uint8_t{0});
    out.u8(2).u8(0x81).u8(0).u8(result).u32(asked == 0 ? 0 : lifetime).u32(epoch).u64(0).u32(0);
    out.bytes(nonce).u8(17).u8(0).u16(0).u16(internal).u16(static_cast<std::uint16_t>(internal + 1));
    return address(out, outside).take();
  }

  std::optional<Bytes> answer_natpmp(ByteView datagram) {
    base::ByteWriter out;
    if (datagram[1] == 0) {
      calls.emplace_back("address");
      const Endpoint endpoint = *Endpoint::from_text(outside, 0);
      return out.u8(0).u8(128).u16(0).u32(epoch).bytes(ByteView(endpoint.address).first(4)).take();
    }
    base::ByteReader in(datagram.subspan(4));
    const std::uint16_t internal = in.u16();
    const std::uint16_t external = in.u16();
    const std::uint32_t asked = in.u32();
    calls.push_back(asked == 0 ? "delete" : "map");
    return out.u8(0)
        .u8(129)
        .u16(0)
        .u32(epoch)
        .u16(internal)
        .u16(external)
        .u32(asked == 0 ? 0 : lifetime)
        .take();
  }
};

class PortMapperTest : public testing::Test {
 protected:
  void TearDown() override {
    if (mapper_) stop();
  }

  PortMapperConfig config() {
    PortMapperConfig out;
    out.find_gateway = [this] {
      ++looked_;
      return gateway_;
    };
    out.ports.port_control = port_control_ != 0 ? port_control_ : udp_.port();
    out.ports.ssdp = loopback(ssdp_.port());
    out.least_renewal = std::chrono::milliseconds(1);
    return out;
  }
  void start(const PortMapperConfig& config) {
    mapper_ = std::make_unique<PortMapper>(io_.get_executor(), config);
    mapper_->start();
    mapper_->set_enabled(true);
  }
  void start() { start(config()); }

  PortMappings::Id ask(const Endpoint& internal = loopback(kPort)) {
    return mapper_->add(internal, io_.get_executor(),
                        [this](std::optional<Endpoint> external) { told_.push_back(external); });
  }
  // Runs until it holds; a test that hangs fails.
  void run_until(const std::function<bool()>& condition) {
    const auto deadline = base::Clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      ASSERT_LT(base::Clock::now(), deadline);
      io_.restart();
      io_.run_one_until(deadline);
    }
  }
  void stop() {
    bool stopped = false;
    asio::co_spawn(io_, mapper_->stop(), [&stopped](const std::exception_ptr&) { stopped = true; });
    run_until([&] { return stopped; });
    mapper_.reset();
  }
  [[nodiscard]] std::size_t count(const std::string& call) const {
    return static_cast<std::size_t>(std::count(table_.calls.begin(), table_.calls.end(), call));
  }

  asio::io_context io_;
  Table table_;
  bool silent_ = false;
  std::uint16_t port_control_ = 0;  // 0: the table's
  test::FakeUdp udp_{io_, [this](ByteView in) { return silent_ ? std::nullopt : table_.answer(in); }};
  std::string location_;
  test::FakeUdp ssdp_{io_, [this](ByteView) -> std::optional<Bytes> {
                        if (location_.empty()) return std::nullopt;
                        const std::string text =
                            "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
                            "LOCATION: " +
                            location_ + "\r\n\r\n";
                        return Bytes(text.begin(), text.end());
                      }};
  std::optional<Gateway> gateway_ = Gateway{loopback(0), loopback(0)};
  int looked_ = 0;
  std::deque<std::optional<Endpoint>> told_;
  std::unique_ptr<PortMapper> mapper_;
};

TEST_F(PortMapperTest, MapsByPcpAndDeletesAtTheEnd) {
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  ASSERT_TRUE(told_[0]);
  EXPECT_EQ(told_[0]->text(), "203.0.113.9:40001");
  const PortMapperStatus status = mapper_->status();
  EXPECT_EQ(status.state, State::mapping);
  EXPECT_EQ(status.protocol, "pcp");
  EXPECT_EQ(status.external, "203.0.113.9");
  EXPECT_EQ(count("delete"), 0u);
  stop();
  EXPECT_EQ(count("delete"), 1u);
}

TEST_F(PortMapperTest, MapsByNatPmpWhereTheGatewayRefusesPcp) {
  table_.pcp = false;
  start();
  const auto id = ask();
  run_until([&] { return !told_.empty(); });
  ASSERT_TRUE(told_[0]);
  EXPECT_EQ(told_[0]->text(), "203.0.113.9:40000");
  EXPECT_EQ(mapper_->status().protocol, "nat-pmp");
  mapper_->remove(id);
  run_until([&] { return count("delete") == 1; });
}

// The server answers to RESPONSE-PORT (RFC 5780 7.5) where `reached`: as the table maps, to the port below.
class ProvedPortMapperTest : public PortMapperTest {
 protected:
  ProvedPortMapperTest() { receive(); }

  void start_proved() {
    table_.outside = "127.0.0.1";
    auto with = config();
    with.allow_loopback = true;
    start(with);
    mapper_->set_stun_servers({loopback(server_.local_endpoint().port())});
  }

  enum class Server { sends, keeps_to_itself, refuses } how_ = Server::sends;

 private:
  void receive() {
    server_.async_receive_from(asio::buffer(buffer_), from_,
                               [this](const boost::system::error_code& error, std::size_t size) {
                                 if (error) return;
                                 if (const auto request = parse_stun(ByteView(buffer_).first(size)))
                                   answer(*request);
                                 receive();
                               });
  }
  void answer(const StunMessage& request) {
    StunMessage reply;
    reply.kind = StunClass::success;
    reply.transaction = request.transaction;
    reply.mapped = loopback(from_.port());
    auto to = from_;
    if (request.response_port) {
      if (how_ == Server::keeps_to_itself) return;
      if (how_ == Server::sends) {
        to.port(static_cast<std::uint16_t>(*request.response_port - 1));
      } else {
        reply.kind = StunClass::error;
        reply.error_code = kStunUnknownAttribute;
      }
    }
    server_.send_to(asio::buffer(encode(reply)), to);
  }

  asio::ip::udp::socket server_{io_, {asio::ip::address_v4::loopback(), 0}};
  asio::ip::udp::endpoint from_;
  std::array<std::uint8_t, 2048> buffer_{};
};

TEST_F(ProvedPortMapperTest, SaysThatAMappedPortIsReached) {
  start_proved();
  run_until([&] { return mapper_->status().reached != proto::Finding::unknown; });
  EXPECT_EQ(mapper_->status().reached, proto::Finding::yes);
  ask();
  run_until([&] { return !told_.empty(); });
  EXPECT_TRUE(told_[0]);
  run_until([&] { return count("delete") == 1; });  // the port that it was tried with
}

TEST_F(ProvedPortMapperTest, MapsNothingWhereNothingComesIn) {
  how_ = Server::keeps_to_itself;
  start_proved();
  run_until([&] { return mapper_->status().reached == proto::Finding::no; });
  EXPECT_EQ(mapper_->status().state, State::none);
  EXPECT_NE(mapper_->status().error.find("nothing from outside"), std::string::npos);
  EXPECT_EQ(count("map"), count("delete"));
  ask();
  run_until([&] { return !told_.empty(); });
  EXPECT_FALSE(told_[0]);
}

TEST_F(ProvedPortMapperTest, DoesNotKnowWhereTheServerCannotSendElsewhere) {
  how_ = Server::refuses;
  start_proved();
  ask();
  run_until([&] { return !told_.empty() && count("delete") == 1; });
  EXPECT_TRUE(told_[0]);
  EXPECT_EQ(mapper_->status().reached, proto::Finding::unknown);
  EXPECT_EQ(mapper_->status().state, State::mapping);
}

TEST_F(PortMapperTest, RenewsAtHalfOfTheLife) {
  table_.lifetime = 1;
  start();
  ask();
  run_until([&] { return count("map") >= 3; });
  EXPECT_EQ(count("delete"), 0u);
  EXPECT_EQ(told_.size(), 1u) << "nothing changed";
}

TEST_F(PortMapperTest, DeletesAndAddsWhatIsNotRenewed) {
  table_.lifetime = 1;
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  table_.refuse_next = 11;
  run_until([&] { return count("delete") == 1 && count("map") == 3; });
  EXPECT_EQ(table_.calls, (std::vector<std::string>{"announce", "map", "map", "delete", "map"}));
}

TEST_F(PortMapperTest, TellsWhenTheOutsideAddressChanges) {
  table_.lifetime = 1;
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  table_.outside = "198.51.100.7";
  run_until([&] { return told_.size() == 2; });
  EXPECT_EQ(told_[1]->text(), "198.51.100.7:40001");
}

TEST_F(PortMapperTest, MakesAllAnewWhenTheGatewayHasForgottenThem) {
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  table_.epoch = 1;
  ask(loopback(kPort + 1));
  run_until([&] { return count("map") == 3; });
}

TEST_F(PortMapperTest, MakesAllAnewWhenTheNetworkChanges) {
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  mapper_->network_changed();
  run_until([&] { return count("map") == 2; });
  EXPECT_EQ(looked_, 2);
}

TEST_F(PortMapperTest, AnswersNoWithoutAGateway) {
  gateway_.reset();
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  EXPECT_FALSE(told_[0]);
  EXPECT_EQ(mapper_->status().state, State::none);
  EXPECT_FALSE(mapper_->status().error.empty());
}

TEST_F(PortMapperTest, AnswersNoWhereNobodyAnswers) {
  silent_ = true;
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  EXPECT_FALSE(told_[0]);
  EXPECT_EQ(mapper_->status().state, State::none);
}

TEST_F(PortMapperTest, SaysNothingToAnybodyWhileItIsOff) {
  start();
  mapper_->set_enabled(false);
  ask();
  run_until([&] { return !told_.empty(); });
  EXPECT_FALSE(told_[0]);
  EXPECT_EQ(looked_, 0);
  EXPECT_TRUE(table_.calls.empty());
  EXPECT_EQ(mapper_->status().state, State::off);
}

TEST_F(PortMapperTest, TurnedOffItDeletesWhatIsMapped) {
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  mapper_->set_enabled(false);
  run_until([&] { return mapper_->status().state == State::off; });
  EXPECT_EQ(count("delete"), 1u);
  run_until([&] { return told_.size() == 2; });
  EXPECT_FALSE(told_[1]);
}

TEST_F(PortMapperTest, LeavesAddressesThatCanBeNone) {
  for (const char* const address :
       {"0.0.0.0", "127.0.0.1", "224.0.0.1", "169.254.169.254", "255.255.255.255"}) {
    table_.outside = address;
    start();
    ask();
    run_until([&] { return !told_.empty(); });
    EXPECT_FALSE(told_[0]) << address;
    run_until([&] { return count("delete") >= 1; });
    stop();
    told_.clear();
    table_.calls.clear();
  }
}

TEST_F(PortMapperTest, AnAnswerToAnotherQuestionCountsForNothing) {
  table_.other_nonce = true;
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  EXPECT_FALSE(told_[0]);
}

TEST_F(PortMapperTest, APortOfAnotherInterfaceIsNotMapped) {
  start();
  ask(*Endpoint::from_text("192.0.2.1", kPort));
  run_until([&] { return !told_.empty(); });
  EXPECT_FALSE(told_[0]);
  EXPECT_EQ(count("map"), 0u);
}

TEST_F(PortMapperTest, WhoComesAfterTheLastPlaceGetsNone) {
  start();
  for (std::size_t i = 0; i <= PortMapper::kMaxMappings; ++i)
    ask(loopback(static_cast<std::uint16_t>(kPort + i)));
  run_until([&] { return told_.size() == PortMapper::kMaxMappings + 1; });
  EXPECT_EQ(std::count(told_.begin(), told_.end(), std::nullopt), 1);
}

// --- UPnP ---

class UpnpTest : public PortMapperTest {
 protected:
  // Nobody listens there, and the kernel says so at once.
  UpnpTest() { port_control_ = 1; }

  void serve(test::FakeHttp::Answer answer) {
    http_ =
        std::make_unique<test::FakeHttp>(io_, [this, answer = std::move(answer)](const std::string& request) {
          requests_.push_back(request);
          return answer(request);
        });
    location_ = "http://127.0.0.1:" + std::to_string(http_->port()) + "/root.xml";
  }
  // A good gateway; `add` answers AddPortMapping.
  void serve_gateway(std::function<std::string()> add) {
    serve([add = std::move(add)](const std::string& request) -> std::optional<std::string> {
      if (request.starts_with("GET")) return test::http_ok(test::description("/ctl"));
      if (request.find("GetExternalIPAddress") != std::string::npos)
        return test::soap_reply("<NewExternalIPAddress>203.0.113.9</NewExternalIPAddress>");
      if (request.find("AddPortMapping") != std::string::npos) return add();
      return test::soap_reply("");
    });
  }
  [[nodiscard]] std::size_t asked_for(const std::string& what) const {
    return static_cast<std::size_t>(
        std::count_if(requests_.begin(), requests_.end(),
                      [&](const std::string& one) { return one.find(what) != std::string::npos; }));
  }
  // Nothing came of it.
  void expect_none() {
    start();
    ask();
    run_until([&] { return !told_.empty(); });
    EXPECT_FALSE(told_[0]);
  }

  std::unique_ptr<test::FakeHttp> http_;
  std::vector<std::string> requests_;
};

TEST_F(UpnpTest, MapsAndDeletesAtTheEnd) {
  serve_gateway([] { return test::soap_reply(""); });
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  ASSERT_TRUE(told_[0]);
  EXPECT_EQ(told_[0]->text(), "203.0.113.9:40000");
  EXPECT_EQ(mapper_->status().protocol, "upnp");
  EXPECT_EQ(asked_for("<NewInternalClient>127.0.0.1</NewInternalClient>"), 1u);
  stop();
  EXPECT_EQ(asked_for("<u:DeletePortMapping"), 1u);
}

TEST_F(UpnpTest, TakesAnotherPortWhereThatOneIsTaken) {
  int calls = 0;
  serve_gateway([&calls] { return ++calls == 1 ? test::soap_error(718) : test::soap_reply(""); });
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  ASSERT_TRUE(told_[0]);
  EXPECT_GE(told_[0]->port, 49'152);
}

TEST_F(UpnpTest, AsksForAPermanentMappingWhereThereIsNoOther) {
  int calls = 0;
  serve_gateway([&calls] { return ++calls == 1 ? test::soap_error(725) : test::soap_reply(""); });
  start();
  ask();
  run_until([&] { return !told_.empty(); });
  ASSERT_TRUE(told_[0]);
  EXPECT_EQ(asked_for("<NewLeaseDuration>0</NewLeaseDuration>"), 1u);
}

TEST_F(UpnpTest, ARefusalLeavesNothing) {
  serve_gateway([] { return test::soap_error(606); });
  expect_none();
  EXPECT_NE(mapper_->status().error.find("606"), std::string::npos) << mapper_->status().error;
}

TEST_F(UpnpTest, GoesNowhereElseThanToTheGateway) {
  serve([](const std::string&) { return test::http_ok(test::description("http://127.0.0.2:80/ctl")); });
  expect_none();
  EXPECT_EQ(requests_.size(), 1u) << "the description, and nothing more";
}

TEST_F(UpnpTest, ADescriptionElsewhereIsNotFetched) {
  serve_gateway([] { return test::soap_reply(""); });
  location_ = "http://127.0.0.2:" + std::to_string(http_->port()) + "/root.xml";
  expect_none();
  EXPECT_TRUE(requests_.empty());
}

TEST_F(UpnpTest, SurvivesWhatNoGatewayWouldSay) {
  const std::string huge = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n<root>";
  for (const std::string& answer :
       {std::string(), std::string("nonsense\r\n\r\n"), huge, test::http_ok(std::string(70'000, 'x')),
        test::http_ok("<root><device><serviceList><service><serviceType>"),
        test::http_ok(test::description(std::string(4'000, '/'))),
        test::http_ok(test::description("/ctl\r\nX-Evil: 1")), test::http_ok(std::string(60'000, '<')),
        std::string("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/\r\nContent-Length: 0\r\n\r\n")}) {
    serve([&answer](const std::string&) -> std::optional<std::string> {
      return answer.empty() ? std::nullopt : std::optional(answer);
    });
    expect_none();
    stop();
    told_.clear();
  }
}

}  // namespace
}  // namespace p2pd::net
