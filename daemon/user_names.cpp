#include "daemon/user_names.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

namespace p2pd::daemon {
namespace {

using base::Error;
using base::Result;

constexpr std::size_t kMaxEntry = 1 << 20;  // of a group with very many members

Error not_there(std::string why) {
  return {make_error_code(boost::system::errc::invalid_argument), std::move(why)};
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The largest number is the system's word for "none".
Result<id_t> parse_number(std::string_view text) {
  id_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id == std::numeric_limits<id_t>::max())
    return not_there(fmt::format("'{}' is too large a number", text));
  return id;
}

// getpwnam_r or getgrnam_r, with as much room as it wants; nothing when there is no such name.
template <class Entry, class Look>
Result<std::optional<Entry>> look_up(const std::string& name, Look look) {
  std::vector<char> room(4096);
  for (;;) {
    Entry entry{};
    Entry* found = nullptr;
    const int error = look(name.c_str(), &entry, room.data(), room.size(), &found);
    if (error == ERANGE && room.size() < kMaxEntry) {
      room.resize(room.size() * 2);
      continue;
    }
    // Some databases report a name that they do not have as an error.
    const bool absent = error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
    if (error != 0 && !absent) return base::errno_error(error, fmt::format("cannot look up '{}'", name));
    if (error != 0 || found == nullptr) return std::optional<Entry>();
    return std::optional<Entry>(entry);
  }
}

}  // namespace

Result<uid_t> find_user(std::string_view text) {
  if (is_number(text)) return parse_number(text);
  const auto found = look_up<passwd>(std::string(text), ::getpwnam_r);
  if (!found) return found.error();
  if (*found) return (*found)->pw_uid;
  return not_there(fmt::format("there is no user '{}'; `getent passwd` lists them, or give a number", text));
}

Result<gid_t> find_group(std::string_view text) {
  if (is_number(text)) return parse_number(text);
  const auto found = look_up<group>(std::string(text), ::getgrnam_r);
  if (!found) return found.error();
  if (*found) return (*found)->gr_gid;
  return not_there(fmt::format("there is no group '{}'; `getent group` lists them, or give a number", text));
}

}  // namespace p2pd::daemon
