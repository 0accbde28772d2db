// How coroutines here wait for an Asio operation: the error code comes back as the first of its values,
// nothing is thrown.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace p2pd::base {

inline constexpr auto kAwait = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace p2pd::base
