// The API of p2pd for the examples beside this file: JSON-RPC 2.0, one object a line, over a Unix socket.
// Needs the standard library, POSIX and nlohmann::json. Copy it freely. One thread; failures are exceptions.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

namespace p2pd_api {

// p2pd said no; `reason` is a word of the list in docs/api.md.
struct Refused : std::runtime_error {
  explicit Refused(const nlohmann::json& error)
      : std::runtime_error(error.at("message").get<std::string>()), reason(error.at("data").at("reason")) {}
  std::string reason;
};

// What a connection has become after stream.open or stream.listen. The socket is the caller's to close.
struct Stream {
  int socket = -1;
  std::string early;  // bytes of the stream that came with the answer
};

// Empty at the end, and when it broke.
std::string read_some(int file);
// False when the other end takes no more.
bool write_all(int socket, const std::string& data);

class Api {
 public:
  Api();
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // The result. Events that come before it are kept for next_event(). `descriptor` travels beside the
  // request.
  nlohmann::json call(const std::string& method, const nlohmann::json& params, int descriptor = -1);
  // The next event of any subscription; waits for it.
  nlohmann::json next_event();
  // Waits for an event, for input in `file` (-1: none), or for `milliseconds` (-1: for ever).
  enum class Ready { event, input, nothing };
  Ready wait(int file, int milliseconds);
  // After stream.open or stream.listen; nothing else can be done with this object then.
  Stream take_stream();

 private:
  nlohmann::json read_line();

  int socket_ = -1;
  std::string input_;
  std::deque<nlohmann::json> events_;
  int last_id_ = 0;
};

// Calls `handle` with each message in the inbox, the oldest first, and removes it afterwards; of one peer,
// or, with an empty name, of all. Ends when the inbox is empty or `handle` returns false.
void receive(Api& api, const std::string& peer,
             const std::function<bool(const nlohmann::json& message)>& handle);

}  // namespace p2pd_api
