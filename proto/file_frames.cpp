#include "proto/file_frames.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/assert.hpp"
#include "proto/parsing.hpp"

namespace p2pd::proto {
namespace {

enum class FileType : std::uint8_t {
  offer = 1,
  accept = 2,
  refuse = 3,
  begin = 4,
  data = 5,
  hole = 6,
  end = 7,
  done = 8,
  withdraw = 9,
};

constexpr std::size_t kLengthSize = 4;
// Type, ID, two sizes, time, mode, name.
constexpr std::size_t kMaxFrame = 1 + 16 + 8 + 8 + 8 + 4 + 2 + 1 + kMaxFileName;

bool is_name(std::string_view name) { return !name.empty() && name.size() <= kMaxFileName; }

bool is_offer(const FileOffer& offer) {
  return offer.size <= kMaxFileSize && offer.data_size <= offer.size &&
         offer.mtime_ns < kNanosecondsPerSecond && offer.mode <= kMaxFileMode && is_name(offer.name);
}

void write(base::ByteWriter& out, const FileOffer& offer) {
  P2PD_ASSERT(is_offer(offer));
  out.u8(static_cast<std::uint8_t>(FileType::offer))
      .bytes(offer.id)
      .u64(offer.size)
      .u64(offer.data_size)
      .u64(static_cast<std::uint64_t>(offer.mtime))
      .u32(offer.mtime_ns)
      .u16(offer.mode)
      .text8(offer.name);
}
void write(base::ByteWriter& out, const FileAccept& accept) {
  P2PD_ASSERT(accept.offset <= kMaxFileSize);
  out.u8(static_cast<std::uint8_t>(FileType::accept)).u64(accept.offset).bytes(accept.digest);
}
void write(base::ByteWriter& out, const FileRefuse& refuse) {
  out.u8(static_cast<std::uint8_t>(FileType::refuse)).u8(static_cast<std::uint8_t>(refuse.reason));
}
void write(base::ByteWriter& out, const FileBegin& begin) {
  P2PD_ASSERT(begin.offset <= kMaxFileSize);
  out.u8(static_cast<std::uint8_t>(FileType::begin)).u64(begin.offset);
}
void write(base::ByteWriter& out, const FileHole& hole) {
  P2PD_ASSERT(hole.length >= 1 && hole.length <= kMaxFileSize);
  out.u8(static_cast<std::uint8_t>(FileType::hole)).u64(hole.length);
}
void write(base::ByteWriter& out, const FileEnd& end) {
  out.u8(static_cast<std::uint8_t>(FileType::end)).bytes(end.digest);
}
void write(base::ByteWriter& out, const FileDone& done) {
  P2PD_ASSERT(is_name(done.name));
  out.u8(static_cast<std::uint8_t>(FileType::done)).text8(done.name);
}
void write(base::ByteWriter& out, const FileWithdraw& withdraw) {
  out.u8(static_cast<std::uint8_t>(FileType::withdraw))
      .bytes(withdraw.id)
      .u8(static_cast<std::uint8_t>(withdraw.reason));
}

base::Result<FileFrame> bad(const char* what) { return frame_error(FrameError::bad_value, what); }

base::Result<FileFrame> parse_offer(base::ByteReader& reader) {
  FileOffer offer;
  offer.id = reader.array<16>();
  offer.size = reader.u64();
  offer.data_size = reader.u64();
  offer.mtime = static_cast<std::int64_t>(reader.u64());
  offer.mtime_ns = reader.u32();
  offer.mode = reader.u16();
  offer.name = reader.text8();
  const bool valid = is_offer(offer);
  auto out = exact<FileFrame>(reader, "file offer", std::move(offer));
  return out && !valid ? bad("file offer") : out;
}

base::Result<FileFrame> parse_accept(base::ByteReader& reader) {
  FileAccept accept;
  accept.offset = reader.u64();
  accept.digest = reader.array<32>();
  if (accept.offset > kMaxFileSize) return bad("file acceptance: offset");
  return exact<FileFrame>(reader, "file acceptance", accept);
}

base::Result<FileFrame> parse_refuse(base::ByteReader& reader) {
  const std::uint8_t reason = reader.u8();
  const bool valid = reason >= 1 && reason <= static_cast<std::uint8_t>(FileRefusal::busy);
  auto out = exact<FileFrame>(reader, "file refusal", FileRefuse{static_cast<FileRefusal>(reason)});
  return out && !valid ? bad("file refusal: reason") : out;
}

base::Result<FileFrame> parse_begin(base::ByteReader& reader) {
  const std::uint64_t offset = reader.u64();
  if (offset > kMaxFileSize) return bad("file beginning: offset");
  return exact<FileFrame>(reader, "file beginning", FileBegin{offset});
}

base::Result<FileFrame> parse_hole(base::ByteReader& reader) {
  const std::uint64_t length = reader.u64();
  auto out = exact<FileFrame>(reader, "file hole", FileHole{length});
  return out && (length == 0 || length > kMaxFileSize) ? bad("file hole: length") : out;
}

base::Result<FileFrame> parse_done(base::ByteReader& reader) {
  FileDone done{std::string(reader.text8())};
  const bool valid = is_name(done.name);
  auto out = exact<FileFrame>(reader, "file done", std::move(done));
  return out && !valid ? bad("file done: name") : out;
}

base::Result<FileFrame> parse_withdraw(base::ByteReader& reader) {
  FileWithdraw withdraw;
  withdraw.id = reader.array<16>();
  const std::uint8_t reason = reader.u8();
  withdraw.reason = static_cast<FileWithdrawal>(reason);
  const bool valid = reason >= 1 && reason <= static_cast<std::uint8_t>(FileWithdrawal::unreadable);
  auto out = exact<FileFrame>(reader, "file withdrawal", withdraw);
  return out && !valid ? bad("file withdrawal: reason") : out;
}

}  // namespace

base::Bytes encode(const FileFrame& frame) {
  base::ByteWriter body;
  std::visit([&body](const auto& value) { write(body, value); }, frame);
  return base::ByteWriter().u32(static_cast<std::uint32_t>(body.size())).bytes(body.view()).take();
}

base::Bytes encode_file_data_header(std::size_t size) {
  P2PD_ASSERT(size >= 1 && size <= kMaxFileData);
  return base::ByteWriter()
      .u32(static_cast<std::uint32_t>(1 + size))
      .u8(static_cast<std::uint8_t>(FileType::data))
      .take();
}

base::Result<FileFrame> parse_file_frame(base::ByteView frame) {
  if (frame.empty()) return frame_error(FrameError::truncated, "file frame");
  base::ByteReader reader(frame);
  switch (static_cast<FileType>(reader.u8())) {
    case FileType::offer:
      return parse_offer(reader);
    case FileType::accept:
      return parse_accept(reader);
    case FileType::refuse:
      return parse_refuse(reader);
    case FileType::begin:
      return parse_begin(reader);
    case FileType::hole:
      return parse_hole(reader);
    case FileType::end:
      return exact<FileFrame>(reader, "file end", FileEnd{reader.array<32>()});
    case FileType::done:
      return parse_done(reader);
    case FileType::withdraw:
      return parse_withdraw(reader);
    case FileType::data:
      break;
  }
  return frame_error(FrameError::unknown_type, "file frame");
}

std::string_view to_string(FileRefusal reason) {
  switch (reason) {
    case FileRefusal::policy:
      return "refused";
    case FileRefusal::name:
      return "bad_name";
    case FileRefusal::quota:
      return "quota";
    case FileRefusal::disk_full:
      return "disk_full";
    case FileRefusal::cancelled:
      return "cancelled_by_receiver";
    case FileRefusal::mismatch:
      return "mismatch";
    case FileRefusal::storage:
      return "storage";
    case FileRefusal::busy:
      return "busy";
  }
  return "refused";
}

std::string_view to_string(FileWithdrawal reason) {
  switch (reason) {
    case FileWithdrawal::cancelled:
      return "cancelled_by_sender";
    case FileWithdrawal::changed:
      return "changed";
    case FileWithdrawal::unreadable:
      return "unreadable";
  }
  return "cancelled_by_sender";
}

bool FileDeframer::fill(std::size_t size) {
  const std::size_t count = std::min(size - std::min(size, buffer_.size()), fed_.size());
  buffer_.insert(buffer_.end(), fed_.begin(), fed_.begin() + static_cast<std::ptrdiff_t>(count));
  fed_ = fed_.subspan(count);
  return buffer_.size() >= size;
}

base::Result<std::optional<FileInput>> FileDeframer::next() {
  base::Result<std::optional<FileInput>> out(boost::system::in_place_value);
  if (!broken_) {
    out = read();
    if (!out) broken_ = out.error();
  }
  if (broken_) out = *broken_;
  return out;
}

base::Result<std::optional<FileInput>> FileDeframer::read() {
  base::Result<std::optional<FileInput>> out(boost::system::in_place_value);
  if (data_left_ == 0) {
    if (!fill(kLengthSize + 1)) return out;
    base::ByteReader header(buffer_);
    const std::size_t length = header.u32();
    const bool data = header.u8() == static_cast<std::uint8_t>(FileType::data);
    if (length == 0) return out = frame_error(FrameError::bad_value, "file frame of length 0");
    if (length > (data ? 1 + kMaxFileData : kMaxFrame)) {
      return out = frame_error(FrameError::too_large, "file frame");
    }
    if (!data) {
      if (!fill(kLengthSize + length)) return out;
      base::Result<FileFrame> frame = parse_file_frame(base::ByteView(buffer_).subspan(kLengthSize));
      buffer_.clear();
      if (!frame) return out = frame.error();
      out->emplace(std::move(*frame));
      return out;
    }
    if (length == 1) return out = frame_error(FrameError::bad_value, "file data without a byte");
    buffer_.clear();
    data_left_ = length - 1;
  }
  if (fed_.empty()) return out;
  const base::ByteView piece = fed_.first(std::min(fed_.size(), data_left_));
  fed_ = fed_.subspan(piece.size());
  data_left_ -= piece.size();
  out->emplace(FileDataPiece{piece, data_left_ == 0});
  return out;
}

}  // namespace p2pd::proto
