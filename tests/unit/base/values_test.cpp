// The small value types of base/: results, times, descriptors, randomness.
#include <cerrno>
#include <chrono>
#include <set>
#include <string>
#include <utility>

#include <boost/system/system_error.hpp>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "base/random.hpp"
#include "base/result.hpp"

namespace p2pd::base {
namespace {

TEST(Error, MessageIsContextAndTheTextOfTheCode) {
  const auto code = make_error_code(boost::system::errc::no_such_file_or_directory);
  EXPECT_EQ(Error(code, "cannot open x").message(), "cannot open x: No such file or directory");
  EXPECT_EQ(Error(code).message(), "No such file or directory");
  EXPECT_EQ(Error({}, "only this").message(), "only this");
  EXPECT_EQ(errno_error(EACCES, "cannot open x").code, boost::system::errc::permission_denied);
}

TEST(Result, ValueOfAnErrorThrowsItsMessage) {
  const Result<int> failed = errno_error(ENOENT, "cannot open x");
  try {
    (void)failed.value();
    FAIL();
  } catch (const boost::system::system_error& error) {
    EXPECT_EQ(error.code(), boost::system::errc::no_such_file_or_directory);
    EXPECT_NE(std::string(error.what()).find("cannot open x"), std::string::npos);
  }
}

TEST(Clock, WritesRfc3339WithMilliseconds) {
  using std::chrono::milliseconds;
  EXPECT_EQ(to_rfc3339(WallTime(milliseconds(0))), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(WallTime(milliseconds(1'706'702'400'007))), "2024-01-31T12:00:00.007Z");
  EXPECT_EQ(to_rfc3339(WallTime(milliseconds(253'402'300'799'999))), "9999-12-31T23:59:59.999Z");
  EXPECT_DOUBLE_EQ(to_ms(std::chrono::microseconds(1'500)), 1.5);
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

TEST(Descriptor, ClosesWhatItOwnsOnce) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  const int second = fds[1];
  {
    Descriptor one(fds[0]);
    Descriptor other(std::move(one));
    EXPECT_FALSE(one);  // NOLINT(bugprone-use-after-move): empty after a move is part of the contract
    EXPECT_EQ(other.get(), fds[0]);
    one = std::move(other);
    EXPECT_TRUE(is_open(fds[0]));
    one.reset(second);
    EXPECT_FALSE(is_open(fds[0]));
    EXPECT_EQ(one.release(), second);
  }
  EXPECT_TRUE(is_open(second));
  ::close(second);
}

TEST(Random, FillsBuffersOfAnySize) {
  Bytes large(1'000, 0);
  fill_random(large);
  EXPECT_GT(std::set<std::uint8_t>(large.begin(), large.end()).size(), 100U);
  fill_random({});
  EXPECT_NE(random_u64(), random_u64());
  for (int i = 0; i < 1'000; ++i) {
    const double unit = random_unit();
    EXPECT_GE(unit, 0.0);
    EXPECT_LT(unit, 1.0);
  }
}

}  // namespace
}  // namespace p2pd::base
