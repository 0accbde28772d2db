#include <fcntl.h>
#include <unistd.h>

#include "daemon/rename_new.hpp"

namespace p2pd::daemon {

int rename_new(int directory, const char* from, const char* to) {
  if (::linkat(directory, from, directory, to, 0) != 0) return -1;
  return ::unlinkat(directory, from, 0);
}

}  // namespace p2pd::daemon
