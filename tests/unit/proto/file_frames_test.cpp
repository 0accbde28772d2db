#include "proto/file_frames.hpp"

#include <gtest/gtest.h>

#include "tests/unit/proto/malformed.hpp"

namespace p2pd::proto {
namespace {

FileOffer offer() {
  FileOffer out;
  out.id = {1, 2, 3};
  out.size = 0x0102030405;
  out.data_size = 0x0102030400;
  out.mtime = -5;
  out.mtime_ns = 999'999'999;
  out.mode = 0640;
  out.name = "a b.txt";
  return out;
}

std::vector<FileFrame> frames() {
  return {offer(),
          FileAccept{77, {9, 8}},
          FileRefuse{FileRefusal::busy},
          FileBegin{77},
          FileHole{4096},
          FileEnd{{1, 2}},
          FileDone{"a (1)"},
          FileWithdraw{{7}, FileWithdrawal::changed}};
}

base::Bytes body(const FileFrame& frame) {
  const base::Bytes bytes = encode(frame);
  return {bytes.begin() + 4, bytes.end()};
}

TEST(FileFrames, HaveTheBytesOfTheProtocol) {
  EXPECT_EQ(base::to_hex(encode(offer())),
            "00000037"
            "01"
            "01020300000000000000000000000000"
            "0000000102030405"
            "0000000102030400"
            "fffffffffffffffb"
            "3b9ac9ff"
            "01a0"
            "07"
            "6120622e747874");
  EXPECT_EQ(base::to_hex(encode(FileRefuse{FileRefusal::quota})), "000000020303");
  EXPECT_EQ(base::to_hex(encode(FileBegin{0x0a})), "0000000904000000000000000a");
  EXPECT_EQ(base::to_hex(encode_file_data_header(3)), "0000000405");
  EXPECT_EQ(base::to_hex(encode(FileHole{1})), "00000009060000000000000001");
  EXPECT_EQ(base::to_hex(encode(FileDone{"x"})), "00000003080178");
}

TEST(FileFrames, ComeBackAsTheyWere) {
  for (const FileFrame& frame : frames()) {
    const auto parsed = parse_file_frame(body(frame));
    ASSERT_TRUE(parsed) << frame.index();
    EXPECT_EQ(*parsed, frame);
  }
}

TEST(FileFrames, RefuseWhatIsMalformed) {
  for (const FileFrame& frame : frames()) {
    test::expect_truncations_refused(body(frame), parse_file_frame);
    test::expect_extension_refused(body(frame), parse_file_frame);
    test::expect_survives_bit_flips(body(frame), parse_file_frame, body);
  }
  test::expect_survives_noise(parse_file_frame, body, 9);
}

TEST(FileFrames, RefuseValuesOutsideTheirRanges) {
  const auto changed = [](std::size_t at, base::Bytes with) {
    base::Bytes bytes = body(offer());
    std::copy(with.begin(), with.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    return parse_file_frame(bytes);
  };
  EXPECT_FALSE(changed(17, {0x40, 0, 0, 0, 0, 0, 0, 1}));                  // size over 2^62
  EXPECT_FALSE(changed(25, {0, 0, 0, 1, 2, 3, 4, 6}));                     // more data than size
  EXPECT_FALSE(changed(41, {0x3b, 0x9a, 0xca, 0x00}));                     // a whole second of nanoseconds
  EXPECT_FALSE(changed(45, {0x02, 0x00}));                                 // sticky and set-ID bits
  EXPECT_FALSE(parse_file_frame(base::Bytes{3, 0}));                       // no reason 0
  EXPECT_FALSE(parse_file_frame(base::Bytes{3, 9}));                       // nor 9
  EXPECT_FALSE(parse_file_frame(base::Bytes{6, 0, 0, 0, 0, 0, 0, 0, 0}));  // a hole of nothing
  EXPECT_FALSE(parse_file_frame(base::Bytes{8, 0}));                       // no name
  EXPECT_FALSE(parse_file_frame(base::Bytes{5, 1}));                       // data is the deframer's
  EXPECT_FALSE(parse_file_frame(base::Bytes{}));
}

// Everything a stream holds, however it is cut.
struct Read {
  std::vector<FileFrame> frames;
  base::Bytes data;
  std::size_t data_frames = 0;
  bool failed = false;
};
Read read(base::ByteView stream, std::size_t piece) {
  Read out;
  FileDeframer deframer;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    deframer.feed(stream.subspan(at, std::min(piece, stream.size() - at)));
    while (true) {
      auto next = deframer.next();
      if (!next) {
        out.failed = true;
        return out;
      }
      if (!*next) break;
      if (auto* data = std::get_if<FileDataPiece>(&**next)) {
        out.data.insert(out.data.end(), data->bytes.begin(), data->bytes.end());
        out.data_frames += data->last ? 1 : 0;
      } else {
        out.frames.push_back(std::get<FileFrame>(**next));
      }
    }
  }
  return out;
}

TEST(FileDeframer, FindsTheSameHoweverTheStreamIsCut) {
  base::ByteWriter stream;
  base::Bytes contents;
  for (const FileFrame& frame : frames()) {
    stream.bytes(encode(frame));
    const base::Bytes data(1 + contents.size() % 40, static_cast<std::uint8_t>(contents.size()));
    stream.bytes(encode_file_data_header(data.size())).bytes(data);
    contents.insert(contents.end(), data.begin(), data.end());
  }
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    const Read got = read(stream.view(), piece);
    EXPECT_FALSE(got.failed);
    EXPECT_EQ(got.frames, frames());
    EXPECT_EQ(got.data, contents);
    EXPECT_EQ(got.data_frames, frames().size());
  }
}

TEST(FileDeframer, RefusesLengthsBeforeTheirBytes) {
  EXPECT_TRUE(read(base::Bytes{0, 0, 0, 0, 5}, 5).failed);      // nothing
  EXPECT_TRUE(read(base::Bytes{0, 0, 0, 1, 5}, 5).failed);      // data without a byte
  EXPECT_TRUE(read(base::Bytes{0, 0x10, 0, 2, 5}, 5).failed);   // more data than 1 MiB
  EXPECT_FALSE(read(base::Bytes{0, 0x10, 0, 1, 5}, 5).failed);  // just 1 MiB
  EXPECT_TRUE(read(base::Bytes{0, 0, 2, 0, 8}, 5).failed);      // longer than any other frame
  EXPECT_TRUE(read(base::Bytes{0, 0, 0, 2, 10, 0}, 6).failed);  // no such type
}

TEST(FileDeframer, StaysBroken) {
  FileDeframer deframer;
  const base::Bytes bad{0, 0, 0, 0, 5};
  const base::Bytes good = encode(FileBegin{1});
  deframer.feed(bad);
  EXPECT_FALSE(deframer.next());
  deframer.feed(good);
  EXPECT_FALSE(deframer.next());
}

}  // namespace
}  // namespace p2pd::proto
