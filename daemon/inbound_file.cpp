#include "daemon/inbound_file.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.hpp"
#include "proto/file_name.hpp"

namespace p2pd::daemon {
namespace {

namespace log = base::log;
using proto::FileRefusal;

constexpr std::uint64_t kSpaceEvery = 64 * 1024 * 1024;
constexpr unsigned kMostNames = 10'000;
constexpr std::size_t kBuffer = 128 * 1024;

FileRefusal refusal_of(int error) {
  return error == ENOSPC || error == EDQUOT || error == EFBIG ? FileRefusal::disk_full : FileRefusal::storage;
}

FileRefusal failed(const store::TransferRow& row, const char* doing, int error) {
  log::error("files", doing,
             {{"peer", row.peer}, {"transfer", row.id}, {"error", base::errno_error(error, {}).message()}});
  return refusal_of(error);
}

}  // namespace

// What a stream holds of it.
class InboundFile::Handle final : public peer::FileTarget {
 public:
  Handle(std::shared_ptr<InboundFile> file, std::uint64_t stream) : file_(std::move(file)), stream_(stream) {}
  ~Handle() override { file_->close(stream_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void begin(std::uint64_t offset) override { file_->begin(stream_, offset); }
  void write(peer::FileBatch batch, Written done) override {
    file_->write(stream_, std::move(batch), std::move(done));
  }
  void finish(const proto::FileDigest& digest, Finished done) override {
    file_->finish(stream_, digest, std::move(done));
  }

 private:
  const std::shared_ptr<InboundFile> file_;
  const std::uint64_t stream_;
};

InboundFile::InboundFile(Config config, store::TransferRow row, Over over)
    : config_(std::move(config)),
      row_(std::move(row)),
      over_(std::move(over)),
      line_(std::make_shared<FileLine>(config_.worker)),
      reached_(row_.durable) {}

// --- beginning

void InboundFile::open(std::function<void(peer::FileAnswer)> done) {
  const std::uint64_t stream = ++stream_;
  const auto answer = [self = shared_from_this(), done = std::move(done)](peer::FileAnswer value) {
    auto kept = std::make_shared<peer::FileAnswer>(std::move(value));
    boost::asio::post(self->config_.thread, [done, kept] { done(std::move(*kept)); });
  };
  line_->push([self = shared_from_this(), stream, answer, prepared = false]() mutable {
    if (self->stream_ != stream) return true;
    if (self->outcome_ || self->dropped_) {
      const auto* name = self->outcome_ ? std::get_if<std::string>(&*self->outcome_) : nullptr;
      answer(name != nullptr ? peer::FileAnswer(*name) : peer::FileAnswer(FileRefusal::cancelled));
      return true;
    }
    // The old stream's finish() is on its way; the sender asks again.
    if (self->storing_) {
      answer(FileRefusal::busy);
      return true;
    }
    if (!std::exchange(prepared, true)) {
      if (const auto refusal = self->prepare()) {
        answer(*refusal);
        return true;
      }
    }
    const auto hashed = self->hash_on();
    if (const auto* refusal = std::get_if<FileRefusal>(&hashed)) {
      answer(*refusal);
      return true;
    }
    if (!std::get<bool>(hashed)) return false;
    self->open_ = true;
    peer::FileAdmission admission;
    admission.offset = self->prefix_.position();
    admission.digest = self->prefix_.digest();
    admission.target = std::make_unique<Handle>(self, stream);
    answer(std::move(admission));
    return true;
  });
}

// Opens the temporary file unless it is open.
std::optional<FileRefusal> InboundFile::prepare() {
  if (lost_) return lost_;
  if (!file_) {
    auto folder = DownloadFolder::open(row_.folder);
    if (!folder) {
      log::error("files", "no folder for received files", {{"error", folder.error().message()}});
      return FileRefusal::storage;
    }
    folder_.emplace(std::move(*folder));
    auto file = folder_->open_partial(config_.partial);
    if (!file) {
      log::error("files", "no temporary file", {{"transfer", row_.id}, {"error", file.error().message()}});
      return refusal_of(file.error().code.value());
    }
    struct stat info {};
    if (::fstat(file->get(), &info) != 0) return failed(row_, "a temporary file cannot be used", errno);
    // Beyond the mark nothing is certain after a crash.
    target_ = std::min(row_.durable, static_cast<std::uint64_t>(info.st_size));
    if (::ftruncate(file->get(), static_cast<off_t>(target_)) != 0) {
      return failed(row_, "a temporary file cannot be cut", errno);
    }
    file_ = std::make_shared<base::Descriptor>(std::move(*file));
    sync_begun_ = target_;
    synced_at_ = std::chrono::steady_clock::now();
  }
  const std::uint64_t more = row_.data_size - std::min(row_.data_size, target_);
  if (prefix_.position() < target_ || prefix_.position() == 0) {
    if (!space_left(more)) return FileRefusal::disk_full;
  }
  return {};
}

bool InboundFile::space_left(std::uint64_t more) const {
  const auto free = folder_->free_space();
  return !free || (*free >= config_.reserve && *free - config_.reserve >= more);
}

std::variant<bool, FileRefusal> InboundFile::hash_on() {
  if (prefix_.position() >= target_) return true;
  base::Bytes buffer(kBuffer);
  const std::uint64_t until = std::min(target_, prefix_.position() + kStep);
  while (prefix_.position() < until) {
    const std::size_t want =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), until - prefix_.position()));
    const ssize_t got = ::pread(file_->get(), buffer.data(), want, static_cast<off_t>(prefix_.position()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return failed(row_, "a temporary file cannot be read", got == 0 ? EIO : errno);
    prefix_.add(base::ByteView(buffer).first(static_cast<std::size_t>(got)));
  }
  reached_ = prefix_.position();
  return prefix_.position() >= target_;
}

void InboundFile::begin(std::uint64_t stream, std::uint64_t offset) {
  line_->push([self = shared_from_this(), stream, offset] {
    if (self->stream_ == stream && offset == 0 && self->prefix_.position() > 0) self->forget();
    return true;
  });
}

// Nothing of what came is of use.
void InboundFile::forget() {
  prefix_ = HashedPrefix();
  target_ = 0;
  sync_begun_ = 0;
  checked_space_ = 0;
  reached_ = 0;
  if (file_) (void)!::ftruncate(file_->get(), 0);
  store::TransferChange change;
  change.durable = 0;
  config_.store.change_transfer(row_.id, change, {}, {});
}

// --- writing

void InboundFile::write(std::uint64_t stream, peer::FileBatch batch, Written done) {
  auto pending = std::make_shared<Pending>();
  pending->batch = std::move(batch);
  line_->push([self = shared_from_this(), stream, pending, done = std::move(done)] {
    const auto answer = [&](std::optional<FileRefusal> refusal) {
      boost::asio::post(self->config_.thread, [done, refusal] { done(refusal); });
      return true;
    };
    if (self->stream_ != stream) return true;
    if (self->dropped_) return answer(FileRefusal::cancelled);
    const auto wrote = self->lost_ ? *self->lost_ : self->write_on(*pending);
    if (const auto* refusal = std::get_if<FileRefusal>(&wrote)) {
      // Given up for good: the sender hears why and does not come back.
      self->dropped_ = true;
      self->over_(*refusal);
      return answer(*refusal);
    }
    if (!std::get<bool>(wrote)) return false;
    self->sync_soon();
    return answer({});
  });
}

std::variant<bool, FileRefusal> InboundFile::write_on(Pending& pending) {
  const peer::FileBatch& batch = pending.batch;
  std::uint64_t left = kStep;
  while (pending.written < batch.data.size() || pending.hole < batch.holes.size()) {
    const bool holes = pending.hole < batch.holes.size();
    const std::size_t until = holes ? batch.holes[pending.hole].at : batch.data.size();
    if (pending.written < until) {
      const base::ByteView data =
          base::ByteView(batch.data).subspan(pending.written, until - pending.written);
      if (const auto refusal = write_data(data)) return *refusal;
      pending.written = until;
      continue;
    }
    const std::uint64_t length = batch.holes[pending.hole].length - pending.hole_done;
    const std::uint64_t step = std::min(length, left);
    prefix_.add_zeros(step);
    reached_ = prefix_.position();
    pending.hole_done += step;
    left -= step;
    if (step == length) {
      ++pending.hole;
      pending.hole_done = 0;
    } else {
      return false;
    }
  }
  return true;
}

std::optional<FileRefusal> InboundFile::write_data(base::ByteView data) {
  if (prefix_.position() >= checked_space_) {
    checked_space_ = prefix_.position() + kSpaceEvery;
    if (!space_left(0)) return FileRefusal::disk_full;
  }
  const base::ByteView all = data;
  std::uint64_t at = prefix_.position();
  while (!data.empty()) {
    const ssize_t count = ::pwrite(file_->get(), data.data(), data.size(), static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(row_, "a received file cannot be written", errno);
    at += static_cast<std::uint64_t>(count);
    data = data.subspan(static_cast<std::size_t>(count));
  }
  prefix_.add(all);
  reached_ = prefix_.position();
  return {};
}

// The mark follows in its own time: the next bytes are hashed and written while the last ones go to the disk.
void InboundFile::sync_soon() {
  const auto now = std::chrono::steady_clock::now();
  if (syncing_ || prefix_.position() == sync_begun_) return;
  if (prefix_.position() - sync_begun_ < kSyncBytes && now - synced_at_ < kSyncTime) return;
  syncing_ = true;
  sync_begun_ = prefix_.position();
  synced_at_ = now;
  config_.worker.post([self = shared_from_this(), file = file_, mark = sync_begun_] {
    const int error = ::fdatasync(file->get()) == 0 ? 0 : errno;
    self->syncing_ = false;
    self->line_->push([self, mark, error] {
      // The system tells a failed write-back once; what it was about is gone.
      if (error != 0) {
        self->lost_ = failed(self->row_, "a received file cannot be synced", error);
        return true;
      }
      // It was begun anew in between, or is over.
      if (self->sync_begun_ < mark || self->dropped_ || self->outcome_) return true;
      store::TransferChange change;
      change.durable = mark;
      self->config_.store.change_transfer(self->row_.id, change, {}, {});
      return true;
    });
  });
}

// The stream is over: what there is should be found again.
void InboundFile::close(std::uint64_t stream) {
  line_->push([self = shared_from_this(), stream] {
    if (self->stream_ != stream) return true;
    self->open_ = false;
    self->sync_now();
    return true;
  });
}

void InboundFile::sync_now() {
  if (!file_ || dropped_ || outcome_ || storing_ || lost_ || prefix_.position() <= sync_begun_) return;
  if (::fdatasync(file_->get()) != 0) {
    lost_ = failed(row_, "a received file cannot be synced", errno);
    return;
  }
  sync_begun_ = prefix_.position();
  store::TransferChange change;
  change.durable = sync_begun_;
  config_.store.change_transfer(row_.id, change, {}, {});
}

// --- the end

void InboundFile::finish(std::uint64_t stream, const proto::FileDigest& digest, Finished done) {
  // Told on the peer's thread, whoever ends it.
  Finished told = [self = shared_from_this(), done = std::move(done)](const Outcome& outcome) {
    boost::asio::post(self->config_.thread, [done, outcome] { done(outcome); });
  };
  line_->push([self = shared_from_this(), stream, digest, told = std::move(told)] {
    if (self->stream_ != stream) return true;
    if (self->dropped_) {
      told(FileRefusal::cancelled);
      return true;
    }
    if (const auto refusal = self->complete(digest)) {
      self->dropped_ = true;
      self->over_(*refusal);
      told(*refusal);
      return true;
    }
    self->storing_ = true;
    self->store_as(self->row_.name, 0, told);
    return true;
  });
}

std::optional<FileRefusal> InboundFile::complete(const proto::FileDigest& digest) {
  if (lost_) return lost_;
  if (prefix_.position() != row_.size || prefix_.digest() != digest) {
    log::warn("files", "a received file is not what was sent", {{"peer", row_.peer}, {"transfer", row_.id}});
    return FileRefusal::mismatch;
  }
  timespec times[2]{};
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = static_cast<time_t>(row_.mtime);
  times[1].tv_nsec = static_cast<long>(row_.mtime_ns);
  // A hole at the end is there only by the size. A time that the file system cannot hold is left out.
  if (::ftruncate(file_->get(), static_cast<off_t>(row_.size)) != 0) {
    return failed(row_, "a received file cannot be completed", errno);
  }
  if (::futimens(file_->get(), times) != 0) {
    log::warn("files", "a received file keeps no modification time", {{"transfer", row_.id}});
  }
  if (::fchmod(file_->get(), static_cast<mode_t>(row_.mode & proto::kMaxFileMode)) != 0) {
    log::warn("files", "a received file keeps no mode", {{"transfer", row_.id}});
  }
  if (::fsync(file_->get()) != 0) return failed(row_, "a received file cannot be synced", errno);
  return {};
}

// The line's thread; goes on in the store's and comes back. `number` counts the names that were taken.
void InboundFile::store_as(const std::string& wanted, unsigned number, Finished done) {
  std::string name = wanted;
  while (folder_->taken(name) && number < kMostNames) name = proto::other_file_name(row_.name, ++number);
  store::TransferChange change;
  change.state = store::TransferState::storing;
  change.stored_name = name;
  change.durable = row_.size;
  config_.store.change_transfer(
      row_.id, change, {},
      [self = shared_from_this(), name, number, done = std::move(done)](const base::Result<void>& stored) {
        if (!stored) {
          log::error("files", "a received file cannot be stored", {{"error", stored.error().message()}});
          return self->conclude(FileRefusal::storage, done);
        }
        self->line_->push([self, name, number, done] {
          self->rename(name, number, done);
          return true;
        });
      });
}

void InboundFile::rename(const std::string& name, unsigned number, const Finished& done) {
  // Cancelled, or its peer removed, since it was complete.
  if (dropped_) return done(FileRefusal::cancelled);
  const auto renamed = folder_->rename_to_new(config_.partial, name);
  if (!renamed && renamed.error().code == boost::system::errc::file_exists && number < kMostNames) {
    return store_as(proto::other_file_name(row_.name, number + 1), number + 1, done);
  }
  if (!renamed) {
    log::error("files", "a received file gets no name", {{"error", renamed.error().message()}});
    return conclude(FileRefusal::storage, done);
  }
  if (auto synced = folder_->sync(); !synced) log::warn("files", synced.error().message());
  outcome_ = name;
  file_.reset();
  store::TransferChange change;
  change.state = store::TransferState::done;
  change.ended = base::wall_now();
  change.collected = true;
  change.settled = true;
  // Whatever becomes of it: a row that stays `storing` is put right at the next start.
  config_.store.change_transfer(
      row_.id, change, {},
      [self = shared_from_this(), name, done](const base::Result<void>&) { self->conclude(name, done); });
}

void InboundFile::conclude(const Outcome& outcome, const Finished& done) {
  line_->push([self = shared_from_this(), outcome, done] {
    self->storing_ = false;
    if (std::holds_alternative<FileRefusal>(outcome)) self->dropped_ = true;
    self->over_(outcome);
    done(outcome);
    return true;
  });
}

void InboundFile::drop(std::function<void(bool)> done) {
  line_->push([self = shared_from_this(), done = std::move(done)] {
    const bool stored = self->outcome_.has_value();
    if (!stored) {
      ++self->stream_;
      self->dropped_ = true;
      self->open_ = false;
      if (!self->folder_) {
        if (auto folder = DownloadFolder::open(self->row_.folder)) self->folder_.emplace(std::move(*folder));
      }
      if (self->folder_) self->folder_->remove(self->config_.partial);
      self->file_.reset();
    }
    done(!stored);
    return true;
  });
}

void InboundFile::recover(std::function<void(bool)> done) {
  line_->push([self = shared_from_this(), done = std::move(done)] {
    bool stored = false;
    if (auto folder = DownloadFolder::open(self->row_.folder)) {
      const std::string& name = self->row_.stored_name;
      const bool partial = folder->taken(self->config_.partial);
      stored =
          !name.empty() && folder->taken(name) && (!partial || folder->same(self->config_.partial, name));
      if (stored && partial) folder->remove(self->config_.partial);
    }
    if (stored) self->outcome_ = self->row_.stored_name;
    done(stored);
    return true;
  });
}

}  // namespace p2pd::daemon
