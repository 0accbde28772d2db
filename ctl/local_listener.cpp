#include "ctl/local_listener.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ctl/text.hpp"

namespace p2pd::ctl {
namespace {

constexpr std::string_view kUnixPlace = "unix:";

Failure wrong_place(const std::string& where) {
  return {ExitCode::usage, "'" + escape_line(where) +
                               "' is no place to listen: write PORT, HOST:PORT (an address) or unix:PATH"};
}

Failure cannot_listen(const std::string& where, int error) {
  const std::string at = "cannot listen at " + escape_line(where) + ": ";
  if (error == EADDRINUSE) {
    return {ExitCode::refused, at + "another program does already; choose another, or end that one"};
  }
  if (error == EACCES || error == EPERM) {
    return {ExitCode::not_permitted, at + "this user may not; choose a port above 1023, or another folder"};
  }
  if (error == EADDRNOTAVAIL) {
    return {ExitCode::refused, at + "this machine does not have the address; see `ip address`"};
  }
  return {ExitCode::refused, at + std::strerror(error)};
}

CtlResult<base::Descriptor> make_socket(int family, const std::string& where) {
  base::Descriptor socket(::socket(family, SOCK_STREAM, 0));
  if (!socket) return cannot_listen(where, errno);
  ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
  ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  return socket;
}

bool read_port(const std::string& text, in_port_t& port) {
  const bool digits = !text.empty() && text.size() <= 5 &&
                      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || std::stoul(text) > 65'535) return false;
  port = htons(static_cast<std::uint16_t>(std::stoul(text)));
  return true;
}

struct TcpAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

bool read_address(const std::string& where, TcpAddress& out) {
  const std::size_t colon = where.rfind(':');
  std::string host = colon == std::string::npos ? "127.0.0.1" : where.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  in_port_t port = 0;
  if (!read_port(where.substr(colon == std::string::npos ? 0 : colon + 1), port)) return false;
  if (host.starts_with('[') && host.ends_with(']')) {
    auto& address = reinterpret_cast<sockaddr_in6&>(out.storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = port;
    out.size = sizeof(address);
    return ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address.sin6_addr) == 1;
  }
  auto& address = reinterpret_cast<sockaddr_in&>(out.storage);
  address.sin_family = AF_INET;
  address.sin_port = port;
  out.size = sizeof(address);
  return ::inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1;
}

std::string address_text(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size);
  char host[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6&>(storage);
    ::inet_ntop(AF_INET6, &address.sin6_addr, host, sizeof(host));
    return "[" + std::string(host) + "]:" + std::to_string(ntohs(address.sin6_port));
  }
  const auto& address = reinterpret_cast<const sockaddr_in&>(storage);
  ::inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host));
  return std::string(host) + ":" + std::to_string(ntohs(address.sin_port));
}

// A socket that nobody listens at any more, as a killed `forward` leaves it.
bool is_dead(const sockaddr_un& address) {
  struct stat about {};
  if (::stat(address.sun_path, &about) != 0 || !S_ISSOCK(about.st_mode) || about.st_uid != ::geteuid())
    return false;
  const base::Descriptor probe(::socket(AF_UNIX, SOCK_STREAM, 0));
  return probe && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

CtlResult<LocalListener> LocalListener::open(const std::string& where) {
  if (where.starts_with(kUnixPlace)) return open_unix(where.substr(kUnixPlace.size()));
  return open_tcp(where);
}

CtlResult<LocalListener> LocalListener::open_tcp(const std::string& where) {
  TcpAddress address;
  if (!read_address(where, address)) return wrong_place(where);
  CtlResult<base::Descriptor> socket = make_socket(address.storage.ss_family, where);
  if (!socket) return socket.error();
  const int on = 1;
  ::setsockopt(socket->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(socket->get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 ||
      ::listen(socket->get(), SOMAXCONN) != 0) {
    return cannot_listen(where, errno);
  }
  LocalListener out;
  out.socket_ = std::move(*socket);
  out.text_ = address_text(out.socket_.get());
  return out;
}

CtlResult<LocalListener> LocalListener::open_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string where = std::string(kUnixPlace) + path;
  if (path.empty()) return wrong_place(where);
  if (path.size() >= sizeof(address.sun_path)) {
    return Failure{ExitCode::usage, "the path of a Unix socket has at most " +
                                        std::to_string(sizeof(address.sun_path) - 1) + " bytes"};
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  CtlResult<base::Descriptor> socket = make_socket(AF_UNIX, where);
  if (!socket) return socket.error();
  if (is_dead(address)) ::unlink(address.sun_path);
  // By the mask, not by chmod after: no other user may slip in between.
  const mode_t before = ::umask(0177);
  const int bound = ::bind(socket->get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  ::umask(before);
  if (bound != 0) return cannot_listen(where, error);
  LocalListener out;
  out.path_ = path;
  if (::listen(socket->get(), SOMAXCONN) != 0) return cannot_listen(where, errno);
  out.socket_ = std::move(*socket);
  out.text_ = where;
  return out;
}

LocalListener::~LocalListener() {
  if (socket_ && !path_.empty()) ::unlink(path_.c_str());
}

base::Descriptor LocalListener::accept() const {
  base::Descriptor client(::accept(socket_.get(), nullptr, nullptr));
  if (client) ::fcntl(client.get(), F_SETFD, FD_CLOEXEC);
  return client;
}

}  // namespace p2pd::ctl
