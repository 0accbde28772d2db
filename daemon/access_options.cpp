#include "daemon/access_options.hpp"

#include "daemon/user_names.hpp"

namespace p2pd::daemon {
namespace {

// The six options that let others in, each a tier and whom it is given to.
struct GrantOption {
  std::string_view name;
  ipc::Tier tier;
  ipc::Grant::To to;
};
constexpr GrantOption kGrantOptions[] = {
    {"read-user", ipc::Tier::read, ipc::Grant::To::user},
    {"read-group", ipc::Tier::read, ipc::Grant::To::group},
    {"operate-user", ipc::Tier::operate, ipc::Grant::To::user},
    {"operate-group", ipc::Tier::operate, ipc::Grant::To::group},
    {"admin-user", ipc::Tier::admin, ipc::Grant::To::user},
    {"admin-group", ipc::Tier::admin, ipc::Grant::To::group},
};
// Of a system service, for who shall use it; made by the packages.
constexpr const char* kServiceGroup = "p2pd";

void read_grants(OptionReader& reader, Options& out) {
  for (const GrantOption& option : kGrantOptions) {
    for (const OptionValue& value : reader.list(option.name)) {
      const auto id = option.to == ipc::Grant::To::user ? find_user(value.text) : find_group(value.text);
      if (id) {
        out.access.grants.push_back({option.tier, option.to, *id, value.text});
      } else {
        reader.wrong(value, fmt::format("{}: {}", option.name, id.error().context));
      }
    }
  }
}

void read_socket_mode(OptionReader& reader, Options& out) {
  if (const auto value = reader.one("socket-group")) {
    const auto group = find_group(value->text);
    if (!group) return reader.wrong(*value, fmt::format("socket-group: {}", group.error().context));
    out.socket_group = value->text;
    out.socket_gid = *group;
  }
  const auto mode = reader.one("socket-mode");
  if (!mode) return;
  if (mode->text != "0600" && mode->text != "0660" && mode->text != "0666") {
    return reader.wrong(*mode, fmt::format("socket-mode is '{}'; it can be 0600, 0660 or 0666", mode->text));
  }
  out.socket_mode = static_cast<mode_t>(std::stoul(mode->text, nullptr, 8));
}

// What the packages make for a system service; where the group is not there, the socket is the user's alone.
void add_service_group(const OptionReader& reader, Options& out) {
  const auto group = find_group(kServiceGroup);
  if (!group) return;
  if (!reader.one("socket-mode")) out.socket_mode = 0660;
  if (out.socket_mode == 0600) return;
  if (!reader.one("socket-group")) {
    out.socket_group = kServiceGroup;
    out.socket_gid = *group;
  }
  if (!reader.one("operate-group"))
    out.access.grants.push_back({ipc::Tier::operate, ipc::Grant::To::group, *group, kServiceGroup});
}

}  // namespace

void read_access(OptionReader& reader, Options& out) {
  read_grants(reader, out);
  read_socket_mode(reader, out);
  if (out.system_service) add_service_group(reader, out);
  if (out.access.grants.empty() || out.socket_mode != 0600) return;
  for (const GrantOption& option : kGrantOptions) {
    const auto value = reader.one(option.name);
    if (!value) continue;
    return reader.wrong(
        *value,
        fmt::format("{} lets others in, but socket-mode 0600 keeps them from the socket; set socket-mode to "
                    "0660 and socket-group to their group, or socket-mode to 0666: who is not named is "
                    "refused all the same",
                    option.name));
  }
}

std::vector<Setting> access_settings(const ipc::AccessRules& access) {
  std::vector<Setting> out;
  for (const GrantOption& option : kGrantOptions) {
    Setting& setting = out.emplace_back(Setting{option.name, {}});
    for (const ipc::Grant& grant : access.grants) {
      if (grant.tier == option.tier && grant.to == option.to) setting.values.push_back(grant.name);
    }
  }
  return out;
}

}  // namespace p2pd::daemon
