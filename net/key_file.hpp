// The file that holds this machine's private key: how it is read only where no one else can reach it, and
// written so that a crash leaves either no key or a whole one, and two daemons that start at once agree on
// one. Functions without state; called at start-up.
#pragma once

#include <filesystem>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace p2pd::net {

// The contents. Errors: IdentityError, or errno's of opening and reading (ENOENT: there is no such file).
[[nodiscard]] base::Result<base::Bytes> read_key_file(const std::filesystem::path& file);
// Makes `file` with `contents`, mode 0600, on the disk when it returns. False: someone else made it first,
// and it is untouched. The folder must exist.
[[nodiscard]] base::Result<bool> create_key_file(const std::filesystem::path& file, base::ByteView contents);

}  // namespace p2pd::net
