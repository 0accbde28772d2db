// A deadline for one step of a coroutine: a task that is not done in time is cancelled and gives nothing. The
// caller's own cancellation reaches the task too, and then ends the caller at its next wait. The task reports
// failure by its result (as_tuple): one that throws is seen as a timeout, when the time is over.
#pragma once

#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/clock.hpp"

namespace p2pd::base {

template <class T>
[[nodiscard]] boost::asio::awaitable<std::optional<T>> within(Duration limit,
                                                              boost::asio::awaitable<T> task) {
  using namespace boost::asio::experimental::awaitable_operators;
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, limit);
  auto first =
      co_await (std::move(task) || timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable)));
  if (first.index() != 0) co_return std::nullopt;
  co_return std::move(std::get<0>(first));
}

}  // namespace p2pd::base
