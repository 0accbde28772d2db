// The store's thread and the queue in front of it. A Job is one call: executed inside the batch's
// transaction, then completed after COMMIT or failed. Jobs may be executed more than once (when SQLite drops
// a whole transaction the others are repeated without the culprit), so work only reads what it captured.
//
//   push() --> queue --> [ BEGIN  job  job  job ... COMMIT ] --> complete() each, in order
//
// Owned by Store. push() from any thread; the rest on the writer's own thread. Ends with stop(): what waits
// is executed, the database closed, the thread joined.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/result.hpp"
#include "store/database.hpp"
#include "store/store.hpp"

namespace p2pd::store {

// What a job works with.
class Session {
 public:
  Session(Database& connection, const Options& limits, const std::string& file)
      : database(connection), options(limits), path_(file) {}

  // For what grows the database on a stranger's or a program's word. Error: disk_full. Asked of the system
  // once a batch.
  base::Result<void> require_space();
  void new_batch() { has_space_.reset(); }

  Database& database;
  const Options& options;

 private:
  const std::string& path_;
  std::optional<bool> has_space_;
};

enum class JobKind : std::uint8_t {
  read,     // writes nothing
  durable,  // somebody waits for the COMMIT
  record,   // may wait for others
};

class Job {
 public:
  Job(JobKind kind, std::size_t size) : kind_(kind), size_(size) {}
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // Error: this job failed; what it wrote is undone by the caller.
  virtual base::Result<void> execute(Session& session) = 0;
  virtual void complete() = 0;
  virtual void fail(const base::Error& error) = 0;

  [[nodiscard]] JobKind kind() const { return kind_; }
  // Roughly the bytes it holds while it waits.
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  const JobKind kind_;
  const std::size_t size_;
};

class Writer {
 public:
  Writer(Database database, std::string path, Options options);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // A job that is refused (overloaded, cancelled) fails inside the call.
  void push(std::unique_ptr<Job> job);
  void stop();
  [[nodiscard]] Statistics statistics() const;
  [[nodiscard]] const Options& options() const { return options_; }

 private:
  // One job's place in a batch.
  struct Entry {
    std::unique_ptr<Job> job;
    std::optional<base::Error> error;
    bool settled = false;  // its error stands, whatever becomes of the transaction
  };
  using Batch = std::vector<Entry>;
  // A transaction that did not happen.
  struct Loss {
    base::Error error;
    std::optional<std::size_t> culprit;  // the entry during which it was lost; nothing: BEGIN or COMMIT
  };

  void run();
  // False: stopped and nothing waits.
  bool wait_for_work(Batch& batch);
  void process(Batch& batch);
  // Executes in one transaction what is not settled.
  std::optional<Loss> attempt(Batch& batch);
  base::Result<void> execute(Job& job);
  void tell(Batch& batch);

  const Options options_;
  const std::string path_;
  std::optional<Database> database_;
  std::optional<Session> session_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Batch queue_;  // guarded, as all below
  std::size_t queued_bytes_ = 0;
  std::size_t waiting_records_ = 0;
  std::uint64_t refused_records_ = 0;  // not yet logged
  bool urgent_ = false;                // something but records waits
  bool stopping_ = false;
  std::optional<std::chrono::steady_clock::time_point> flush_at_;
  Statistics statistics_;
  std::mutex stop_mutex_;  // one stop() at a time
  std::thread thread_;
};

}  // namespace p2pd::store
