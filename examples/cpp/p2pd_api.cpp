#include "p2pd_api.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace p2pd_api {
namespace {

using nlohmann::json;

std::system_error last_error(const std::string& doing) { return {errno, std::generic_category(), doing}; }

std::string socket_path() {
  const char* named = std::getenv("P2PD_SOCKET");
  if (named != nullptr && *named != '\0') return named;
  if (const char* folder = std::getenv("XDG_RUNTIME_DIR"); folder != nullptr) {
    std::string path = std::string(folder) + "/p2pd/p2pd.sock";
    if (::access(path.c_str(), F_OK) == 0) return path;
  }
  return "/run/p2pd/p2pd.sock";
}

void send_all(int socket, const std::string& line, int descriptor) {
  for (std::size_t done = 0; done < line.size();) {
    iovec part{const_cast<char*>(line.data()) + done, line.size() - done};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (done == 0 && descriptor >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    }
    const ssize_t count = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) throw last_error("cannot write to p2pd");
    if (count > 0) done += static_cast<std::size_t>(count);
  }
}

}  // namespace

Api::Api() : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const std::string path = socket_path();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    throw std::runtime_error("the socket's path is too long: " + path);
  path.copy(address.sun_path, path.size());
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    throw last_error("cannot reach p2pd at " + path);
}

Api::~Api() {
  if (socket_ >= 0) ::close(socket_);
}

json Api::call(const std::string& method, const json& params, int descriptor) {
  const int id = ++last_id_;
  const json request = {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}};
  send_all(socket_, request.dump() + "\n", descriptor);
  for (;;) {
    json answer = read_line();
    if (answer.contains("method")) {
      events_.push_back(answer.at("params"));
    } else if (answer.contains("error")) {
      throw Refused(answer.at("error"));
    } else if (answer.at("id") == id) {
      return answer.at("result");
    }
  }
}

json Api::next_event() {
  if (events_.empty()) {
    const json line = read_line();
    if (line.contains("error")) throw Refused(line.at("error"));
    return line.at("params");
  }
  json event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Api::Ready Api::wait(int file, int milliseconds) {
  if (!events_.empty() || input_.find('\n') != std::string::npos) return Ready::event;
  pollfd files[] = {{socket_, POLLIN, 0}, {file, POLLIN, 0}};
  const int count = ::poll(files, file < 0 ? 1 : 2, milliseconds);
  if (count < 0 && errno != EINTR) throw last_error("cannot wait for p2pd");
  if (count <= 0) return Ready::nothing;
  return files[0].revents != 0 ? Ready::event : Ready::input;
}

Stream Api::take_stream() { return {std::exchange(socket_, -1), std::move(input_)}; }

json Api::read_line() {
  std::size_t newline = 0;
  while ((newline = input_.find('\n')) == std::string::npos) {
    char chunk[65536];
    const ssize_t count = ::read(socket_, chunk, sizeof(chunk));
    if (count == 0) throw std::runtime_error("p2pd closed the connection");
    if (count < 0 && errno != EINTR) throw last_error("cannot read from p2pd");
    if (count > 0) input_.append(chunk, static_cast<std::size_t>(count));
  }
  json line = json::parse(input_.substr(0, newline));
  input_.erase(0, newline + 1);
  return line;
}

std::string read_some(int file) {
  std::string out(65536, '\0');
  ssize_t count = 0;
  do {
    count = ::read(file, out.data(), out.size());
  } while (count < 0 && errno == EINTR);
  out.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return out;
}

bool write_all(int socket, const std::string& data) {
  for (std::size_t done = 0; done < data.size();) {
    const ssize_t count = ::send(socket, data.data() + done, data.size() - done, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  return true;
}

void receive(Api& api, const std::string& peer, const std::function<bool(const json& message)>& handle) {
  json which = json::object();
  if (!peer.empty()) which["peer"] = peer;
  for (bool more = true; more;) {
    json list = which;
    list["limit"] = 1;
    const json messages = api.call("message.list", list).at("messages");
    if (messages.empty()) return;
    more = handle(messages[0]);
    json done = which;
    done["up_to"] = messages[0].at("cursor");
    api.call("message.ack", done);
  }
}

}  // namespace p2pd_api
