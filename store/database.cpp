#include "store/database.hpp"

#include <cerrno>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/assert.hpp"

namespace p2pd::store {
namespace {

// In EXCLUSIVE mode the WAL index lives in memory: no -shm file, no mmap, and the first read takes the file's
// lock for as long as the connection lives. The WAL of 16 MiB before a checkpoint keeps a stream of small
// messages from paying for one every few milliseconds. secure_delete stays as Debian builds it (on): deleted
// messages do not linger in the file.
constexpr const char* kSetup =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA foreign_keys = ON;"
    "PRAGMA temp_store = MEMORY;"  // savepoints keep their undo pages there
    "PRAGMA wal_autocheckpoint = 4096;"
    "PRAGMA journal_size_limit = 67108864;";

// SQLite knows a full disk only as ENOSPC of write(); quotas, file size limits and a disk that was remounted
// read-only after an error are I/O errors to it.
std::optional<StoreError> classify_system(int system_error) {
  switch (system_error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return StoreError::disk_full;
    case EROFS:
      return StoreError::read_only;
    default:
      return std::nullopt;
  }
}

StoreError classify(int extended, int system_error) {
  switch (extended & 0xff) {
    case SQLITE_FULL:
      return StoreError::disk_full;
    case SQLITE_IOERR:
      return classify_system(system_error).value_or(StoreError::io);
    case SQLITE_READONLY:
      return StoreError::read_only;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return classify_system(system_error).value_or(StoreError::cannot_open);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return StoreError::corrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return StoreError::locked;
    case SQLITE_TOOBIG:
      return StoreError::invalid;
    case SQLITE_CONSTRAINT:
      switch (extended) {
        case SQLITE_CONSTRAINT_FOREIGNKEY:
          return StoreError::not_found;
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
          return StoreError::already_exists;
        default:
          return StoreError::invalid;
      }
    default:
      return StoreError::internal;
  }
}

// errno of a failed write or sync of the log. sqlite3_system_errno() does not know it when COMMIT fails.
int log_errno(sqlite3* connection) {
  sqlite3_file* log = nullptr;
  int error = 0;
  sqlite3_file_control(connection, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (log != nullptr && log->pMethods != nullptr) {
    log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
  }
  return error;
}

int system_errno(sqlite3* connection, int extended) {
  switch (extended & 0xff) {
    case SQLITE_IOERR: {
      const bool writing = extended == SQLITE_IOERR_WRITE || extended == SQLITE_IOERR_FSYNC;
      const int error = writing ? log_errno(connection) : 0;
      return error != 0 ? error : sqlite3_system_errno(connection);
    }
    case SQLITE_CANTOPEN:
      return sqlite3_system_errno(connection);
    default:
      return 0;
  }
}

base::Error sqlite_error(sqlite3* connection, std::string_view doing) {
  const int extended = sqlite3_extended_errcode(connection);
  const std::string said = sqlite3_errmsg(connection);
  const int system_error = system_errno(connection, extended);
  std::string about = fmt::format("{} (SQLite {}: {}", doing, extended, said);
  if (system_error != 0) about += ", " + base::errno_error(system_error, {}).message();
  about += ')';
  return store_error(classify(extended, system_error), std::move(about));
}

}  // namespace

void Database::Close::operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
void Database::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Database::Database(std::unique_ptr<sqlite3, Close> connection) : connection_(std::move(connection)) {}

base::Result<Database> Database::open(const std::string& path, const std::string& vfs) {
  sqlite3* raw = nullptr;
  // No SQLITE_OPEN_CREATE: the mode of a new file is not SQLite's to choose.
  const int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                   vfs.empty() ? nullptr : vfs.c_str());
  std::unique_ptr<sqlite3, Close> connection(raw);
  const std::string doing = "opening " + path;
  if (raw == nullptr) return store_error(StoreError::internal, doing);
  if (code != SQLITE_OK) return sqlite_error(raw, doing);
  sqlite3_extended_result_codes(raw, 1);
  if (sqlite3_db_readonly(raw, "main") != 0) return store_error(StoreError::read_only, doing);
  if (sqlite3_exec(raw, kSetup, nullptr, nullptr, nullptr) != SQLITE_OK) return sqlite_error(raw, doing);
  Database database(std::move(connection));
  if (auto wal = database.enter_wal(doing); !wal) return wal.error();
  return database;
}

base::Result<void> Database::enter_wal(const std::string& doing) {
  Query query(*this, "PRAGMA journal_mode = WAL");
  if (query.next() && query.text(0) == "wal") return {};
  if (query.failed()) return last_error(doing);
  return store_error(StoreError::io, doing + ": this file system does not allow SQLite's WAL");
}

base::Result<void> Database::execute(const std::string& sql) {
  if (sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return last_error("executing SQL");
  }
  return {};
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(connection_.get()) == 0; }

std::int64_t Database::total_changes() const { return sqlite3_total_changes64(connection_.get()); }

std::int64_t Database::changes() const { return sqlite3_changes64(connection_.get()); }

std::int64_t Database::last_row() const { return sqlite3_last_insert_rowid(connection_.get()); }

base::Error Database::last_error(std::string_view doing) const {
  return sqlite_error(connection_.get(), doing);
}

Database::Prepared* Database::prepare(std::string_view sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) return found->second.get();
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK || raw == nullptr) return nullptr;
  auto prepared = std::make_unique<Prepared>();
  prepared->statement.reset(raw);
  return statements_.emplace(sqlite3_sql(raw), std::move(prepared)).first->second.get();
}

