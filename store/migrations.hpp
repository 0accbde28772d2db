// The schema and its history: migration N takes a database from version N-1 to N (SQLite's user_version),
// each in one transaction. A migration that has been released is never edited; a change is a new one. Used
// once, at opening.
#pragma once

#include <span>
#include <string>

#include "base/result.hpp"
#include "store/database.hpp"

namespace p2pd::store {

// "p2pd" in SQLite's application_id: tells our databases from others'.
inline constexpr std::int64_t kApplicationId = 0x70327064;

// The SQL of migration 1, 2, ... in order.
[[nodiscard]] std::span<const char* const> migrations();

[[nodiscard]] base::Result<std::int64_t> schema_version(Database& database);
// Errors: newer_version (it knows more than `known`), foreign.
[[nodiscard]] base::Result<void> check_schema(Database& database, std::int64_t known);
// From the version it has to the last of `steps`. A failing step leaves the database at the version before
// it.
[[nodiscard]] base::Result<void> migrate(Database& database, std::span<const char* const> steps);

}  // namespace p2pd::store
