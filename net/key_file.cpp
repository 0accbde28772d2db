#include "net/key_file.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.hpp"
#include "base/random.hpp"
#include "net/identity.hpp"

namespace p2pd::net {
namespace {

constexpr std::size_t kMaxKeyFile = 16 * 1024;  // an Ed25519 key in PEM has 119 bytes

base::Error refused(IdentityError why, const std::filesystem::path& file) {
  return {why, "cannot use the key file " + file.string()};
}

base::Error failed(const char* action, const std::filesystem::path& path) {
  return base::errno_error(errno, fmt::format("cannot {} {}", action, path.string()));
}

base::Result<> check_owner_and_mode(int fd, const std::filesystem::path& file) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return failed("examine", file);
  if (!S_ISREG(status.st_mode)) return refused(IdentityError::not_regular, file);
  if (status.st_uid != ::geteuid()) return refused(IdentityError::other_owner, file);
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) return refused(IdentityError::exposed, file);
  if (status.st_size == 0) return refused(IdentityError::empty, file);
  if (static_cast<std::uint64_t>(status.st_size) > kMaxKeyFile) {
    return refused(IdentityError::damaged, file);
  }
  return {};
}

bool write_all(int fd, base::ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

// Removes the temporary name on every way out.
class TemporaryName {
 public:
  explicit TemporaryName(std::filesystem::path path) : path_(std::move(path)) {}
  ~TemporaryName() { ::unlink(path_.c_str()); }
  TemporaryName(const TemporaryName&) = delete;
  TemporaryName& operator=(const TemporaryName&) = delete;

 private:
  std::filesystem::path path_;
};

}  // namespace

base::Result<base::Bytes> read_key_file(const std::filesystem::path& file) {
  // O_NONBLOCK: a FIFO of that name must not hang the start.
  const base::Descriptor fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    if (errno == ELOOP) return refused(IdentityError::link, file);
    if (errno == ENXIO) return refused(IdentityError::not_regular, file);  // a socket
    return failed("open the key file", file);
  }
  if (const auto checked = check_owner_and_mode(fd.get(), file); !checked) return checked.error();
  base::Bytes contents(kMaxKeyFile + 1);
  std::size_t size = 0;
  while (size < contents.size()) {
    const ssize_t count = ::read(fd.get(), contents.data() + size, contents.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("read the key file", file);
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  contents.resize(size);
  return contents;
}

base::Result<bool> create_key_file(const std::filesystem::path& file, base::ByteView contents) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  const base::Descriptor folder_fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_fd) return failed("open the key file's folder", folder);

  const std::filesystem::path temporary = file.string() + ".new-" + base::to_hex(base::random_array<8>());
  base::Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return failed("create the key file", temporary);
  const TemporaryName remove_at_end(temporary);
  // Not left to the umask, which may take the owner's own bits away.
  if (::fchmod(fd.get(), S_IRUSR | S_IWUSR) != 0 || !write_all(fd.get(), contents) ||
      ::fsync(fd.get()) != 0) {
    return failed("write the key file", temporary);
  }
  // link() and not rename(): it fails where the name is taken, so of two daemons that start at once the later
  // one gets the earlier one's key instead of replacing it.
  if (::link(temporary.c_str(), file.c_str()) != 0) {
    if (errno == EEXIST) return false;
    return failed("create the key file", file);
  }
  if (::fsync(folder_fd.get()) != 0) return failed("write the key file's folder", folder);
  return true;
}

}  // namespace p2pd::net
