// Where files are read, hashed, written and synced: threads of their own, so that a slow disk holds up
// nothing but files. A FileLine is one file's work in order; many lines share the threads, one step of each
// in turn, so a large file does not keep a small one waiting. Owned by the Node. How it ends: stop(), which
// runs what waits but repeats no step, and returns when the threads are gone.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include <boost/asio/thread_pool.hpp>

namespace p2pd::daemon {

class FileWorker {
 public:
  // Two: one may sync while another hashes.
  static constexpr std::size_t kThreads = 2;

  FileWorker() : pool_(kThreads) {}
  FileWorker(const FileWorker&) = delete;
  FileWorker& operator=(const FileWorker&) = delete;

  // Any thread; in no order. After stop() nothing runs any more.
  void post(std::function<void()> task);
  [[nodiscard]] bool stopping() const { return stopping_; }
  void stop();

 private:
  std::atomic<bool> stopping_ = false;
  boost::asio::thread_pool pool_;
};

// Not bounded here: who pushes has flow control of its own. shared_ptr, because its turn on a thread may come
// after its owner's end.
class FileLine : public std::enable_shared_from_this<FileLine> {
 public:
  // True: over. False: call it again, after others had their turn.
  using Step = std::function<bool()>;

  explicit FileLine(FileWorker& worker) : worker_(worker) {}

  // Any thread. After the worker's stop() the step is dropped.
  void push(Step step);

 private:
  void run();

  FileWorker& worker_;
  std::mutex mutex_;
  std::deque<Step> steps_;
  bool running_ = false;
};

}  // namespace p2pd::daemon
