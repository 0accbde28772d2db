// The bytes below a relay's WebSocket: a TCP socket, with TLS on it or without, behind one type so that Beast
// is instantiated once. OpenSSL works on the socket itself (no BIO pair, no second set of buffers: an idle
// TLS session costs a few KiB where asio::ssl::stream keeps 68). Private to net/: owned by RelayTransport, on
// its executor; ends with close().
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>

#include "base/result.hpp"
#include "net/relay_error.hpp"
#include "net/relay_tls.hpp"

struct ssl_st;

namespace p2pd::net {

class RelayStream {
 public:
  using executor_type = boost::asio::any_io_executor;
  using Socket = boost::asio::ip::tcp::socket;

  explicit RelayStream(Socket socket);
  ~RelayStream();
  RelayStream(RelayStream&&) noexcept;
  RelayStream& operator=(RelayStream&&) = delete;

  [[nodiscard]] executor_type get_executor() { return socket_.get_executor(); }
  [[nodiscard]] Socket& socket() { return socket_; }
  void close() noexcept;

  // TLS handshakes (RFC 8446); before the first read or write. `host` is checked against the certificate: a
  // DNS name (RFC 6125) or an IP address.
  [[nodiscard]] boost::asio::awaitable<base::Result<>> connect_tls(std::shared_ptr<const TlsContext> context,
                                                                   std::string host);
  [[nodiscard]] boost::asio::awaitable<base::Result<>> accept_tls(std::shared_ptr<const TlsContext> context);
  [[nodiscard]] bool encrypted() const { return ssl_ != nullptr; }
  // RFC 8446 7.5, of the session's TLS; only when encrypted.
  [[nodiscard]] std::array<std::uint8_t, 32> exporter(std::string_view label) const;

  // How many more bytes may be read; the read after them fails with RelayError::too_much.
  void set_read_budget(std::size_t bytes) { read_budget_ = bytes; }
  void lift_read_budget() { read_budget_ = std::numeric_limits<std::size_t>::max(); }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_compose<Token, void(boost::system::error_code, std::size_t)>(
        ReadOp{*this, first_buffer(boost::asio::buffer_sequence_begin(buffers),
                                   boost::asio::buffer_sequence_end(buffers))},
        token, socket_);
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_compose<Token, void(boost::system::error_code, std::size_t)>(
        WriteOp<Buffers>{*this, buffers}, token, socket_);
  }

 private:
  struct SslDeleter {
    void operator()(ssl_st* ssl) const;
  };
  enum class Want { nothing, read, write };
  struct Step {
    Want want = Want::nothing;
    boost::system::error_code error;
    std::size_t bytes = 0;
  };
  // A TLS record holds at most this much (RFC 8446 5.1).
  static constexpr std::size_t kRecord = 16'384;

  template <class Iterator>
  static boost::asio::mutable_buffer first_buffer(Iterator begin, Iterator end) {
    for (; begin != end; ++begin) {
      const boost::asio::mutable_buffer buffer(*begin);
      if (buffer.size() != 0) return buffer;
    }
    return {};
  }

  // The composed operations: TLS is tried first and the socket waited for when it says so. Completion is
  // never from inside the initiating call.
  struct ReadOp {
    RelayStream& stream;
    boost::asio::mutable_buffer into;
    enum { starting, receiving, waiting, finishing } state = starting;
    Step step{};

    template <class Self>
    void operator()(Self& self, boost::system::error_code error = {}, std::size_t bytes = 0) {
      switch (state) {
        case starting:
          if (stream.read_budget_ == 0) {
            state = finishing;
            step.error = make_error_code(RelayError::too_much);
            boost::asio::post(stream.get_executor(), std::move(self));
            return;
          }
          into = boost::asio::buffer(into, stream.read_budget_);
          if (!stream.encrypted()) {
            state = receiving;
            stream.socket_.async_read_some(boost::asio::mutable_buffer(into), std::move(self));
            return;
          }
          break;
        case receiving:
          stream.spend(bytes);
          self.complete(error, bytes);
          return;
        case waiting:
          if (error) {
            self.complete(error, 0);
            return;
          }
          break;
        case finishing:
          self.complete(step.error, step.bytes);
          return;
      }
      const bool at_once = state == starting;
      step = stream.read_tls(into);
      stream.advance(
          self, step, at_once, [this] { state = waiting; }, [this] { state = finishing; });
    }
  };

  template <class Buffers>
  struct WriteOp {
    RelayStream& stream;
    Buffers from;
    enum { starting, sending, waiting, finishing } state = starting;
    Step step{};

    template <class Self>
    void operator()(Self& self, boost::system::error_code error = {}, std::size_t bytes = 0) {
      switch (state) {
        case starting:
          if (!stream.encrypted()) {
            state = sending;
            // A copy: `from` moves away with `self`.
            const Buffers buffers = from;
            stream.socket_.async_write_some(buffers, std::move(self));
            return;
          }
          break;
        case sending:
          self.complete(error, bytes);
          return;
        case waiting:
          if (error) {
            self.complete(error, 0);
            return;
          }
          break;
        case finishing:
          self.complete(step.error, step.bytes);
          return;
      }
      const bool at_once = state == starting;
      // WebSocket header and payload in one record, so in one segment.
      const boost::asio::mutable_buffer record = scratch();
      const std::size_t size = boost::asio::buffer_copy(record, from);
      step = stream.write_tls(boost::asio::buffer(record, size));
      stream.advance(
          self, step, at_once, [this] { state = waiting; }, [this] { state = finishing; });
    }
  };

  template <class Self, class Wait, class Finish>
  void advance(Self& self, const Step& step, bool at_once, Wait set_waiting, Finish set_finishing) {
    if (step.want != Want::nothing) {
      set_waiting();
      socket_.async_wait(step.want == Want::read ? Socket::wait_read : Socket::wait_write, std::move(self));
    } else if (at_once) {
      set_finishing();
      boost::asio::post(get_executor(), std::move(self));
    } else {
      const Step done = step;
      self.complete(done.error, done.bytes);
    }
  }

  void start_tls(const TlsContext& context);
  [[nodiscard]] boost::asio::awaitable<base::Result<>> handshake();
  [[nodiscard]] Step read_tls(boost::asio::mutable_buffer into);
  [[nodiscard]] Step write_tls(boost::asio::const_buffer from);
  [[nodiscard]] Step judge(int result, std::size_t bytes);
  [[nodiscard]] static boost::asio::mutable_buffer scratch();
  void spend(std::size_t bytes) {
    if (read_budget_ != std::numeric_limits<std::size_t>::max()) read_budget_ -= bytes;
  }

  Socket socket_;
  std::unique_ptr<ssl_st, SslDeleter> ssl_;
  std::size_t read_budget_ = std::numeric_limits<std::size_t>::max();
};

// Beast's customisation points, found by argument-dependent lookup.
inline void beast_close_socket(RelayStream& stream) { stream.close(); }

// The WebSocket's close frames have been exchanged; TLS's close_notify would tell nothing more.
template <class Handler>
void async_teardown(boost::beast::role_type, RelayStream& stream, Handler&& handler) {
  boost::system::error_code ignored;
  stream.socket().shutdown(RelayStream::Socket::shutdown_both, ignored);
  boost::asio::post(stream.get_executor(), boost::beast::bind_front_handler(std::forward<Handler>(handler),
                                                                            boost::system::error_code()));
}

}  // namespace p2pd::net
