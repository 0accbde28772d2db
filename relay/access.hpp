// Whom the relay serves: everybody, the keys in a file, or who knows a token from a file. Immutable: a file
// that changed is a new Access, and what it permits is asked again for every session (relay/files). Server's
// thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "net/crypto.hpp"

namespace p2pd::relay {

// What a client has shown of itself: the key it proved, and its token. The token's hash stands for it, so
// that none lies about in memory and comparing takes the same time whatever it is.
struct Credential {
  base::PeerId client;
  net::Sha256 token{};

  [[nodiscard]] static Credential of(const base::PeerId& client, std::string_view token);
};

class Access {
 public:
  // `rule`: "open", "allow:FILE" (one peer ID a line), "token:FILE" (one token of at most 1,024 bytes a
  // line); files as base::read_line_file takes them. Errors name the file and the line. What is unwise but
  // works is a warning in the log.
  [[nodiscard]] static base::Result<Access> load(std::string_view rule);

  // Takes a time that depends on the number of tokens only.
  [[nodiscard]] bool permits(const Credential& credential) const;
  // How many keys or tokens there are; 0 for "open".
  [[nodiscard]] std::size_t size() const { return allowed_.size() + tokens_.size(); }

 private:
  enum class Rule { open, allow, token };

  [[nodiscard]] base::Result<> add_key(const std::string& text);
  [[nodiscard]] base::Result<> add_token(const std::string& text);

  Rule rule_ = Rule::open;
  std::unordered_set<base::PeerId> allowed_;
  std::vector<net::Sha256> tokens_;
};

}  // namespace p2pd::relay
