#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

#include "daemon/rename_new.hpp"

namespace p2pd::daemon {

int rename_new(int directory, const char* from, const char* to) {
  const int outcome = ::renameat2(directory, from, directory, to, RENAME_NOREPLACE);
  // Some network and FUSE file systems do not know the flag.
  if (outcome == 0 || errno != EINVAL) return outcome;
  if (::linkat(directory, from, directory, to, 0) != 0) return -1;
  return ::unlinkat(directory, from, 0);
}

}  // namespace p2pd::daemon
