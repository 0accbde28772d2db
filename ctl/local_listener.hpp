// Where `forward` listens: a TCP port, on loopback unless a host is named, or a Unix socket for this user.
// Owns its sockets; a Unix socket's file goes with it. One thread.
#pragma once

#include <string>
#include <vector>

#include "base/descriptor.hpp"
#include "ctl/exit_code.hpp"

namespace p2pd::ctl {

class LocalListener {
 public:
  // PORT (0: any that is free), HOST:PORT (an address or localhost), unix:PATH.
  [[nodiscard]] static CtlResult<LocalListener> open(const std::string& where);
  LocalListener(LocalListener&&) noexcept = default;
  LocalListener& operator=(LocalListener&&) = delete;
  ~LocalListener();

  // As clients are to connect to it: "127.0.0.1:8080", "unix:/run/me/db.sock".
  [[nodiscard]] const std::string& text() const { return text_; }
  // Not blocking; readable when a client waits.
  [[nodiscard]] int socket() const { return socket_.get(); }
  // Nothing when nobody waits (any more), or no descriptor is left, which is told as an error by errno.
  [[nodiscard]] base::Descriptor accept() const;

 private:
  LocalListener() = default;
  [[nodiscard]] static CtlResult<LocalListener> open_tcp(const std::string& where);
  [[nodiscard]] static CtlResult<LocalListener> open_unix(const std::string& path);

  base::Descriptor socket_;
  std::string text_;
  std::string path_;  // of the Unix socket
};

}  // namespace p2pd::ctl
