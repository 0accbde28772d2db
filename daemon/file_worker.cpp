#include "daemon/file_worker.hpp"

#include <utility>

#include <boost/asio/post.hpp>

namespace p2pd::daemon {

void FileWorker::post(std::function<void()> task) { boost::asio::post(pool_, std::move(task)); }

void FileWorker::stop() {
  stopping_ = true;
  pool_.join();
}

void FileLine::push(Step step) {
  // It would not run any more, and keep for ever what it holds.
  if (worker_.stopping()) return;
  {
    const std::lock_guard lock(mutex_);
    steps_.push_back(std::move(step));
    if (std::exchange(running_, true)) return;
  }
  worker_.post([self = shared_from_this()] { self->run(); });
}

void FileLine::run() {
  Step step;
  {
    const std::lock_guard lock(mutex_);
    step = std::move(steps_.front());
    steps_.pop_front();
  }
  const bool over = step();
  {
    const std::lock_guard lock(mutex_);
    if (!over && !worker_.stopping()) steps_.push_front(std::move(step));
    running_ = !steps_.empty();
    if (!running_) return;
  }
  worker_.post([self = shared_from_this()] { self->run(); });
}

}  // namespace p2pd::daemon
