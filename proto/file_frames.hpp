// Frames on a file stream (after its kind byte): u32 length of what follows, u8 type, body; a stream carries
// one transfer, or one withdrawal.
//
//   sender:   offer ----------> begin, data | hole ..., end ---------->        or: withdraw -->
//   receiver:        accept -->                              done                  refuse
//
// `refuse` may come at any time in place of what was expected. Pure values; a deframer belongs to its
// stream's reader. File contents do not become values: the deframer hands them over in the pieces they came
// in, uncopied.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace p2pd::proto {

inline constexpr std::size_t kMaxFileData = 1'024 * 1'024;   // bytes of one data frame
inline constexpr std::uint64_t kMaxFileSize = (1ULL << 62);  // bytes; more is no file's size
inline constexpr std::uint16_t kMaxFileMode = 0777;          // permission bits, nothing above them
inline constexpr std::size_t kMaxFileName = 255;             // bytes
inline constexpr std::uint32_t kNanosecondsPerSecond = 1'000'000'000;

using TransferId = std::array<std::uint8_t, 16>;
using FileDigest = std::array<std::uint8_t, 32>;  // SHA-256 (FIPS 180-4)

// Why a receiver takes no more of a transfer, for good unless it says otherwise.
enum class FileRefusal : std::uint8_t {
  policy = 1,     // it takes no files from this peer
  name = 2,       // the name breaks the rules of file_name.hpp
  quota = 3,      // what it keeps for this peer is used up
  disk_full = 4,  // its disk is
  cancelled = 5,  // its user does not want it, or it was withdrawn
  mismatch = 6,   // what arrived is not what was offered or has not the digest in `end`
  storage = 7,    // its disk or database failed
  busy = 8,       // too many at a time: offer it again later
};
// Why a sender takes back what it offered.
enum class FileWithdrawal : std::uint8_t {
  cancelled = 1,   // its user said so
  changed = 2,     // the file changed while it was sent
  unreadable = 3,  // the file could not be read
};

struct FileOffer {  // 1
  TransferId id{};
  std::uint64_t size = 0;       // bytes, at most kMaxFileSize
  std::uint64_t data_size = 0;  // of these, outside holes: what the receiver's disk is about to hold
  std::int64_t mtime = 0;       // modification time, seconds since 1970
  std::uint32_t mtime_ns = 0;   // and nanoseconds, below 1,000,000,000
  std::uint16_t mode = 0;       // permission bits, at most kMaxFileMode
  std::string name;             // 1 to kMaxFileName bytes; whether it may be used is file_name.hpp's
  bool operator==(const FileOffer&) const = default;
};
struct FileAccept {          // 2
  std::uint64_t offset = 0;  // bytes that are there already
  FileDigest digest{};       // of these
  bool operator==(const FileAccept&) const = default;
};
struct FileRefuse {  // 3
  FileRefusal reason = FileRefusal::policy;
  bool operator==(const FileRefuse&) const = default;
};
struct FileBegin {           // 4
  std::uint64_t offset = 0;  // where the data begins: as accepted, or 0 where the digest did not fit
  bool operator==(const FileBegin&) const = default;
};
// 5 is data: 1 to kMaxFileData bytes of the file.
struct FileHole {            // 6
  std::uint64_t length = 0;  // zero bytes, at least 1 and at most kMaxFileSize
  bool operator==(const FileHole&) const = default;
};
struct FileEnd {        // 7
  FileDigest digest{};  // of the whole file
  bool operator==(const FileEnd&) const = default;
};
struct FileDone {    // 8
  std::string name;  // under which it is stored, 1 to kMaxFileName bytes
  bool operator==(const FileDone&) const = default;
};
struct FileWithdraw {  // 9
  TransferId id{};
  FileWithdrawal reason = FileWithdrawal::cancelled;
  bool operator==(const FileWithdraw&) const = default;
};
using FileFrame =
    std::variant<FileOffer, FileAccept, FileRefuse, FileBegin, FileHole, FileEnd, FileDone, FileWithdraw>;

// Whole frames, length included. Fields outside their ranges are the caller's bug and assert.
[[nodiscard]] base::Bytes encode(const FileFrame& frame);
// What stands before `size` (1 to kMaxFileData) bytes of the file.
[[nodiscard]] base::Bytes encode_file_data_header(std::size_t size);
// `frame` is type and body, without the length; data is not for here.
[[nodiscard]] base::Result<FileFrame> parse_file_frame(base::ByteView frame);

// The reason's word in events and lists.
[[nodiscard]] std::string_view to_string(FileRefusal reason);
[[nodiscard]] std::string_view to_string(FileWithdrawal reason);

// A piece of a data frame, as long as what was fed is valid.
struct FileDataPiece {
  base::ByteView bytes;
  bool last = false;  // the frame ends with it
};
using FileInput = std::variant<FileFrame, FileDataPiece>;

class FileDeframer {
 public:
  // `piece` must stay valid until next() has returned nothing.
  void feed(base::ByteView piece) { fed_ = piece; }
  // The next frame or piece of data; nothing when more bytes are needed. An error, for good, ends the
  // connection with CloseCode::protocol_error.
  [[nodiscard]] base::Result<std::optional<FileInput>> next();

 private:
  [[nodiscard]] base::Result<std::optional<FileInput>> read();
  // Moves fed bytes to the buffer until it holds `size`; false when there are not enough.
  [[nodiscard]] bool fill(std::size_t size);

  base::ByteView fed_;
  base::Bytes buffer_;         // a frame that is not data, as far as it came
  std::size_t data_left_ = 0;  // of the data frame that is being read
  std::optional<base::Error> broken_;
};

}  // namespace p2pd::proto
