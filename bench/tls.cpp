// The yardstick: TLS 1.3 over TCP on loopback, OpenSSL, two processes, the same tasks as bench_transport.
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/process_pair.hpp"

namespace {

using namespace p2pd::bench;
using Clock = std::chrono::steady_clock;

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

void read_all(SSL* ssl, char* buffer, int size) {
  for (int got = 0; got < size;) {
    const int count = SSL_read(ssl, buffer + got, size - got);
    if (count <= 0) fail("read");
    got += count;
  }
}

void serve(SSL* ssl, const Task& task) {
  static char buffer[65'536];
  if (task.kind == Task::Kind::ping_pong) {
    for (unsigned i = 0; i < task.rounds; ++i) {
      read_all(ssl, buffer, 64);
      SSL_write(ssl, buffer, 64);
    }
    return;
  }
  for (std::uint64_t got = 0; got < task.bytes;) {
    const int count = SSL_read(ssl, buffer, sizeof buffer);
    if (count <= 0) fail("read");
    got += static_cast<std::uint64_t>(count);
  }
  SSL_write(ssl, buffer, 1);
}

}  // namespace

int main(int argc, char** argv) {
  const Task task = read_task(argc, argv);
  const auto [listener, port] = listen_anywhere();
  Clock::duration wall{};
  std::vector<double> samples;
  run_pair(
      [&, port = port](int) {
        SSL* ssl = secure(connect_to(port), false);
        static char buffer[65'536];
        const auto start = Clock::now();
        if (task.kind == Task::Kind::ping_pong) {
          for (unsigned i = 0; i < task.rounds; ++i) {
            const auto sent = Clock::now();
            SSL_write(ssl, buffer, 64);
            read_all(ssl, buffer, 64);
            samples.push_back(std::chrono::duration<double, std::micro>(Clock::now() - sent).count());
          }
        } else {
          for (std::uint64_t sent = 0; sent < task.bytes;) {
            const auto left = std::min<std::uint64_t>(sizeof buffer, task.bytes - sent);
            const int count = SSL_write(ssl, buffer, static_cast<int>(left));
            if (count <= 0) fail("write");
            sent += static_cast<std::uint64_t>(count);
          }
          read_all(ssl, buffer, 1);
        }
        wall = Clock::now() - start;
      },
      [&, listener = listener](int) { serve(secure(::accept(listener, nullptr, nullptr), true), task); });
  if (task.kind == Task::Kind::ping_pong) {
    report_ping_pong("TLS over TCP", std::move(samples));
  } else {
    report_throughput("TLS over TCP", task.bytes, wall, cpu_seconds());
  }
}
