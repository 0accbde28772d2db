// One file that comes in: a temporary file in the download folder, hashed as it is written, known to be on
// disk up to a mark in the database, and given its name at the end. It outlives streams and connections;
// after a restart of the daemon it begins at the mark.
//
//   row added --open()--> [temporary file] --write()...--> finish(): compared, synced
//      --> row `storing` with the name --> renamed, folder synced --> row `done`
//
// A crash between the last three is put right at the next start by recover(): the temporary name tells
// whether the rename happened. Owned by the FileBoard and by the stream that writes; work is done on the file
// worker. Any thread, in the order of the calls.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <boost/asio/any_io_executor.hpp>

#include "base/descriptor.hpp"
#include "daemon/download_folder.hpp"
#include "daemon/file_worker.hpp"
#include "daemon/hashed_prefix.hpp"
#include "peer/file_port.hpp"
#include "store/store.hpp"

namespace p2pd::daemon {

class InboundFile : public std::enable_shared_from_this<InboundFile> {
 public:
  // On disk at the latest after so much more, or so long.
  static constexpr std::uint64_t kSyncBytes = 64 * 1024 * 1024;
  static constexpr auto kSyncTime = std::chrono::seconds(1);
  static constexpr std::uint64_t kStep = 16 * 1024 * 1024;  // of hashing and of holes at a time

  struct Config {
    FileWorker& worker;
    store::Store& store;
    boost::asio::any_io_executor thread;  // the peer's
    std::uint64_t reserve = 0;            // bytes of the disk that stay free
    std::string partial;                  // the temporary file's name
  };
  // How it ended, told once, on a thread of the worker or the store.
  using Outcome = std::variant<std::string, proto::FileRefusal>;
  using Over = std::function<void(const Outcome& outcome)>;

  InboundFile(Config config, store::TransferRow row, Over over);

  [[nodiscard]] std::uint64_t bytes() const { return reached_; }
  [[nodiscard]] bool receiving() const { return open_; }

  // For a stream; what an earlier one still writes is void. `done` on the peer's thread.
  void open(std::function<void(peer::FileAnswer)> done);
  // Ends it: the temporary file goes. `done` gets false when it has its name already; on a thread of the
  // worker.
  void drop(std::function<void(bool dropped)> done);
  // At the start of the daemon, for a row that is `storing`: `done` gets whether the file has its name. On a
  // thread of the worker.
  void recover(std::function<void(bool stored)> done);

 private:
  class Handle;
  using Written = std::function<void(std::optional<proto::FileRefusal>)>;
  using Finished = std::function<void(Outcome)>;
  struct Pending {  // a batch that is being written
    peer::FileBatch batch;
    std::size_t written = 0;  // of its data
    std::size_t hole = 0;     // the next
    std::uint64_t hole_done = 0;
  };

  void begin(std::uint64_t stream, std::uint64_t offset);
  void write(std::uint64_t stream, peer::FileBatch batch, Written done);
  void finish(std::uint64_t stream, const proto::FileDigest& digest, Finished done);
  void close(std::uint64_t stream);

  // The worker's line.
  [[nodiscard]] std::optional<proto::FileRefusal> prepare();
  // True: the file is hashed up to the mark; or a failure.
  [[nodiscard]] std::variant<bool, proto::FileRefusal> hash_on();
  [[nodiscard]] std::variant<bool, proto::FileRefusal> write_on(Pending& pending);
  [[nodiscard]] std::optional<proto::FileRefusal> write_data(base::ByteView data);
  [[nodiscard]] std::optional<proto::FileRefusal> complete(const proto::FileDigest& digest);
  void forget();
  void sync_soon();
  void sync_now();
  void store_as(const std::string& name, unsigned number, Finished done);
  void rename(const std::string& name, unsigned number, const Finished& done);
  void conclude(const Outcome& outcome, const Finished& done);
  [[nodiscard]] bool space_left(std::uint64_t more) const;

  const Config config_;
  const store::TransferRow row_;
  const Over over_;
  const std::shared_ptr<FileLine> line_;
  std::atomic<std::uint64_t> stream_{0};  // counts open()s
  std::atomic<std::uint64_t> reached_;
  std::atomic<bool> open_{false};
  // The line's.
  std::optional<DownloadFolder> folder_;
  std::shared_ptr<base::Descriptor> file_;
  HashedPrefix prefix_;
  std::uint64_t target_ = 0;  // hash_on() goes so far
  std::uint64_t checked_space_ = 0;
  std::uint64_t sync_begun_ = 0;  // the position of the latest sync
  std::chrono::steady_clock::time_point synced_at_{};
  std::optional<proto::FileRefusal> lost_;  // what was written did not reach the disk
  std::optional<Outcome> outcome_;
  bool dropped_ = false;
  bool storing_ = false;
  std::atomic<bool> syncing_{false};
};

}  // namespace p2pd::daemon
