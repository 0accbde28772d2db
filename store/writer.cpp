#include "store/writer.hpp"

#include <algorithm>

#include <sys/statvfs.h>

#include "base/log.hpp"

namespace p2pd::store {
namespace {

// Records that are written without waiting for the flush time, so that they cannot crowd out the calls.
constexpr std::size_t kManyRecords = 1024;
// A queue that has grown beyond this gives its memory back.
constexpr std::size_t kKeptCapacity = 4096;
// How often a batch is repeated without the job that lost it.
constexpr int kRepeats = 1;

std::optional<std::uint64_t> system_free_space(const std::string& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) return std::nullopt;
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace

base::Result<void> Session::require_space() {
  if (options.disk_reserve == 0) return {};
  if (!has_space_) {
    const auto free = options.free_space ? options.free_space(path_) : system_free_space(path_);
    has_space_ = !free || *free >= options.disk_reserve;
  }
  if (*has_space_) return {};
  return store_error(StoreError::disk_full, "too little is left on the disk of " + path_);
}

Writer::Writer(Database database, std::string path, Options options)
    : options_(std::move(options)), path_(std::move(path)), database_(std::move(database)) {
  session_.emplace(*database_, options_, path_);
  thread_ = std::thread([this] { run(); });
}

Writer::~Writer() { stop(); }

void Writer::push(std::unique_ptr<Job> job) {
  StoreError refusal = StoreError::cancelled;
  {
    const std::lock_guard lock(mutex_);
    const bool full = !queue_.empty() && (queue_.size() >= options_.queued_calls ||
                                          queued_bytes_ + job->size() > options_.queued_bytes);
    if (!stopping_ && !full) {
      bool wake = false;
      if (job->kind() != JobKind::record) {
        wake = !std::exchange(urgent_, true);
      } else {
        if (!flush_at_) {
          flush_at_ = std::chrono::steady_clock::now() + options_.flush_after;
          wake = true;  // to wait with a deadline from now on
        }
        if (++waiting_records_ == kManyRecords) wake = true;
      }
      queued_bytes_ += job->size();
      queue_.push_back({std::move(job), std::nullopt});
      if (wake) wake_.notify_one();
      return;
    }
    if (!stopping_) {
      refusal = StoreError::overloaded;
      if (job->kind() == JobKind::record) ++refused_records_;
    }
  }
  job->fail(store_error(refusal, {}));
}

void Writer::stop() {
  const std::lock_guard one(stop_mutex_);
  if (!thread_.joinable()) return;
  P2PD_ASSERT(thread_.get_id() != std::this_thread::get_id());
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

Statistics Writer::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

void Writer::run() {
  Batch batch;
  while (wait_for_work(batch)) {
    process(batch);
    tell(batch);
    if (batch.capacity() > kKeptCapacity) {
      batch = Batch();
    } else {
      batch.clear();
    }
  }
  session_.reset();
  database_.reset();
}

bool Writer::wait_for_work(Batch& batch) {
  std::unique_lock lock(mutex_);
  while (!urgent_ && !stopping_ && waiting_records_ < kManyRecords) {
    if (!flush_at_) {
      wake_.wait(lock);  // without a deadline: an idle store sleeps until somebody calls
      continue;
    }
    if (std::chrono::steady_clock::now() >= *flush_at_) break;
    ++statistics_.timed_waits;
    wake_.wait_until(lock, *flush_at_);
  }
  batch.swap(queue_);
  queued_bytes_ = 0;
  waiting_records_ = 0;
  urgent_ = false;
  flush_at_.reset();
  return !batch.empty();
}

void Writer::process(Batch& batch) {
  session_->new_batch();
  for (int losses = 0;; ++losses) {
    const std::optional<Loss> loss = attempt(batch);
    if (!loss) return;
    const bool repeat = losses < kRepeats && loss->culprit;
    // Reads are repeated once more, without the writes: a full disk does not stop them.
    const bool spare_reads = losses <= kRepeats;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Entry& entry = batch[i];
      if (entry.settled) continue;
      const bool spared = repeat ? i != *loss->culprit : spare_reads && entry.job->kind() == JobKind::read;
      if (spared) continue;
      // One that had failed by itself keeps its own reason.
      if (!entry.error) entry.error = loss->error;
      entry.settled = true;
    }
  }
}

std::optional<Writer::Loss> Writer::attempt(Batch& batch) {
  if (std::all_of(batch.begin(), batch.end(), [](const Entry& entry) { return entry.settled; }))
    return std::nullopt;
  const std::int64_t before = database_->total_changes();
  Transaction transaction(*database_);
  if (auto begun = transaction.begin(); !begun) return Loss{begun.error(), std::nullopt};
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Entry& entry = batch[i];
    if (entry.settled) continue;
    const auto result = execute(*entry.job);
    entry.error = result ? std::nullopt : std::optional(result.error());
    if (!database_->in_transaction()) {
      return Loss{entry.error.value_or(store_error(StoreError::io, "the transaction was rolled back")), i};
    }
  }
  if (auto committed = transaction.commit(); !committed) return Loss{committed.error(), std::nullopt};
  const std::lock_guard lock(mutex_);
  if (database_->total_changes() != before) ++statistics_.commits;
  return std::nullopt;
}

base::Result<void> Writer::execute(Job& job) {
  if (job.kind() == JobKind::read) return job.execute(*session_);
  Savepoint savepoint(*database_);
  if (auto begun = savepoint.begin(); !begun) return begun;
  if (auto executed = job.execute(*session_); !executed) return executed;
  return savepoint.keep();
}

void Writer::tell(Batch& batch) {
  std::uint64_t lost = 0;
  const base::Error* why = nullptr;
  for (const Entry& entry : batch) {
    if (!entry.error || entry.job->kind() != JobKind::record) continue;
    ++lost;
    why = &*entry.error;
  }
  std::uint64_t refused = 0;
  {
    const std::lock_guard lock(mutex_);
    refused = std::exchange(refused_records_, 0);
    statistics_.calls += batch.size();
    statistics_.lost_records += lost + refused;
  }
  if (lost + refused > 0) {
    base::log::warn(
        "store", "history records were lost",
        {{"count", lost + refused}, {"reason", why != nullptr ? why->message() : "too much waits"}});
  }
  for (Entry& entry : batch) {
    if (entry.error) {
      entry.job->fail(*entry.error);
    } else {
      entry.job->complete();
    }
  }
}

}  // namespace p2pd::store
