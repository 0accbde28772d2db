// One call as its handler sees it: Request is what came in, Responder is the one answer that goes out, Outlet
// is the way for notifications to the same client later. Handlers run on the server's thread, in the order in
// which a connection's requests came, and may keep the Responder and answer at any later time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>
#include <sys/types.h>

#include "base/bytes.hpp"
#include "base/descriptor.hpp"
#include "ipc/errors.hpp"

namespace p2pd::ipc {

// What a client may do; each tier includes the ones before it.
enum class Tier { read, operate, admin };
[[nodiscard]] std::string_view to_string(Tier tier);

// Unique for the life of the server, never used again.
enum class ClientId : std::uint64_t {};

// From the kernel, never from anything the client sent.
struct ClientInfo {
  ClientId id{};
  uid_t uid = 0;
  gid_t gid = 0;
  Tier tier = Tier::read;
};

// The writing side of one connection. Held weakly by whoever subscribes it; gone when the client is. Server's
// thread only.
class Outlet {
 public:
  virtual ~Outlet() = default;
  // False, and nothing is sent, while the client has too much unread.
  [[nodiscard]] virtual bool notify(std::string_view method, const nlohmann::json& params) = 0;
  // Sent even so: the last word before the sender gives up on this client.
  virtual void notify_last(std::string_view method, const nlohmann::json& params) = 0;
  // A connection with a subscription may be idle for ever. Calls are counted; each hold needs its release.
  virtual void hold() = 0;
  virtual void release() = 0;

  // For methods that upgrade (Method::upgrades), before their answer: once that is written, the connection
  // leaves the server and is `taken`'s, with what had come behind the request. Without a socket where it
  // closed first. Called once, on the server's thread.
  using Taken = std::function<void(base::Descriptor socket, base::Bytes early)>;
  virtual void hand_over(Taken taken) { taken({}, {}); }
  // Runs when the connection closes without having been handed over.
  virtual void when_gone(std::function<void()>) {}
};

class Request {
 public:
  Request(nlohmann::json params, ClientInfo client, std::weak_ptr<Outlet> outlet = {},
          base::Descriptor descriptor = {});
  Request(Request&&) noexcept;
  Request& operator=(Request&&) noexcept;
  ~Request();

  // Always an object, already checked against the method's row.
  [[nodiscard]] const nlohmann::json& params() const { return *params_; }
  // One named parameter; nothing when it was not given. The type must be the row's (another one asserts).
  [[nodiscard]] std::optional<std::string> text(std::string_view name) const;
  // The same without a copy; valid as long as the request.
  [[nodiscard]] std::optional<std::string_view> text_view(std::string_view name) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name) const;
  [[nodiscard]] std::optional<bool> boolean(std::string_view name) const;
  [[nodiscard]] std::optional<std::vector<std::string>> texts(std::string_view name) const;

  [[nodiscard]] const ClientInfo& client() const { return client_; }
  [[nodiscard]] const std::weak_ptr<Outlet>& outlet() const { return outlet_; }
  // The descriptor that came beside the line (SCM_RIGHTS); empty when none did.
  [[nodiscard]] base::Descriptor take_descriptor() { return std::move(descriptor_); }

 private:
  std::unique_ptr<nlohmann::json> params_;
  ClientInfo client_;
  std::weak_ptr<Outlet> outlet_;
  base::Descriptor descriptor_;
};

// Move-only; answered once. Destroying it unanswered answers internal_error, so no client waits for ever. May
// be answered and destroyed on any thread: the answer is handed to the server's. Must not outlive the
// server's io_context.
class Responder {
 public:
  // `deliver` gets the encoded answer, empty when `id` is (a notification is not answered).
  Responder(std::string id, std::function<void(std::string answer)> deliver);
  Responder(Responder&& other) noexcept;
  Responder& operator=(Responder&& other) noexcept;
  ~Responder();

  void ok(const nlohmann::json& result);
  // The result {}.
  void ok();
  // A result that was encoded already (to_line), for several who are told the same.
  void ok_text(std::string_view result);
  void error(const ApiError& error);
  void error(ErrorCode code, std::string message);

  [[nodiscard]] bool answered() const { return !deliver_; }

 private:
  void finish(std::string answer);

  std::string id_;
  std::function<void(std::string)> deliver_;
};

using Handler = std::function<void(Request, Responder)>;

}  // namespace p2pd::ipc
