#include <utility>

#include "net/sleep_signal.hpp"

namespace p2pd::net {

struct SleepSignal::Impl {};

SleepSignal::SleepSignal(boost::asio::any_io_executor, std::function<void()>) {}
SleepSignal::~SleepSignal() = default;
void SleepSignal::start() {}
boost::asio::awaitable<void> SleepSignal::stop() { co_return; }

}  // namespace p2pd::net
