// Who may do what over the socket: the configuration's users and groups, held against what the kernel says of
// a client. Closed: who is not named is nobody, but for the user that runs the daemon, and root. Plain
// values; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "ipc/request.hpp"

namespace p2pd::ipc {

// What the kernel says about the other end, as of its connect().
struct Credentials {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary ones; empty where the system does not tell them
};

// A user or a group has a tier, and the tiers below it.
struct Grant {
  enum class To { user, group };
  Tier tier = Tier::read;
  To to = To::user;
  id_t id = 0;
  std::string name;  // as it was configured

  [[nodiscard]] bool operator==(const Grant&) const = default;
};

struct AccessRules {
  std::vector<Grant> grants;

  // The highest tier that is granted to the client by its user, its group or a supplementary one. `owner`,
  // who runs the daemon, and root have admin. Nothing for anybody else: to be refused.
  [[nodiscard]] std::optional<Tier> tier_of(const Credentials& who, uid_t owner) const;
  // The end of a sentence that refuses something: what has to be done so that it is not refused again.
  [[nodiscard]] std::string way_to(Tier tier) const;
};

}  // namespace p2pd::ipc
