#include <filesystem>
#include <fstream>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/write.hpp>

#include "base/await.hpp"
#include "net/relay_stream.hpp"
#include "tests/unit/relay/relay_fixture.hpp"
#include "tests/unit/relay/tcp_proxy.hpp"
#include "tests/unit/relay/test_certificate.hpp"

namespace p2pd::relay::test {
namespace {

using base::kAwait;
using ::testing::AllOf;
using ::testing::HasSubstr;

class RelayTls : public RelayFixture {
 protected:
  void start_tls_server(const TestCertificate& certificate) {
    auto config = local_config();
    config.tls_certificate = certificate.certificate_file();
    config.tls_key = certificate.key_file();
    start_server(std::move(config));
  }
  net::RelaySessionConfig tls_config(const std::string& host, const std::string& ca_file) {
    auto config = session_config(url(host));
    config.url.tls = true;
    config.ca_file = ca_file;
    return config;
  }
  std::string failure(net::RelaySessionConfig config) {
    const Peer& peer = add_peer(std::move(config));
    EXPECT_TRUE(run_until([&] { return peer.session->stats().failures >= 1; }));
    EXPECT_EQ(peer.events.online, 0);
    return peer.session->last_error();
  }

  const TestCertificate certificate_{"DNS:localhost,IP:127.0.0.1"};
};

TEST_F(RelayTls, CarriesDatagramsOfEverySizeBothWays) {
  start_tls_server(certificate_);
  Peer& alice = add_peer(tls_config("localhost", certificate_.certificate_file()));
  Peer& bob = add_peer(tls_config("127.0.0.1", certificate_.certificate_file()));
  ASSERT_TRUE(run_until([&] { return alice.session->online() && bob.session->online(); }));
  std::vector<std::string> texts;
  for (const std::size_t size : {1u, 100u, 1'500u, 4'096u, 16'000u, 16'384u}) texts.emplace_back(size, 'x');
  for (const std::string& text : texts) {
    EXPECT_TRUE(alice.send(bob.id(), text));
    EXPECT_TRUE(bob.send(alice.id(), text));
  }
  ASSERT_TRUE(run_until([&] {
    return alice.events.datagrams.size() == texts.size() && bob.events.datagrams.size() == texts.size();
  }));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(bob.events.datagrams[i], (Recorder::Datagram{alice.id(), texts[i]}));
    EXPECT_EQ(alice.events.datagrams[i], (Recorder::Datagram{bob.id(), texts[i]}));
  }
}

TEST_F(RelayTls, SurvivesABurstLargerThanEveryBuffer) {
  start_tls_server(certificate_);
  Peer& alice = add_peer(tls_config("localhost", certificate_.certificate_file()));
  ASSERT_TRUE(run_until([&] { return alice.session->online(); }));
  const std::string big(16'000, 'x');
  std::uint64_t sent = 0;
  ASSERT_TRUE(run_until([&] {
    if (sent < 2'000 && alice.send(alice.id(), big)) ++sent;
    return sent == 2'000;
  }));
  ASSERT_TRUE(run_until([&] {
    return alice.session->stats().received + alice.session->stats().dropped +
               server_->metrics().dropped_queue ==
           sent;
  }));
  EXPECT_TRUE(alice.session->online());
}

TEST_F(RelayTls, NamesAnUnknownAuthority) {
  start_tls_server(certificate_);
  EXPECT_THAT(failure(tls_config("localhost", "")),
              AllOf(HasSubstr("the certificate that localhost shows is wrong"), HasSubstr("self-signed"),
                    HasSubstr("relay-ca")));
}

TEST_F(RelayTls, NamesACertificateOfAnotherHost) {
  const TestCertificate other("DNS:other.example");
  start_tls_server(other);
  EXPECT_THAT(failure(tls_config("localhost", other.certificate_file())), HasSubstr("hostname mismatch"));
  EXPECT_THAT(failure(tls_config("127.0.0.1", other.certificate_file())), HasSubstr("IP address mismatch"));
}

TEST_F(RelayTls, NamesAnExpiredCertificate) {
  const TestCertificate expired("DNS:localhost", -3600);
  start_tls_server(expired);
  EXPECT_THAT(failure(tls_config("localhost", expired.certificate_file())),
              HasSubstr("certificate has expired"));
}

TEST_F(RelayTls, NamesACaFileThatIsNotThere) {
  start_tls_server(certificate_);
  EXPECT_THAT(failure(tls_config("localhost", "/nowhere/ca.pem")), HasSubstr("CA file \"/nowhere/ca.pem\""));
}

TEST_F(RelayTls, NamesAPortThatSpeaksNoTls) {
  start_server(local_config());
  EXPECT_THAT(failure(tls_config("localhost", certificate_.certificate_file())), HasSubstr("TLS"));
}

TEST_F(RelayTls, EndsAPlainClientAtATlsPort) {
  start_tls_server(certificate_);
  failure(session_config(url("localhost")));
  EXPECT_TRUE(run_until([&] { return server_->metrics().refused_broken >= 1; }));
}

TEST_F(RelayTls, TakesNoSignatureThatIsNotBoundToTheTlsSession) {
  start_tls_server(certificate_);
  auto tls = net::TlsContext::client(certificate_.certificate_file());
  ASSERT_TRUE(tls);
  net::RelayUrl to = url("localhost");
  to.tls = true;
  auto transport = run(net::RelayTransport::dial(to, *tls, std::nullopt));
  ASSERT_TRUE(transport);
  const auto challenge = expect_frame<proto::RelayChallenge>(**transport);
  const auto identity = net::Identity::generate();
  write(**transport, proto::encode(make_hello(*identity, challenge, to.authority())));
  EXPECT_EQ(expect_frame<proto::RelayGoodbye>(**transport).code,
            proto::RelayGoodbyeCode::authentication_failed);
}

// What nginx or Caddy in front of a relay do.
asio::awaitable<void> end_tls_for(asio::ip::tcp::socket socket, std::shared_ptr<const net::TlsContext> tls,
                                  asio::ip::tcp::endpoint relay) {
  net::RelayStream outside(std::move(socket));
  net::RelayStream inside{asio::ip::tcp::socket(outside.get_executor())};
  const auto secured = co_await outside.accept_tls(std::move(tls));
  const auto [refused] = co_await inside.socket().async_connect(relay, kAwait);
  if (!secured || refused) co_return;
  const auto pump = [](net::RelayStream& from, net::RelayStream& to) -> asio::awaitable<void> {
    std::array<std::uint8_t, 4096> buffer;
    for (;;) {
      const auto [error, size] = co_await from.async_read_some(asio::buffer(buffer), kAwait);
      if (error) co_return;
      const auto [lost, sent] = co_await asio::async_write(to, asio::buffer(buffer, size), kAwait);
      if (lost) co_return;
    }
  };
  using namespace asio::experimental::awaitable_operators;
  co_await (pump(outside, inside) || pump(inside, outside));
}

TEST_F(RelayTls, ReachesARelayBehindAProxyThatEndsTls) {
  start_server(local_config());
  auto tls = net::TlsContext::server(certificate_.certificate_file(), certificate_.key_file());
  ASSERT_TRUE(tls);
  asio::ip::tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
  base::TaskGroup proxy(io_.get_executor());
  const auto accept = [&]() -> asio::awaitable<void> {
    for (;;) {
      auto [error, socket] = co_await acceptor.async_accept(kAwait);
      if (error) co_return;
      proxy.spawn("tls proxy", end_tls_for(std::move(socket), *tls, server_->addresses().front()));
    }
  };
  proxy.spawn("accept", accept());
  auto config = tls_config("localhost", certificate_.certificate_file());
  config.url.port = acceptor.local_endpoint().port();
  Peer& alice = add_peer(std::move(config));
  ASSERT_TRUE(run_until([&] { return alice.session->online(); }));
  settle(alice);
  EXPECT_EQ(alice.session->stats().failures, 0u) << "both forms are tried within one dial";
  run(alice.session->stop());
  proxy.cancel();
  run(proxy.join());
}

TEST_F(RelayTls, ReloadsTheCertificateForNewConnections) {
  TestCertificate replaced("DNS:localhost");
  start_tls_server(replaced);
  Peer& before = add_peer(tls_config("localhost", replaced.certificate_file()));
  ASSERT_TRUE(run_until([&] { return before.session->online(); }));
  std::filesystem::copy_file(certificate_.certificate_file(), replaced.certificate_file(),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_FALSE(server_->reload()) << "the key does not fit yet";
  std::filesystem::copy_file(certificate_.key_file(), replaced.key_file(),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(server_->reload());
  const Peer& after = add_peer(tls_config("localhost", certificate_.certificate_file()));
  EXPECT_TRUE(run_until([&] { return after.session->online(); }));
  EXPECT_TRUE(before.session->online());
}

TEST_F(RelayTls, ABrokenCertificateDoesNotKeepARevokedKey) {
  const std::filesystem::path list = std::filesystem::path(certificate_.key_file()).parent_path() / "allowed";
  const auto identity = net::Identity::generate();
  std::ofstream(list) << identity->id().text() << "\n";
  auto config = local_config();
  config.access = "allow:" + list.string();
  config.tls_certificate = certificate_.certificate_file();
  config.tls_key = certificate_.key_file();
  start_server(std::move(config));
  const Peer& peer = add_peer(tls_config("localhost", certificate_.certificate_file()), identity);
  ASSERT_TRUE(run_until([&] { return peer.session->online(); }));
  std::ofstream(list) << "# nobody\n";
  std::ofstream(certificate_.key_file()) << "no key\n";
  const auto reloaded = server_->reload();
  ASSERT_FALSE(reloaded);
  EXPECT_THAT(reloaded.error().message(), HasSubstr("key \"" + certificate_.key_file()));
  EXPECT_TRUE(run_until([&] { return !peer.events.offline.empty(); }));
  EXPECT_THAT(peer.session->last_error(), HasSubstr("does not serve"));

  std::ofstream(list) << "half an id\n";
  EXPECT_THAT(server_->reload().error().message(), AllOf(HasSubstr("line 1"), HasSubstr("key \"")));
}

TEST_F(RelayTls, TakesNoKeyWithAPassphraseAndDoesNotAskForIt) {
  const TestCertificate locked("DNS:localhost", 3600, "secret");
  const auto tls = net::TlsContext::server(locked.certificate_file(), locked.key_file());
  ASSERT_FALSE(tls);
  EXPECT_THAT(tls.error().message(), AllOf(HasSubstr(locked.key_file()), HasSubstr("passphrase")));
}

TEST_F(RelayTls, KnowsHowLongTheCertificateIsGood) {
  const TestCertificate expired("DNS:localhost", -100);
  const auto now = std::chrono::system_clock::now();
  const auto past = net::TlsContext::server(expired.certificate_file(), expired.key_file());
  const auto good = net::TlsContext::server(certificate_.certificate_file(), certificate_.key_file());
  ASSERT_TRUE(past && good);
  EXPECT_LT((*past)->not_after(), now);
  EXPECT_GT((*past)->not_after(), now - std::chrono::hours(1));
  EXPECT_GT((*good)->not_after(), now);
  EXPECT_LT((*good)->not_after(), now + std::chrono::hours(2));
}

TEST_F(RelayTls, StopsInTheMiddleOfTheTlsHandshake) {
  start_tls_server(certificate_);
  TcpProxy proxy(io_.get_executor(), server_->addresses().front());
  auto config = tls_config("localhost", certificate_.certificate_file());
  config.url.host = "127.0.0.1";
  config.url.port = proxy.port();
  proxy.black_hole();
  Peer& alice = add_peer(std::move(config));
  ASSERT_TRUE(run_until([&] { return server_->metrics().unauthenticated == 1; }));
  run(alice.session->stop());
  EXPECT_EQ(alice.session->state(), net::RelaySessionState::stopped);
  run(proxy.stop());
}

TEST_F(RelayTls, NamesTheFileThatIsNoCertificate) {
  auto config = local_config();
  config.tls_certificate = "/nowhere/certificate.pem";
  config.tls_key = certificate_.key_file();
  Server server(io_.get_executor(), config, relay_identity_);
  const auto started = server.start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(), HasSubstr("certificate \"/nowhere/certificate.pem\""));
  run(server.drain());
}

}  // namespace
}  // namespace p2pd::relay::test
