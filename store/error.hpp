// What can go wrong with the database or with what was asked of it. Each value has a text a user can act on;
// the context of the Error says what was being done and what SQLite or the system said. `cancelled` compares
// equal to std::errc::operation_canceled. Plain values; any thread.
#pragma once

#include <string>

#include <boost/system/error_code.hpp>

#include "base/result.hpp"

namespace p2pd::store {

enum class StoreError {
  disk_full = 1,   // nothing was stored; works again as soon as there is space
  read_only,       // the file or its file system cannot be written
  io,              // the disk failed; nothing was stored
  corrupt,         // damage found while running; the next start sets the database aside
  cannot_open,     // the file is missing, a link, or not ours to open
  newer_version,   // made by a newer program
  foreign,         // a sound SQLite database, but not one of ours
  locked,          // another process has it open
  not_found,       // no such peer, message or attempt
  name_taken,      // another peer has this name
  already_exists,  // this ID is in use
  quota,           // the peer's rows or bytes are used up
  invalid,         // a value outside what can be stored
  overloaded,      // too much waits to be written; nothing was taken
  cancelled,       // the store is stopped
  internal,        // a fault of this program, e.g. SQL that does not fit the schema
};

[[nodiscard]] const boost::system::error_category& store_category();
[[nodiscard]] boost::system::error_code make_error_code(StoreError error);

// `about`: what was being done, or a whole sentence about this one failure.
[[nodiscard]] base::Error store_error(StoreError error, std::string about);

}  // namespace p2pd::store

template <>
struct boost::system::is_error_code_enum<p2pd::store::StoreError> : std::true_type {};
