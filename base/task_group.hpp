// The children of one owner: coroutines spawned on one executor, cancelled and joined together. What a child
// throws is logged as an error of its name (cancellation is not an error); it does not stop the others.
// Owner's thread only. How it ends: cancel(), then co_await join(), then destruction; the destructor asserts
// that no child is left.
#pragma once

#include <list>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

namespace p2pd::base {

class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::any_io_executor executor);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Starts at once on the executor; after cancel() the child is spawned cancelled.
  void spawn(std::string name, boost::asio::awaitable<void> task);
  // Asks every child to end: its pending asynchronous operation completes with operation_aborted.
  void cancel();
  // Completes when no child is left.
  [[nodiscard]] boost::asio::awaitable<void> join();
  [[nodiscard]] std::size_t size() const { return children_.size(); }

 private:
  struct Child {
    std::string name;
    boost::asio::cancellation_signal signal;
  };

  boost::asio::any_io_executor executor_;
  std::list<Child> children_;
  boost::asio::steady_timer empty_;  // cancelled when the last child ends
  bool cancelled_ = false;
};

}  // namespace p2pd::base
