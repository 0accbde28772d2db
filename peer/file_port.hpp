// What file transfers need of the machine around them: contents to send, places to put what comes, and
// somebody to decide. The daemon implements these on its file worker; the simulation in memory. Everything is
// called on the peer's thread; completions come back on it, in order, never from inside the call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/peer_id.hpp"
#include "proto/file_frames.hpp"

namespace p2pd::peer {

// What a read gives: bytes (1 to kMaxFileData), a hole, the end with the digest of everything, or why there
// is no more.
using FilePiece = std::variant<base::Bytes, proto::FileHole, proto::FileEnd, proto::FileWithdrawal>;

// One outgoing file. It outlives the connections that it is sent over; one stream at a time reads it, and
// begin() ends what an earlier one had asked for.
class FileSource {
 public:
  virtual ~FileSource() = default;
  // Reads from `offset` on, if the bytes before it have `digest`, else from the beginning. `done` gets where
  // that is, or why the file cannot be sent.
  virtual void begin(std::uint64_t offset, const proto::FileDigest& digest,
                     std::function<void(std::variant<std::uint64_t, proto::FileWithdrawal>)> done) = 0;
  // The next piece, of at most 64 MiB where it is a hole. What is asked for after the end or a failure is not
  // answered.
  virtual void read(std::function<void(FilePiece)> done) = 0;
  // The other end has so many bytes, or nearly; for those who watch.
  virtual void reached(std::uint64_t bytes) = 0;
  // The stream is over, for now or for good: it waits.
  virtual void rest() = 0;
};

struct OutgoingFile {
  proto::FileOffer offer;
  // Empty: it is to be withdrawn, for this reason.
  std::shared_ptr<FileSource> source;
  proto::FileWithdrawal withdrawal = proto::FileWithdrawal::cancelled;
};

// What is written at a time: bytes, and holes between them.
struct FileBatch {
  struct Hole {
    std::size_t at = 0;  // in data: the hole is before this byte
    std::uint64_t length = 0;
  };
  base::Bytes data;
  std::vector<Hole> holes;  // in order

  [[nodiscard]] bool empty() const { return data.empty() && holes.empty(); }
};

// One incoming file, from its admission to the end of its stream. What is written is kept for another stream
// unless finish() came. Destroying it tells the writer that the stream is over.
class FileTarget {
 public:
  virtual ~FileTarget() = default;
  // Where the data begins: at the offset that was accepted, or at 0, which forgets what there was.
  virtual void begin(std::uint64_t offset) = 0;
  // `done` gets nothing once it is written (not yet durably), or why no more is taken.
  virtual void write(FileBatch batch, std::function<void(std::optional<proto::FileRefusal>)> done) = 0;
  // Compares, makes it durable, gives it its name; `done` gets that.
  virtual void finish(const proto::FileDigest& digest,
                      std::function<void(std::variant<std::string, proto::FileRefusal>)> done) = 0;
};

struct FileAdmission {
  std::unique_ptr<FileTarget> target;
  std::uint64_t offset = 0;  // bytes that are there already
  proto::FileDigest digest{};
};
// A name: this transfer is over, the file is stored under it.
using FileAnswer = std::variant<FileAdmission, std::string, proto::FileRefusal>;

class FileStore {
 public:
  // The peer offers a file.
  virtual void offered(const base::PeerId& peer, const proto::FileOffer& offer,
                       std::function<void(FileAnswer)> done) = 0;
  // The peer takes it back: what there is of it goes. `done` gets whether it will not come back; if not, the
  // peer is to say it again later.
  virtual void withdrawn(const base::PeerId& peer, const proto::FileWithdraw& withdraw,
                         std::function<void(bool gone)> done) = 0;
  // An outgoing one is over: stored at the peer under `name`, or refused. For a withdrawn one: the peer
  // knows.
  virtual void delivered(const base::PeerId& peer, const proto::TransferId& id, const std::string& name) = 0;
  virtual void refused(const base::PeerId& peer, const proto::TransferId& id, proto::FileRefusal reason) = 0;
  // An outgoing one cannot be read any more; Peer has already turned it into a withdrawal.
  virtual void failed(const base::PeerId& peer, const proto::TransferId& id,
                      proto::FileWithdrawal reason) = 0;

 protected:
  ~FileStore() = default;
};

}  // namespace p2pd::peer
