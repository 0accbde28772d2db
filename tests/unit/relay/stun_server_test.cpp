#include "relay/stun_server.hpp"

#include <boost/asio/buffer.hpp>

#include "tests/unit/relay/relay_fixture.hpp"

namespace p2pd::relay::test {
namespace {

using asio::ip::udp;

class RelayStun : public RelayFixture {
 protected:
  void start_with_stun(std::vector<udp::endpoint> endpoints, double rate = 1'000) {
    auto config = local_config();
    config.stun_listen = std::move(endpoints);
    config.limits.rate_stun = rate;
    start_server(std::move(config));
  }
  struct Answer {
    net::StunMessage message;
    udp::endpoint from;
  };
  std::optional<Answer> ask(const net::StunMessage& request, std::size_t server = 0) {
    client_.send_to(asio::buffer(net::encode(request)), server_->stun_addresses().at(server));
    return receive();
  }
  std::optional<Answer> receive() {
    std::optional<Answer> answer;
    std::array<std::uint8_t, 1500> buffer;
    udp::endpoint from;
    bool done = false;
    client_.async_receive_from(
        asio::buffer(buffer), from, [&](const boost::system::error_code& error, std::size_t size) {
          done = true;
          if (error) return;
          const auto parsed =
              net::parse_stun(base::ByteView(buffer).first(size), net::StunDialect::classic_too);
          EXPECT_TRUE(parsed);
          if (parsed) answer = Answer{*parsed, from};
        });
    EXPECT_TRUE(run_until([&] { return done; }));
    return answer;
  }
  static net::StunMessage request() {
    net::StunMessage out;
    out.transaction = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    return out;
  }

  udp::socket client_{io_, udp::endpoint(asio::ip::address_v4::loopback(), 0)};
};

TEST_F(RelayStun, TellsTheAddressARequestCameFrom) {
  start_with_stun({{asio::ip::address_v4::loopback(), 0}});
  const auto answer = ask(request());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.kind, net::StunClass::success);
  EXPECT_EQ(answer->message.transaction, request().transaction);
  ASSERT_TRUE(answer->message.mapped);
  EXPECT_EQ(answer->message.mapped->text(), "127.0.0.1:" + std::to_string(client_.local_endpoint().port()));
  EXPECT_FALSE(answer->message.fingerprint);
  EXPECT_FALSE(answer->message.other_address);
}

// libnice asks so, and takes no other answer.
TEST_F(RelayStun, AnswersRequestsOfRfc3489InTheirOwnWay) {
  start_with_stun({{asio::ip::address_v4::loopback(), 0}});
  auto asking = request();
  asking.classic_id = 0x01020304;
  const auto answer = ask(asking);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.classic_id, asking.classic_id);
  EXPECT_EQ(answer->message.transaction, asking.transaction);
  ASSERT_TRUE(answer->message.mapped);
  EXPECT_EQ(answer->message.mapped->text(), "127.0.0.1:" + std::to_string(client_.local_endpoint().port()));
}

TEST_F(RelayStun, AddsAFingerprintWhereTheRequestHadOne) {
  start_with_stun({{asio::ip::address_v4::loopback(), 0}});
  auto asking = request();
  asking.fingerprint = true;
  const auto answer = ask(asking);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->message.fingerprint);
}

TEST_F(RelayStun, TellsAnIpv6AddressToo) {
  boost::system::error_code missing;
  udp::socket probe(io_);
  probe.open(udp::v6(), missing);
  if (!missing) probe.bind(udp::endpoint(asio::ip::address_v6::loopback(), 0), missing);
  if (missing) GTEST_SKIP() << "no IPv6 here";
  start_with_stun({{asio::ip::address_v6::loopback(), 0}});
  client_ = std::move(probe);
  const auto answer = ask(request());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.mapped->text(), "[::1]:" + std::to_string(client_.local_endpoint().port()));
}

TEST_F(RelayStun, RefusesAnAttributeItMustUnderstandAndDoesNot) {
  start_with_stun({{asio::ip::address_v4::loopback(), 0}});
  base::Bytes asking = net::encode(request());
  asking[3] = 8;
  for (const int byte : {0x00, 0x7f, 0x00, 0x04, 0, 0, 0, 0})
    asking.push_back(static_cast<std::uint8_t>(byte));
  client_.send_to(asio::buffer(asking), server_->stun_addresses().front());
  const auto answer = receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.kind, net::StunClass::error);
  EXPECT_EQ(answer->message.error_code, net::kStunUnknownAttribute);
}

TEST_F(RelayStun, RefusesAChangeRequestWithOneAddress) {
  start_with_stun({{asio::ip::address_v4::loopback(), 0}});
  auto asking = request();
  asking.change_port = true;
  const auto answer = ask(asking);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.error_code, net::kStunUnknownAttribute);
}

TEST_F(RelayStun, AnswersFromTheOtherAddressAndPortWhenAsked) {
  start_with_stun({{asio::ip::make_address("127.0.0.1"), 0}, {asio::ip::make_address("127.0.0.2"), 0}});
  const auto addresses = server_->stun_addresses();
  const auto plain = ask(request());
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->from, addresses[0]);
  EXPECT_EQ(plain->message.other_address->text(), "127.0.0.2:" + std::to_string(addresses[1].port()));
  EXPECT_EQ(plain->message.response_origin->text(), "127.0.0.1:" + std::to_string(addresses[0].port()));

  for (const bool address : {false, true}) {
    for (const bool port : {false, true}) {
      auto asking = request();
      asking.change_address = address;
      asking.change_port = port;
      const auto answer = ask(asking);
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->from.address(), addresses[address ? 1 : 0].address());
      EXPECT_EQ(answer->from.port(), addresses[port ? 1 : 0].port());
    }
  }
}

// RFC 5780 7.5: how a client learns whether a mapped port is reached.
TEST_F(RelayStun, AnswersToAnotherPortOfTheAskerButToNoWellKnownOne) {
  start_with_stun({{asio::ip::address_v4::loopback(), 0}});
  udp::socket asker(io_, udp::endpoint(asio::ip::address_v4::loopback(), 0));
  auto asking = request();
  asking.response_port = client_.local_endpoint().port();
  asker.send_to(asio::buffer(net::encode(asking)), server_->stun_addresses().front());
  const auto answer = receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.transaction, asking.transaction);
  EXPECT_EQ(answer->message.mapped->port, asker.local_endpoint().port());
  asking.response_port = 53;
  const auto refusal = ask(asking);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->message.error_code, net::kStunBadRequest);
}

TEST_F(RelayStun, AnswersNothingToGarbageResponsesAndFloods) {
  start_with_stun({{asio::ip::address_v4::loopback(), 0}}, 1);
  const auto to = server_->stun_addresses().front();
  auto response = request();
  response.kind = net::StunClass::success;
  client_.send_to(asio::buffer(std::string("garbage")), to);
  client_.send_to(asio::buffer(net::encode(response)), to);
  client_.send_to(asio::buffer(net::encode(request())), to);  // the second's only one
  client_.send_to(asio::buffer(net::encode(request())), to);
  EXPECT_TRUE(run_until([&] { return server_->metrics().stun_dropped == 3; }));
  EXPECT_EQ(server_->metrics().stun_answers, 1u);
}

}  // namespace
}  // namespace p2pd::relay::test
