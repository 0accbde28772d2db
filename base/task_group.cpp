#include "base/task_group.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include "base/assert.hpp"
#include "base/log.hpp"

namespace p2pd::base {
namespace {

void report(const std::string& name, const std::exception_ptr& thrown) {
  if (!thrown) return;
  try {
    std::rethrow_exception(thrown);
  } catch (const boost::system::system_error& error) {
    if (error.code() != boost::asio::error::operation_aborted) {
      log::error("task", "a task failed", {{"task", name}, {"error", error.what()}});
    }
  } catch (const std::exception& error) {
    log::error("task", "a task failed", {{"task", name}, {"error", error.what()}});
  }
}

}  // namespace

TaskGroup::TaskGroup(boost::asio::any_io_executor executor)
    : executor_(std::move(executor)), empty_(executor_, boost::asio::steady_timer::time_point::max()) {}

TaskGroup::~TaskGroup() { P2PD_ASSERT(children_.empty()); }

void TaskGroup::spawn(std::string name, boost::asio::awaitable<void> task) {
  children_.emplace_back();
  const auto child = std::prev(children_.end());
  child->name = std::move(name);
  boost::asio::co_spawn(executor_, std::move(task),
                        boost::asio::bind_cancellation_slot(child->signal.slot(),
                                                            [this, child](const std::exception_ptr& thrown) {
                                                              report(child->name, thrown);
                                                              children_.erase(child);
                                                              if (children_.empty()) empty_.cancel();
                                                            }));
  if (cancelled_) child->signal.emit(boost::asio::cancellation_type::terminal);
}

void TaskGroup::cancel() {
  cancelled_ = true;
  // A child may end, and so leave the list, while its signal is emitted.
  for (auto child = children_.begin(); child != children_.end();) {
    const auto next = std::next(child);
    child->signal.emit(boost::asio::cancellation_type::terminal);
    child = next;
  }
}

boost::asio::awaitable<void> TaskGroup::join() {
  while (!children_.empty()) {
    co_await empty_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

}  // namespace p2pd::base
