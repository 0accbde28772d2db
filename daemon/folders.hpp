// Where p2pd's files are, as a system service and as a user, and the rules their folders must meet. Start-up
// only.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.hpp"
#include "base/result.hpp"

namespace p2pd::daemon {

struct Folders {
  bool system_service = false;
  std::filesystem::path state;      // empty: the environment names no place
  std::filesystem::path socket;     // empty: likewise
  std::filesystem::path downloads;  // of received files; empty: likewise
};
// A system service is what systemd gave its folders (STATE_DIRECTORY, RUNTIME_DIRECTORY), or root outside a
// session (no XDG_RUNTIME_DIR).
[[nodiscard]] Folders default_folders();

// The files to read, weakest first: the named one, or p2pd.conf in its usual place where it is there; then
// conf.d/*.conf in the same folder, by the order of their names' bytes. Error: conf.d cannot be read.
[[nodiscard]] base::Result<std::vector<std::filesystem::path>> config_files(
    const std::optional<std::string>& named);

// Makes the state folder (0700) where it is missing and takes its lock, held as long as the descriptor.
// Errors: not a folder, not ours, writable by others, another p2pd is using it.
[[nodiscard]] base::Result<base::Descriptor> lock_state_folder(const std::filesystem::path& folder);

}  // namespace p2pd::daemon
