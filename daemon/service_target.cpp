#include "daemon/service_target.hpp"

#include <array>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/errors.hpp"
#include "daemon/host_port.hpp"

namespace p2pd::daemon {
namespace {

namespace asio = boost::asio;
using TargetEndpoint = asio::generic::stream_protocol::endpoint;

constexpr std::string_view kTcpTarget = "tcp:";
constexpr std::string_view kUnixTarget = "unix:";

base::Error wrong_target(std::string sentence) {
  return make_error(ErrorCode::invalid_params, std::move(sentence));
}

base::Result<ServiceTarget> parse_tcp_target(std::string_view text) {
  const auto where = parse_host_port(text, 0);
  if (!where) return wrong_target(fmt::format("target: {}", where.error().context));
  if (where->port == 0)
    return wrong_target(fmt::format("target: '{}' names no port: write tcp:HOST:PORT", text));
  ServiceTarget out{where->host, where->port, {}};
  if (out.host == "localhost") return out;
  boost::system::error_code failed;
  const auto address = asio::ip::make_address(out.host, failed);
  if (failed) {
    return wrong_target(fmt::format(
        "target: '{}' is not an IP address or localhost; names are not looked up, write the address",
        out.host));
  }
  if (address.is_unspecified() || address.is_multicast() || out.host == "255.255.255.255") {
    return wrong_target(
        fmt::format("target: nothing can be reached at {}; for this machine write 127.0.0.1", out.host));
  }
  out.host = address.to_string();
  return out;
}

base::Result<ServiceTarget> parse_unix_target(std::string_view path) {
  if (path.empty() || path.front() != '/')
    return wrong_target("target: a Unix socket is named by its whole path");
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return wrong_target(
        fmt::format("target: a Unix socket's path has at most {} bytes", sizeof(sockaddr_un::sun_path) - 1));
  }
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return wrong_target("target: a path cannot have control characters");
    }
  }
  return ServiceTarget{{}, 0, std::string(path)};
}

}  // namespace

std::string ServiceTarget::text() const {
  return is_unix() ? fmt::format("{}{}", kUnixTarget, path)
                   : fmt::format("{}{}", kTcpTarget, HostPort{host, port}.text());
}

std::vector<TargetEndpoint> ServiceTarget::endpoints() const {
  if (is_unix()) return {asio::local::stream_protocol::endpoint(path)};
  if (host != "localhost") return {asio::ip::tcp::endpoint(asio::ip::make_address(host), port)};
  return {asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port),
          asio::ip::tcp::endpoint(asio::ip::address_v6::loopback(), port)};
}

base::Result<ServiceTarget> parse_service_target(std::string_view text) {
  if (text.starts_with(kTcpTarget)) return parse_tcp_target(text.substr(kTcpTarget.size()));
  if (text.starts_with(kUnixTarget)) return parse_unix_target(text.substr(kUnixTarget.size()));
  return wrong_target(fmt::format("target: '{}' is neither tcp:HOST:PORT nor unix:PATH", text));
}

base::Result<void> check_unix_target(const std::string& path, uid_t owner, const std::string& own_socket) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return {};  // nothing there yet
  struct stat own {};
  if (::stat(own_socket.c_str(), &own) == 0 && own.st_dev == about.st_dev && own.st_ino == about.st_ino) {
    return make_error(ErrorCode::not_permitted,
                      "this is p2pd's own socket: who may speak to it may do everything here");
  }
  if (!S_ISSOCK(about.st_mode)) return wrong_target(fmt::format("target: {} is not a socket", path));
  if (owner != 0 && about.st_uid != owner) {
    return make_error(ErrorCode::not_permitted,
                      fmt::format("{} belongs to another user: only its owner can expose it", path));
  }
  return {};
}

}  // namespace p2pd::daemon
