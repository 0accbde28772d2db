#include "net/relay_stream.hpp"

#include <cerrno>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "base/assert.hpp"
#include "base/await.hpp"

namespace p2pd::net {
namespace {

using base::kAwait;

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL, and a closed connection would then kill the process.
int descriptor_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const auto sent = ::send(descriptor_of(bio), data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && would_block()) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const auto received = ::recv(descriptor_of(bio), data, static_cast<std::size_t>(size), 0);
  if (received < 0 && would_block()) BIO_set_retry_read(bio);
  if (received == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(received);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* socket_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "relay socket");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

base::Error certificate_error(long verdict, const std::string& host) {
  const char* reason = X509_verify_cert_error_string(verdict);
  return {make_error_code(RelayError::certificate_refused),
          fmt::format("the certificate that {} shows is wrong ({})", host, reason)};
}

}  // namespace

void RelayStream::SslDeleter::operator()(ssl_st* ssl) const { SSL_free(ssl); }

RelayStream::RelayStream(Socket socket) : socket_(std::move(socket)) {}
RelayStream::~RelayStream() = default;
RelayStream::RelayStream(RelayStream&&) noexcept = default;

void RelayStream::close() noexcept {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void RelayStream::start_tls(const TlsContext& context) {
  boost::system::error_code ignored;
  socket_.native_non_blocking(true, ignored);
  ssl_.reset(SSL_new(context.get()));
  P2PD_ASSERT(ssl_ != nullptr);
  BIO* bio = BIO_new(socket_method());
  P2PD_ASSERT(bio != nullptr);
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket_.native_handle())));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

boost::asio::awaitable<base::Result<>> RelayStream::connect_tls(std::shared_ptr<const TlsContext> context,
                                                                std::string host) {
  start_tls(*context);
  SSL_set_connect_state(ssl_.get());
  boost::system::error_code not_an_address;
  boost::asio::ip::make_address(host, not_an_address);
  if (not_an_address) {
    SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
    SSL_set1_host(ssl_.get(), host.c_str());
  } else {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str());
  }
  base::Result<> result = co_await handshake();
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (result.has_error() && verdict != X509_V_OK) co_return certificate_error(verdict, host);
  co_return result;
}

boost::asio::awaitable<base::Result<>> RelayStream::accept_tls(std::shared_ptr<const TlsContext> context) {
  start_tls(*context);
  SSL_set_accept_state(ssl_.get());
  base::Result<> result = co_await handshake();
  co_return result;
}

boost::asio::awaitable<base::Result<>> RelayStream::handshake() {
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) co_return base::Result<>();
    const unsigned long reason = ERR_peek_error();
    const Step step = judge(result, 0);
    if (step.want == Want::nothing) {
      const char* text = ERR_reason_error_string(reason);
      co_return base::Error(make_error_code(RelayError::tls_failed),
                            text == nullptr ? "TLS handshake (" + step.error.message() + ")"
                                            : fmt::format("TLS handshake ({})", text));
    }
    const auto [error] =
        co_await socket_.async_wait(step.want == Want::read ? Socket::wait_read : Socket::wait_write, kAwait);
    if (error) co_return base::Error(error, "TLS handshake");
  }
}

std::array<std::uint8_t, 32> RelayStream::exporter(std::string_view label) const {
  P2PD_ASSERT(ssl_ != nullptr);
  std::array<std::uint8_t, 32> out{};
  // Empty context, and present as such: in TLS 1.3 that is the same as none.
  P2PD_ASSERT(SSL_export_keying_material(ssl_.get(), out.data(), out.size(), label.data(), label.size(),
                                         nullptr, 0, 0) == 1);
  return out;
}

RelayStream::Step RelayStream::read_tls(boost::asio::mutable_buffer into) {
  // SSL_read_ex of nothing would look like an end.
  if (into.size() == 0) return {};
  ERR_clear_error();
  std::size_t bytes = 0;
  const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &bytes);
  if (result == 1) spend(bytes);
  return judge(result, bytes);
}

RelayStream::Step RelayStream::write_tls(boost::asio::const_buffer from) {
  if (from.size() == 0) return {};
  ERR_clear_error();
  std::size_t bytes = 0;
  const int result = SSL_write_ex(ssl_.get(), from.data(), from.size(), &bytes);
  return judge(result, bytes);
}

RelayStream::Step RelayStream::judge(int result, std::size_t bytes) {
  if (result == 1) return {Want::nothing, {}, bytes};
  const int system_error = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {Want::read, {}, 0};
    case SSL_ERROR_WANT_WRITE:
      return {Want::write, {}, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {Want::nothing, boost::asio::error::eof, 0};
    case SSL_ERROR_SYSCALL:
      if (system_error != 0) return {Want::nothing, {system_error, boost::system::system_category()}, 0};
      return {Want::nothing, boost::asio::error::eof, 0};
    default:
      // An end without close_notify counts as an end: every message has its own length.
      if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return {Want::nothing, boost::asio::error::eof, 0};
      }
      return {Want::nothing, make_error_code(RelayError::tls_failed), 0};
  }
}

boost::asio::mutable_buffer RelayStream::scratch() {
  // Used between two calls into OpenSSL on one thread; nothing stays in it.
  thread_local std::array<std::uint8_t, kRecord> record;
  return boost::asio::buffer(record);
}

}  // namespace p2pd::net
