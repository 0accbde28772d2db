// The yardstick: TLS 1.3 over TCP on loopback, OpenSSL, two processes, the same tasks as bench_transport.
#include <cstdio>
#include <cstdlib>
#include <span>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/channel.hpp"

namespace {

using namespace p2pd::bench;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(1);
}

// A listener on loopback and its port.
std::pair<int, std::uint16_t> listen_anywhere() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd, 1) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail("listen");
  }
  return {fd, ntohs(address.sin_port)};
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
  return fd;
}

void give_certificate(SSL_CTX* context) {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  X509* certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86'400);
  X509_set_pubkey(certificate, key);
  if (X509_sign(certificate, key, nullptr) == 0 || SSL_CTX_use_certificate(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey(context, key) != 1) {
    fail("certificate");
  }
}

SSL* secure(int fd, bool server) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  SSL_CTX* context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  // The cipher that p2pd's QUIC prefers, so that the two are compared by what is around it.
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  if (server) give_certificate(context);
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  if ((server ? SSL_accept(ssl) : SSL_connect(ssl)) != 1) fail("handshake");
  return ssl;
}

class TlsChannel final : public Channel {
 public:
  explicit TlsChannel(SSL* ssl) : ssl_(ssl) {}

  void write(std::span<const std::uint8_t> data) override {
    if (SSL_write(ssl_, data.data(), static_cast<int>(data.size())) != static_cast<int>(data.size()))
      fail("write");
  }
  std::size_t read_some(std::span<std::uint8_t> out) override {
    const int count = SSL_read(ssl_, out.data(), static_cast<int>(out.size()));
    if (count <= 0) fail("read");
    return static_cast<std::size_t>(count);
  }

 private:
  SSL* const ssl_;
};

}  // namespace

int main(int argc, char** argv) {
  const Task task = read_task(argv[0], {argv + 1, argv + argc});
  if (task.streams != 1) fail("more than one stream of TLS");
  const auto [listener, port] = listen_anywhere();
  Outcome outcome;
  run_pair(
      task,
      [&, port = port](int) {
        TlsChannel channel(secure(connect_to(port), false));
        outcome = run_client(channel, task);
      },
      [&, listener = listener](int) {
        TlsChannel channel(secure(::accept(listener, nullptr, nullptr), true));
        run_server(channel, task);
      });
  outcome.cpu = cpu_seconds();
  report("TLS over TCP", task, std::move(outcome));
}
