// What a record looks like on stderr, of a child process each.
#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.hpp"

namespace p2pd::base::log {
namespace {

// What a program whose stderr is a pipe writes; `stream` makes $JOURNAL_STREAM of that pipe.
template <class Stream>
std::string written(Stream stream) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    struct stat info {};
    ::fstat(STDERR_FILENO, &info);
    ::setenv("JOURNAL_STREAM", stream(info).c_str(), 1);
    error("a", "one");
    warn("a", "two");
    log::info("a", "three");
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string out;
  char buffer[1024];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof(buffer))) > 0;)
    out.append(buffer, static_cast<std::size_t>(got));
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return out;
}

TEST(LogStderr, TheJournalGetsPrioritiesAndNoTimes) {
  EXPECT_EQ(written([](const struct stat& info) { return fmt::format("{}:{}", info.st_dev, info.st_ino); }),
            "<3>error a: one\n<4>warn a: two\n<6>info a: three\n");
}

TEST(LogStderr, AVariableMeantForAnotherStreamChangesNothing) {
  const std::string out =
      written([](const struct stat& info) { return fmt::format("{}:{}", info.st_dev, info.st_ino + 1); });
  EXPECT_EQ(out.find('<'), std::string::npos) << out;
  EXPECT_NE(out.find("Z error a: one\n20"), std::string::npos) << out;
}

}  // namespace
}  // namespace p2pd::base::log
