// One file that is sent, behind the descriptor that its owner passed: read and hashed on the file worker for
// the peer's thread. It is the same file for as long as its size and modification time are what they were
// when it was offered; that is looked at with every read. Owned by the FileBoard and by the peer that offers
// it; the descriptor closes with the last of them. peer::FileSource's calls on the peer's thread, the rest on
// any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "base/descriptor.hpp"
#include "base/result.hpp"
#include "daemon/file_worker.hpp"
#include "daemon/hashed_prefix.hpp"
#include "peer/file_port.hpp"

namespace p2pd::daemon {

struct FileFacts {
  std::uint64_t size = 0;
  std::uint64_t data_size = 0;
  std::int64_t mtime = 0;
  std::uint32_t mtime_ns = 0;
  std::uint16_t mode = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  [[nodiscard]] bool same_contents(const FileFacts& other) const {
    return size == other.size && mtime == other.mtime && mtime_ns == other.mtime_ns;
  }
};
// Errors: not a regular file, not opened for reading. May block on a slow file system.
[[nodiscard]] base::Result<FileFacts> look_at_file(int fd);

enum class SourcePhase : std::uint8_t { resting, checking, sending };

class OutboundFile final : public peer::FileSource, public std::enable_shared_from_this<OutboundFile> {
 public:
  // At a time. malloc has such a block at hand; it would map a larger one anew each time.
  static constexpr std::size_t kRead = 128 * 1024;
  // A hole that is smaller is read as zeros.
  static constexpr std::uint64_t kLeastHole = 64 * 1024;
  static constexpr std::uint64_t kMostHole = 64 * 1024 * 1024;
  static constexpr std::uint64_t kHashStep = 16 * 1024 * 1024;

  // `thread`: the peer's.
  OutboundFile(FileWorker& worker, boost::asio::any_io_executor thread, base::Descriptor file,
               const FileFacts& facts);

  [[nodiscard]] std::uint64_t bytes() const { return reached_; }
  [[nodiscard]] SourcePhase phase() const { return phase_; }

  void begin(std::uint64_t offset, const proto::FileDigest& digest,
             std::function<void(std::variant<std::uint64_t, proto::FileWithdrawal>)> done) override;
  void read(std::function<void(peer::FilePiece)> done) override;
  void reached(std::uint64_t bytes) override { reached_ = bytes; }
  void rest() override { phase_ = SourcePhase::resting; }

 private:
  using Begun = std::function<void(std::variant<std::uint64_t, proto::FileWithdrawal>)>;

  // The worker's line.
  [[nodiscard]] bool hash_towards(std::uint64_t offset, const proto::FileDigest& digest, const Begun& done);
  [[nodiscard]] peer::FilePiece next_piece();
  [[nodiscard]] peer::FilePiece read_data(std::uint64_t size);
  [[nodiscard]] bool changed() const;
  // Where the data at or after the position begins; the file's size when there is none.
  [[nodiscard]] std::uint64_t next_data();

  template <class Call>
  void answer(Call call);

  const boost::asio::any_io_executor thread_;
  const base::Descriptor file_;
  const FileFacts facts_;
  const std::shared_ptr<FileLine> line_;
  std::atomic<std::uint64_t> reading_{0};  // counts begin()s: reads for an earlier stream are void
  std::atomic<std::uint64_t> reached_{0};
  std::atomic<SourcePhase> phase_{SourcePhase::resting};
  // The line's.
  HashedPrefix prefix_;
  std::uint64_t data_end_ = 0;  // no hole from the position up to here
  bool ended_ = false;
};

}  // namespace p2pd::daemon
