// A SQLite VFS that passes everything to the system's and fails, counts, kills or copies on demand. One per
// process, called "faulty"; its plan is set by the test's thread and read by the store's.
#pragma once

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace p2pd::store {

struct FaultPlan {
  // Writes fail with this SQLite code (and this errno), the first `spared_writes` of them not, at most
  // `failures` times.
  std::atomic<int> write_error = SQLITE_OK;
  std::atomic<int> system_error = 0;
  std::atomic<int> spared_writes = 0;
  std::atomic<int> failures = 1'000'000;
  std::atomic<int> sync_error = SQLITE_OK;
  std::atomic<int> read_error = SQLITE_OK;
  std::atomic<bool> open_read_only = false;
  // The process is killed before this many changes of the disk; negative: never.
  std::atomic<int> kill_before = -1;
  std::atomic<int> writes = 0;
  std::atomic<int> syncs = 0;

  std::mutex mutex;
  std::function<void()> on_sync;       // guarded
  std::filesystem::path durable_copy;  // guarded: what would be there after a loss of power

  void reset() {
    write_error = SQLITE_OK;
    system_error = 0;
    spared_writes = 0;
    failures = 1'000'000;
    sync_error = SQLITE_OK;
    read_error = SQLITE_OK;
    open_read_only = false;
    kill_before = -1;
    writes = 0;
    syncs = 0;
    const std::lock_guard lock(mutex);
    on_sync = nullptr;
    durable_copy.clear();
  }
};

inline FaultPlan& faults() {
  static FaultPlan plan;
  return plan;
}

namespace faulty {

struct File {
  sqlite3_file base;
  char name[512];
  sqlite3_file* real;
};

inline sqlite3_vfs* real_vfs() {
  static sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
  return vfs;
}
inline File* self(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
inline sqlite3_file* real(sqlite3_file* file) { return self(file)->real; }

inline void before_change() {
  if (faults().kill_before < 0) return;
  if (faults().kill_before-- == 0) ::raise(SIGKILL);
}

inline int close(sqlite3_file* file) {
  const int code = real(file)->pMethods->xClose(real(file));
  file->pMethods = nullptr;
  return code;
}
inline int read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
  if (const int error = faults().read_error; error != SQLITE_OK) return error;
  return real(file)->pMethods->xRead(real(file), data, size, offset);
}
inline int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  before_change();
  ++faults().writes;
  if (const int error = faults().write_error; error != SQLITE_OK && faults().spared_writes-- <= 0) {
    if (faults().failures-- > 0) return error;
  }
  return real(file)->pMethods->xWrite(real(file), data, size, offset);
}
inline int truncate(sqlite3_file* file, sqlite3_int64 size) {
  before_change();
  return real(file)->pMethods->xTruncate(real(file), size);
}
inline int sync(sqlite3_file* file, int flags) {
  before_change();
  ++faults().syncs;
  if (const int error = faults().sync_error; error != SQLITE_OK) return error;
  const int code = real(file)->pMethods->xSync(real(file), flags);
  const std::lock_guard lock(faults().mutex);
  if (!faults().durable_copy.empty()) {
    const std::filesystem::path from = self(file)->name;
    std::filesystem::copy_file(from, faults().durable_copy / from.filename(),
                               std::filesystem::copy_options::overwrite_existing);
  }
  if (faults().on_sync) faults().on_sync();
  return code;
}
inline int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}
inline int lock(sqlite3_file* file, int level) { return real(file)->pMethods->xLock(real(file), level); }
inline int unlock(sqlite3_file* file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }
inline int check_lock(sqlite3_file* file, int* out) {
  return real(file)->pMethods->xCheckReservedLock(real(file), out);
}
inline int control(sqlite3_file* file, int operation, void* argument) {
  if (operation == SQLITE_FCNTL_LAST_ERRNO && faults().system_error != 0) {
    *static_cast<int*>(argument) = faults().system_error;
    return SQLITE_OK;
  }
  return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
inline int sector_size(sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); }
inline int characteristics(sqlite3_file* file) {
  return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

inline int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  // Version 1: no shared memory and no mmap, so that a store which needs them fails here.
  static const sqlite3_io_methods methods = {
      1,       close,      read,    write,       truncate,        sync,    file_size, lock,
      unlock,  check_lock, control, sector_size, characteristics, nullptr, nullptr,   nullptr,
      nullptr, nullptr,    nullptr};
  File* const shim = self(file);
  shim->real = reinterpret_cast<sqlite3_file*>(shim + 1);
  std::strncpy(shim->name, name == nullptr ? "" : name, sizeof shim->name - 1);
  if (faults().open_read_only) flags = (flags & ~SQLITE_OPEN_READWRITE) | SQLITE_OPEN_READONLY;
  const int code = real_vfs()->xOpen(real_vfs(), name, shim->real, flags, out_flags);
  file->pMethods = code == SQLITE_OK ? &methods : nullptr;
  return code;
}

inline int remove(sqlite3_vfs*, const char* name, int sync_folder) {
  before_change();
  const int code = real_vfs()->xDelete(real_vfs(), name, sync_folder);
  // Gone from the copy at once: SQLite syncs the folder when it makes the next file in it, before anything is
  // told.
  const std::lock_guard lock(faults().mutex);
  if (!faults().durable_copy.empty()) {
    std::filesystem::remove(faults().durable_copy / std::filesystem::path(name).filename());
  }
  return code;
}

inline int last_error(sqlite3_vfs*, int, char*) { return faults().system_error; }

}  // namespace faulty

// The name to give as Options::vfs; the plan is clean again.
inline std::string faulty_vfs() {
  static const bool registered = [] {
    static sqlite3_vfs vfs = *faulty::real_vfs();
    vfs.szOsFile += static_cast<int>(sizeof(faulty::File));
    vfs.zName = "faulty";
    vfs.pNext = nullptr;
    vfs.xOpen = faulty::open;
    vfs.xDelete = faulty::remove;
    vfs.xGetLastError = faulty::last_error;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
  }();
  if (!registered) std::abort();
  faults().reset();
  return "faulty";
}

}  // namespace p2pd::store
