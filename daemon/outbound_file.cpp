#include "daemon/outbound_file.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.hpp"

namespace p2pd::daemon {
namespace {

using base::Result;
using proto::FileWithdrawal;

constexpr std::uint64_t kBlock = 512;  // of st_blocks, POSIX

base::Error unusable(const char* why) {
  return {make_error_code(boost::system::errc::invalid_argument), why};
}

FileFacts facts_of(const struct stat& info) {
  FileFacts out;
  out.size = static_cast<std::uint64_t>(info.st_size);
  out.data_size = std::min(out.size, static_cast<std::uint64_t>(info.st_blocks) * kBlock);
  out.mtime = info.st_mtim.tv_sec;
  out.mtime_ns = static_cast<std::uint32_t>(info.st_mtim.tv_nsec);
  out.mode = static_cast<std::uint16_t>(info.st_mode & proto::kMaxFileMode);
  out.device = info.st_dev;
  out.inode = info.st_ino;
  return out;
}

// As much as there is, up to out.size(); short only at the end of the file. Negative: failed.
ssize_t read_at(int fd, std::span<std::uint8_t> out, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace

Result<FileFacts> look_at_file(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  struct stat info {};
  if (flags < 0 || ::fstat(fd, &info) != 0) return base::errno_error(errno, "the descriptor cannot be used");
  if (S_ISDIR(info.st_mode)) return unusable("this is a folder: pack it first, as with tar");
  if (!S_ISREG(info.st_mode)) return unusable("this is not a regular file");
  if ((flags & O_ACCMODE) == O_WRONLY || ::pread(fd, nullptr, 0, 0) != 0) {
    return unusable("the descriptor is not open for reading");
  }
  if (static_cast<std::uint64_t>(info.st_size) > proto::kMaxFileSize)
    return unusable("the file is too large");
  return facts_of(info);
}

OutboundFile::OutboundFile(FileWorker& worker, boost::asio::any_io_executor thread, base::Descriptor file,
                           const FileFacts& facts)
    : thread_(std::move(thread)),
      file_(std::move(file)),
      facts_(facts),
      line_(std::make_shared<FileLine>(worker)) {}

template <class Call>
void OutboundFile::answer(Call call) {
  boost::asio::post(thread_, std::move(call));
}

bool OutboundFile::changed() const {
  struct stat info {};
  return ::fstat(file_.get(), &info) != 0 || !facts_of(info).same_contents(facts_);
}

void OutboundFile::begin(std::uint64_t offset, const proto::FileDigest& digest, Begun done) {
  const std::uint64_t reading = ++reading_;
  phase_ = SourcePhase::checking;
  line_->push(
      [self = shared_from_this(), offset, digest, reading, begun = false, done = std::move(done)]() mutable {
        if (self->reading_ != reading) return true;
        if (!std::exchange(begun, true)) {
          self->ended_ = false;
          self->data_end_ = 0;
          self->prefix_.go_back(offset);
        }
        return self->hash_towards(offset, digest, done);
      });
}

bool OutboundFile::hash_towards(std::uint64_t offset, const proto::FileDigest& digest, const Begun& done) {
  const auto fail = [&](FileWithdrawal why) {
    answer([done, why] { done(why); });
    return true;
  };
  if (changed()) return fail(FileWithdrawal::changed);
  base::Bytes buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kRead, facts_.size)));
  const std::uint64_t until = std::min(offset, prefix_.position() + kHashStep);
  while (prefix_.position() < until) {
    const std::size_t want =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), until - prefix_.position()));
    const ssize_t got = read_at(file_.get(), std::span(buffer).first(want), prefix_.position());
    if (got < 0) return fail(FileWithdrawal::unreadable);
    if (static_cast<std::size_t>(got) != want) return fail(FileWithdrawal::changed);
    prefix_.add(base::ByteView(buffer).first(want));
  }
  if (prefix_.position() < offset) return false;
  std::uint64_t where = offset;
  if (prefix_.digest() != digest) {
    base::log::warn("files", "what the peer has of a file is not its beginning; sending it anew",
                    {{"offset", offset}});
    where = 0;
    prefix_ = HashedPrefix();
  }
  phase_ = SourcePhase::sending;
  reached_ = where;
  answer([done, where] { done(where); });
  return true;
}

void OutboundFile::read(std::function<void(peer::FilePiece)> done) {
  line_->push([self = shared_from_this(), reading = reading_.load(), done = std::move(done)] {
    if (self->reading_ != reading || self->ended_) return true;
    auto piece = std::make_shared<peer::FilePiece>(self->next_piece());
    self->ended_ =
        std::holds_alternative<proto::FileEnd>(*piece) || std::holds_alternative<FileWithdrawal>(*piece);
    self->answer([done, piece] { done(std::move(*piece)); });
    return true;
  });
}

peer::FilePiece OutboundFile::next_piece() {
  if (changed()) return FileWithdrawal::changed;
  const std::uint64_t at = prefix_.position();
  if (at == facts_.size) return proto::FileEnd{prefix_.digest()};
  if (at >= data_end_) {
    const std::uint64_t data = next_data();
    if (data - at >= kLeastHole || (data == facts_.size && data > at)) {
      const std::uint64_t length = std::min(data - at, kMostHole);
      prefix_.add_zeros(length);
      return proto::FileHole{length};
    }
    const off_t hole = ::lseek(file_.get(), static_cast<off_t>(data), SEEK_HOLE);
    data_end_ = hole > 0 ? std::min(facts_.size, static_cast<std::uint64_t>(hole)) : facts_.size;
    if (data_end_ <= at) data_end_ = facts_.size;
  }
  return read_data(std::min<std::uint64_t>(kRead, data_end_ - at));
}

std::uint64_t OutboundFile::next_data() {
  const std::uint64_t at = prefix_.position();
  const off_t data = ::lseek(file_.get(), static_cast<off_t>(at), SEEK_DATA);
  if (data >= 0) return std::clamp(static_cast<std::uint64_t>(data), at, facts_.size);
  return errno == ENXIO ? facts_.size : at;
}

peer::FilePiece OutboundFile::read_data(std::uint64_t size) {
  base::Bytes data(static_cast<std::size_t>(size));
  const ssize_t got = read_at(file_.get(), data, prefix_.position());
  if (got < 0) return FileWithdrawal::unreadable;
  if (static_cast<std::size_t>(got) != data.size()) return FileWithdrawal::changed;
  prefix_.add(data);
  return data;
}

}  // namespace p2pd::daemon
