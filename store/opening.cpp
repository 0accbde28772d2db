#include "store/opening.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "store/migrations.hpp"

namespace p2pd::store {
namespace {

constexpr const char* kEpochKey = "message_epoch";

base::Error in_file(const std::string& path, const base::Error& error) {
  return {error.code, error.context.empty() ? path : path + ": " + error.context};
}

base::Error system_failure(const std::string& path, int error) {
  const StoreError kind = error == ENOSPC || error == EDQUOT ? StoreError::disk_full
                          : error == EROFS                   ? StoreError::read_only
                          : error == EIO                     ? StoreError::io
                                                             : StoreError::cannot_open;
  return store_error(kind, base::errno_error(error, path).message());
}

// A name in a folder is safe only after the folder has been synced.
base::Result<void> sync_folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const base::Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return system_failure(folder, errno);
  return {};
}

// True: it was made. The mode is right from the first moment, without a change of the process's umask, and
// SQLite gives its companion files the mode of the database.
base::Result<bool> make_file(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    if (S_ISREG(status.st_mode)) return false;
    return store_error(StoreError::cannot_open, path + ": not a regular file");
  }
  if (errno != ENOENT) return system_failure(path, errno);
  const base::Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return system_failure(path, errno);
  if (auto synced = sync_folder_of(path); !synced) return synced.error();
  return true;
}

base::Result<void> check_pages(Database& database) {
  Query query(database, "PRAGMA quick_check(1)");
  if (query.next()) {
    const std::string verdict = query.text(0);
    if (verdict == "ok") return {};
    return store_error(StoreError::corrupt, verdict);
  }
  if (query.failed()) return query.error();
  return store_error(StoreError::corrupt, "the check gave no answer");
}

// What a killed program left open.
base::Result<void> close_interrupted_attempts(Database& database) {
  const auto open = database.value("SELECT 1 FROM attempts WHERE outcome = '' LIMIT 1");
  if (!open) return open.error();
  if (!*open) return {};
  return database.run("UPDATE attempts SET outcome = 'interrupted' WHERE outcome = ''");
}

base::Result<std::uint64_t> read_or_make_epoch(Database& database) {
  const auto known = database.value("SELECT value FROM meta WHERE key = ?", std::string_view(kEpochKey));
  if (!known) return known.error();
  if (*known) return static_cast<std::uint64_t>(**known);
  const std::uint64_t epoch = base::random_u64();
  const auto stored =
      database.run("INSERT INTO meta (key, value) VALUES (?, ?)", std::string_view(kEpochKey), epoch);
  if (!stored) return stored.error();
  return epoch;
}

base::Result<OpenedDatabase> open_checked(const std::string& path, const std::string& vfs) {
  auto database = Database::open(path, vfs);
  if (!database) return database.error();
  const auto known = static_cast<std::int64_t>(migrations().size());
  if (auto schema = check_schema(*database, known); !schema) return schema.error();
  if (auto pages = check_pages(*database); !pages) return pages.error();
  if (auto migrated = migrate(*database, migrations()); !migrated) return migrated.error();
  if (auto closed = close_interrupted_attempts(*database); !closed) return closed.error();
  const auto epoch = read_or_make_epoch(*database);
  if (!epoch) return epoch.error();
  return OpenedDatabase{std::move(*database), {}, *epoch};
}

std::string damaged_name(const std::string& path, base::WallTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const std::string stem = fmt::format("{}.damaged-{:%Y%m%dT%H%M%S}Z", path,
                                       fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
  std::string name = stem;
  struct stat status {};
  for (int next = 2; ::lstat(name.c_str(), &status) == 0; ++next) name = fmt::format("{}-{}", stem, next);
  return name;
}

}  // namespace

base::Result<std::string> set_aside(const std::string& path, base::WallTime now) {
  const std::string target = damaged_name(path, now);
  for (const char* companion : {"-wal", "-shm", ""}) {
    if (::rename((path + companion).c_str(), (target + companion).c_str()) != 0 && errno != ENOENT) {
      return system_failure(path + companion, errno);
    }
  }
  if (auto synced = sync_folder_of(path); !synced) return synced.error();
  return target;
}

base::Result<OpenedDatabase> open_database(const std::string& path, const Options& options) {
  const auto made = make_file(path);
  if (!made) return made.error();
  auto opened = open_checked(path, options.vfs);
  if (opened) {
    opened->report.created = *made;
    return opened;
  }
  if (opened.error().code != make_error_code(StoreError::corrupt)) return in_file(path, opened.error());

  const std::string damage = opened.error().context;
  const auto target = set_aside(path, options.wall_clock());
  if (!target) return target.error();
  base::log::error("store", "the database was damaged; it is set aside and a new one is made",
                   {{"set_aside", *target}, {"damage", damage}});
  if (const auto remade = make_file(path); !remade) return remade.error();
  auto fresh = open_checked(path, options.vfs);
  if (!fresh) return in_file(path, fresh.error());
  fresh->report = {true, *target, damage};
  return fresh;
}

}  // namespace p2pd::store
