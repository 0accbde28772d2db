// SQLite behind types: Database is one connection with its prepared statements, Query one use of a statement,
// Transaction and Savepoint are guards. WAL, synchronous=FULL, no mmap, locked for this process alone. A
// Query is read like a ByteReader: bind, loop over next(), ask failed() once at the end. One thread at a
// time; owned by the store's writer. Ends by destruction, which checkpoints and closes.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "store/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace p2pd::store {

class Database {
 public:
  // The file must exist and may be empty. Takes the lock. Errors: locked, corrupt, cannot_open, read_only,
  // io.
  [[nodiscard]] static base::Result<Database> open(const std::string& path, const std::string& vfs);

  // Statements without parameters and results, separated by semicolons.
  base::Result<void> execute(const std::string& sql);
  // One statement without results; `sql` is prepared once and kept.
  template <class... Args>
  base::Result<void> run(std::string_view sql, const Args&... args);
  // The first column of the first row as an integer, nothing if there is no row.
  template <class... Args>
  base::Result<std::optional<std::int64_t>> value(std::string_view sql, const Args&... args);

  // False: no transaction is open, or SQLite has rolled it back by itself (disk full, I/O error).
  [[nodiscard]] bool in_transaction() const;
  // Rows changed since the database was opened.
  [[nodiscard]] std::int64_t total_changes() const;
  // Rows changed by the latest statement.
  [[nodiscard]] std::int64_t changes() const;
  // The row ID that the latest INSERT gave.
  [[nodiscard]] std::int64_t last_row() const;
  // What SQLite said about its latest failure. `doing`: for the reader of the message.
  [[nodiscard]] base::Error last_error(std::string_view doing) const;

 private:
  friend class Query;
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  struct Prepared {
    std::unique_ptr<sqlite3_stmt, Finalize> statement;
    bool in_use = false;
  };

  explicit Database(std::unique_ptr<sqlite3, Close> connection);
  base::Result<void> enter_wal(const std::string& doing);
  // Null on failure.
  Prepared* prepare(std::string_view sql);

  std::unique_ptr<sqlite3, Close> connection_;
  // Keyed by the statement's own copy of its text.
  std::unordered_map<std::string_view, std::unique_ptr<Prepared>> statements_;
};

// One execution of a kept statement. Bound texts and blobs are not copied: they must live as long as the
// Query.
class Query {
 public:
  template <class... Args>
  Query(Database& database, std::string_view sql, const Args&... args) : Query(Prepare{}, database, sql) {
    if (!failed_) (bind(args), ...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Steps to the next row. False: no more rows, or failed().
  [[nodiscard]] bool next();
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] const base::Error& error() const { return error_; }
  // Steps to the end.
  base::Result<void> finish();

  // Columns of the current row, from 0. Views are valid until the next step.
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::uint64_t natural(int column) const {
    return static_cast<std::uint64_t>(integer(column));
  }
  [[nodiscard]] bool null(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] base::ByteView blob(int column) const;
  [[nodiscard]] base::Bytes bytes(int column) const;
  [[nodiscard]] base::WallTime time(int column) const;
  // All zero when the column is not a peer ID.
  [[nodiscard]] base::PeerId peer(int column) const;

 private:
  struct Prepare {};
  Query(Prepare, Database& database, std::string_view sql);

  void bind(std::int64_t value);
  // 64 bits as they are: what is compared by order must stay below 2^63.
  void bind(std::uint64_t value) { bind(static_cast<std::int64_t>(value)); }
  void bind(std::uint32_t value) { bind(static_cast<std::int64_t>(value)); }
  void bind(int value) { bind(static_cast<std::int64_t>(value)); }
  void bind(bool value) { bind(std::int64_t{value ? 1 : 0}); }
  void bind(base::WallTime value) { bind(std::int64_t{value.time_since_epoch().count()}); }
  void bind(std::chrono::milliseconds value) { bind(std::int64_t{value.count()}); }
  void bind(std::string_view value);
  void bind(const std::string& value) { bind(std::string_view(value)); }
  void bind(const char* value) = delete;  // would become a bool
  void bind(base::ByteView value);
  void bind(const base::Bytes& value) { bind(base::ByteView(value)); }
  void bind(const base::PeerId& value) { bind(base::ByteView(value.bytes())); }
  void bind_null();
  template <class T>
  void bind(const std::optional<T>& value) {
    if (value) {
      bind(*value);
    } else {
      bind_null();
    }
  }
  void check_bind(int code);
  void fail();

  Database& database_;
  Database::Prepared* prepared_ = nullptr;
  int bound_ = 0;
  bool done_ = false;
  bool failed_ = false;
  base::Error error_;
};

// Rolled back on destruction unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  [[nodiscard]] base::Result<void> begin();
  // After a failure nothing of it is stored.
  [[nodiscard]] base::Result<void> commit();

 private:
  Database& database_;
};

// A part of a transaction, undone on destruction unless kept; if that fails, the whole transaction is. They
// do not nest.
class Savepoint {
 public:
  explicit Savepoint(Database& database) : database_(database) {}
  ~Savepoint();
  Savepoint(const Savepoint&) = delete;
  Savepoint& operator=(const Savepoint&) = delete;

  [[nodiscard]] base::Result<void> begin();
  [[nodiscard]] base::Result<void> keep();

 private:
  Database& database_;
  bool open_ = false;
};

template <class... Args>
base::Result<void> Database::run(std::string_view sql, const Args&... args) {
  Query query(*this, sql, args...);
  return query.finish();
}

template <class... Args>
base::Result<std::optional<std::int64_t>> Database::value(std::string_view sql, const Args&... args) {
  Query query(*this, sql, args...);
  if (query.next()) return std::optional<std::int64_t>(query.integer(0));
  if (query.failed()) return query.error();
  return std::optional<std::int64_t>();
}

}  // namespace p2pd::store