Query::Query(Prepare, Database& database, std::string_view sql) : database_(database) {
  prepared_ = database.prepare(sql);
  if (prepared_ == nullptr) {
    fail();
    return;
  }
  P2PD_ASSERT(!prepared_->in_use);
  prepared_->in_use = true;
}

Query::~Query() {
  if (prepared_ == nullptr) return;
  sqlite3_reset(prepared_->statement.get());
  sqlite3_clear_bindings(prepared_->statement.get());
  prepared_->in_use = false;
}

bool Query::next() {
  if (failed_ || done_) return false;
  switch (sqlite3_step(prepared_->statement.get())) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      done_ = true;
      return false;
    default:
      fail();
      return false;
  }
}

base::Result<void> Query::finish() {
  while (next()) {
  }
  if (failed_) return error_;
  return {};
}

std::int64_t Query::integer(int column) const {
  return sqlite3_column_int64(prepared_->statement.get(), column);
}

bool Query::null(int column) const {
  return sqlite3_column_type(prepared_->statement.get(), column) == SQLITE_NULL;
}

std::string Query::text(int column) const { return std::string(base::as_text(blob(column))); }

base::ByteView Query::blob(int column) const {
  // The pointer first: it may convert, and the size is the converted one's.
  const void* data = sqlite3_column_blob(prepared_->statement.get(), column);
  const int size = sqlite3_column_bytes(prepared_->statement.get(), column);
  return {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)};
}

base::Bytes Query::bytes(int column) const {
  const base::ByteView view = blob(column);
  return {view.begin(), view.end()};
}

base::WallTime Query::time(int column) const {
  return base::WallTime(std::chrono::milliseconds(integer(column)));
}

base::PeerId Query::peer(int column) const {
  const auto id = base::PeerId::from_bytes(blob(column));
  return id ? *id : base::PeerId();
}

void Query::bind(std::int64_t value) {
  check_bind(sqlite3_bind_int64(prepared_->statement.get(), ++bound_, value));
}

void Query::bind(std::string_view value) {
  // A null pointer would bind NULL.
  const char* data = value.data() == nullptr ? "" : value.data();
  check_bind(sqlite3_bind_text64(prepared_->statement.get(), ++bound_, data, value.size(), SQLITE_STATIC,
                                 SQLITE_UTF8));
}

void Query::bind(base::ByteView value) {
  if (value.empty()) return check_bind(sqlite3_bind_zeroblob(prepared_->statement.get(), ++bound_, 0));
  check_bind(
      sqlite3_bind_blob64(prepared_->statement.get(), ++bound_, value.data(), value.size(), SQLITE_STATIC));
}

void Query::bind_null() { check_bind(sqlite3_bind_null(prepared_->statement.get(), ++bound_)); }

void Query::check_bind(int code) {
  if (code != SQLITE_OK && !failed_) fail();
}

void Query::fail() {
  failed_ = true;
  error_ = database_.last_error("using the database");
}

Transaction::~Transaction() {
  if (database_.in_transaction()) (void)database_.run("ROLLBACK");
}

base::Result<void> Transaction::begin() { return database_.run("BEGIN"); }

base::Result<void> Transaction::commit() { return database_.run("COMMIT"); }

Savepoint::~Savepoint() {
  // SQLite may have rolled back all of it by itself.
  if (!open_ || !database_.in_transaction()) return;
  if (database_.run("ROLLBACK TO call") && database_.run("RELEASE call")) return;
  // What cannot be undone alone takes the whole transaction with it.
  (void)database_.run("ROLLBACK");
}

base::Result<void> Savepoint::begin() {
  auto begun = database_.run("SAVEPOINT call");
  open_ = begun.has_value();
  return begun;
}

base::Result<void> Savepoint::keep() {
  auto kept = database_.run("RELEASE call");
  if (kept) open_ = false;
  return kept;
}

}  // namespace p2pd::store
