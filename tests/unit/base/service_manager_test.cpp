#include "base/service_manager.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/fakes/notify_socket.hpp"

namespace p2pd::base {
namespace {

using fakes::NotifySocket;

TEST(ServiceManager, IsToldOverASocketWithAPath) {
  NotifySocket socket;
  const auto manager = ServiceManager::from_environment();
  EXPECT_TRUE(manager.present());
  manager.ready();
  EXPECT_EQ(socket.next(), "READY=1\n");
  manager.ready("2 relays online");
  EXPECT_EQ(socket.next(), "READY=1\nSTATUS=2 relays online\n");
  manager.status("nobody\nREADY=1");
  EXPECT_EQ(socket.next(), "STATUS=nobody READY=1\n") << "a line break begins no second assignment";
  manager.alive();
  EXPECT_EQ(socket.next(), "WATCHDOG=1\n");
  manager.stopping();
  EXPECT_EQ(socket.next(), "STOPPING=1\n");
  EXPECT_EQ(socket.next(), std::nullopt);
}

TEST(ServiceManager, IsToldOverAnAbstractSocket) {
  NotifySocket socket(NotifySocket::Kind::abstract);
  ASSERT_EQ(socket.name().front(), '@');
  ServiceManager::from_environment().ready();
  EXPECT_EQ(socket.next(), "READY=1\n");
}

TEST(ServiceManager, EveryReloadHasItsTime) {
  NotifySocket socket;
  const auto manager = ServiceManager::from_environment();
  constexpr std::string_view kBegin = "RELOADING=1\nMONOTONIC_USEC=";
  std::uint64_t before = 0;
  for (int i = 0; i < 2; ++i) {
    manager.reloading();
    const auto message = socket.next();
    ASSERT_TRUE(message && message->starts_with(kBegin));
    const std::uint64_t now = std::stoull(message->substr(kBegin.size()));
    EXPECT_GE(now, before);
    EXPECT_GT(now, 0U);
    before = now;
  }
}

TEST(ServiceManager, WithoutOneNothingHappens) {
  ::unsetenv("NOTIFY_SOCKET");
  ::setenv("WATCHDOG_USEC", "1000", 1);
  const auto manager = ServiceManager::from_environment();
  ::unsetenv("WATCHDOG_USEC");
  EXPECT_FALSE(manager.present());
  EXPECT_FALSE(manager.watchdog());
  manager.ready();
  manager.stopping();
}

TEST(ServiceManager, ANameThatIsNoAddressIsLeftAlone) {
  for (const std::string& name : {std::string("relative/socket"), std::string("/"), std::string("vsock:2:1"),
                                  "/" + std::string(200, 'x'), "@" + std::string(108, 'x')}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    EXPECT_FALSE(ServiceManager::from_environment().present()) << name;
  }
  ::unsetenv("NOTIFY_SOCKET");
}

TEST(ServiceManager, AManagerThatIsGoneOrBehindStopsNobody) {
  std::optional<NotifySocket> socket(std::in_place);
  const auto manager = ServiceManager::from_environment();
  // Nobody reads: the queue of the socket fills, what is not urgent is dropped.
  for (int i = 0; i < 2000; ++i) manager.alive();
  std::size_t taken = 0;
  while (socket->next()) ++taken;
  EXPECT_GT(taken, 0U);
  EXPECT_LT(taken, 2000U);
  socket.reset();
  manager.ready();
}

TEST(ServiceManager, TheWatchdogIsOursOnlyWhenItsProcessIs) {
  using std::chrono::microseconds;
  const NotifySocket socket;
  EXPECT_FALSE(ServiceManager::from_environment().watchdog());
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(ServiceManager::from_environment().watchdog(), microseconds(30'000'000));
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(ServiceManager::from_environment().watchdog(), microseconds(30'000'000));
  ::setenv("WATCHDOG_PID", std::to_string(::getppid()).c_str(), 1);
  EXPECT_FALSE(ServiceManager::from_environment().watchdog());
  ::unsetenv("WATCHDOG_PID");
  for (const char* wrong : {"0", "", "soon", "5s", "-1"}) {
    ::setenv("WATCHDOG_USEC", wrong, 1);
    EXPECT_FALSE(ServiceManager::from_environment().watchdog()) << wrong;
  }
}

}  // namespace
}  // namespace p2pd::base
