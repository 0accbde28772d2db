// Opening the database at start: makes the file with mode 0600 when there is none, refuses links, checks what
// is there, brings the schema up to date, and sets a damaged database aside for a fresh one. Synchronous;
// used once, by Store::open, on the caller's thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "store/database.hpp"
#include "store/store.hpp"

namespace p2pd::store {

struct OpenedDatabase {
  Database database;
  OpenReport report;
  std::uint64_t message_epoch = 0;
};

[[nodiscard]] base::Result<OpenedDatabase> open_database(const std::string& path, const Options& options);

// Renames the database and its companions out of the way; returns the new name. The write-ahead log goes
// first: one left beside a fresh database could be replayed into it.
[[nodiscard]] base::Result<std::string> set_aside(const std::string& path, base::WallTime now);

}  // namespace p2pd::store
