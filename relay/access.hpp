// Whom the relay serves: everybody, the keys in a file, or who knows a token from a file. Read whole at start
// and at SIGHUP; immutable in between. Server's thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "net/crypto.hpp"

namespace p2pd::relay {

class Access {
 public:
  // `rule`: "open", "allow:FILE" (one peer ID a line), "token:FILE" (one token a line). Blank lines and what
  // follows a # are skipped. Errors name the file and the line.
  [[nodiscard]] static base::Result<Access> load(std::string_view rule);

  // Takes a time that depends on the number of tokens only.
  [[nodiscard]] bool permits(const base::PeerId& client, std::string_view token) const;
  // Whether a client let in before may stay: only a list of keys is asked again.
  [[nodiscard]] bool still_permits(const base::PeerId& client) const;

 private:
  enum class Rule { open, allow, token } rule_ = Rule::open;
  std::unordered_set<base::PeerId> allowed_;
  std::vector<net::Sha256> tokens_;  // hashes: equal sizes compare in constant time
};

}  // namespace p2pd::relay
