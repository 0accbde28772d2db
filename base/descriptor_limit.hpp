// How many descriptors this process may have: the soft limit of 1,024 is for programs that use select().
#pragma once

#include <sys/resource.h>

namespace p2pd::base {

// As many as the system allows without privilege. False: it stays as it is. For main(), before any thread.
inline bool raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

}  // namespace p2pd::base
