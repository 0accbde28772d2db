#include "ipc/access.hpp"

#include <algorithm>

namespace p2pd::ipc {
namespace {

bool is_for(const Grant& grant, const Credentials& who) {
  if (grant.to == Grant::To::user) return grant.id == who.uid;
  return grant.id == who.gid || std::find(who.groups.begin(), who.groups.end(), grant.id) != who.groups.end();
}

}  // namespace

std::optional<Tier> AccessRules::tier_of(const Credentials& who, uid_t owner) const {
  if (who.uid == owner || who.uid == 0) return Tier::admin;
  std::optional<Tier> best;
  for (const Grant& grant : grants) {
    if (is_for(grant, who) && (!best || *best < grant.tier)) best = grant.tier;
  }
  return best;
}

std::string AccessRules::way_to(Tier tier) const {
  const std::string name(to_string(tier));
  std::string out;
  for (const Grant& grant : grants) {
    if (grant.to != Grant::To::group || grant.tier < tier) continue;
    out = "join the group " + grant.name + " (as root: usermod -aG " + grant.name +
          " YOUR-NAME; then log in anew), or ";
    break;
  }
  return out + "have yourself named by " + name + "-user or " + name +
         "-group in p2pd.conf, or use the user that runs p2pd, or root";
}

}  // namespace p2pd::ipc
