#include "daemon/invitation_names.hpp"

#include "base/bytes.hpp"
#include "net/relay_url.hpp"
#include "proto/pairing_frames.hpp"

namespace p2pd::daemon {

std::string invitation_name(const proto::InvitationId& id) { return base::to_hex(id); }

std::string default_name(const base::PeerId& id) { return "peer-" + id.text().substr(0, 8); }

std::vector<std::string> canonical_relays(const std::vector<std::string>& urls) {
  std::vector<std::string> out;
  for (const std::string& text : urls) {
    const auto url = net::RelayUrl::parse(text);
    if (url && out.size() < proto::kMaxPairingRelays) out.push_back(url->text());
  }
  return out;
}

}  // namespace p2pd::daemon
