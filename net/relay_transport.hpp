// One WebSocket (RFC 6455) that carries relay frames, over TCP or TLS, at the client's or at the relay's end.
// permessage-deflate is never offered nor accepted. At most one read() and one write() at a time, both may
// be pending together. Owner's executor. How it ends: abort() makes what is pending fail; once that has
// completed it may be destroyed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "net/proxy_url.hpp"
#include "net/relay_tls.hpp"
#include "net/relay_url.hpp"

namespace p2pd::net {

class RelayTransport {
 public:
  // Name, TCP (RFC 8305: the next address is tried after 250 ms), TLS where the URL says so, upgrade. The
  // caller sets the deadline. `tls` may be null for ws://. With a proxy the relay's name is left to it.
  [[nodiscard]] static boost::asio::awaitable<base::Result<std::unique_ptr<RelayTransport>>> dial(
      RelayUrl url, std::shared_ptr<const TlsContext> tls, std::optional<ProxyUrl> proxy);
  // The relay's end of an accepted connection; `tls` null: plain. What is not an upgrade to the relay
  // protocol is answered as HTTP and gives RelayError::http_request. Until lift_read_budget() no more than
  // `read_budget` bytes are read, the HTTP request included. The caller sets the deadline.
  [[nodiscard]] static boost::asio::awaitable<base::Result<std::unique_ptr<RelayTransport>>> accept(
      boost::asio::ip::tcp::socket socket, std::shared_ptr<const TlsContext> tls, std::size_t read_budget);

  ~RelayTransport();
  RelayTransport(const RelayTransport&) = delete;
  RelayTransport& operator=(const RelayTransport&) = delete;

  // The next binary message; valid until the next read(). Errors: closed, too large (checked by its announced
  // length, before anything is allocated for it), not binary.
  [[nodiscard]] boost::asio::awaitable<base::Result<base::ByteView>> read();
  // One binary message. `message` must stay as it is until the end.
  [[nodiscard]] boost::asio::awaitable<base::Result<>> write(base::ByteView message);
  // The closing handshake; the caller sets the deadline. No write() may be pending.
  [[nodiscard]] boost::asio::awaitable<void> close();
  void abort() noexcept;

  void set_max_message(std::size_t bytes);
  void lift_read_budget();
  // The bytes of the last message, writable: the relay stamps the sender into them.
  [[nodiscard]] std::span<std::uint8_t> last_message();

  [[nodiscard]] boost::asio::any_io_executor executor();
  // This end's address; unspecified when the connection is gone.
  [[nodiscard]] boost::asio::ip::address local_address() const;
  [[nodiscard]] bool encrypted() const;
  // The TLS exporter's 32 bytes, only when encrypted.
  [[nodiscard]] std::array<std::uint8_t, 32> exporter() const;
  // The relay's end: the HTTP Host header, as it came.
  [[nodiscard]] const std::string& host_header() const;

 private:
  class Impl;
  explicit RelayTransport(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2pd::net
