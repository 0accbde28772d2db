#include "proto/service_frames.hpp"

#include <gtest/gtest.h>

namespace p2pd::proto {
namespace {

TEST(ServiceFrames, NamesAreShortAndPlain) {
  for (const std::string_view good : {"ssh", "a", "9p", "My.web_server-2"}) {
    EXPECT_TRUE(is_service_name(good)) << good;
  }
  EXPECT_TRUE(is_service_name(std::string(64, 'x')));
  for (const std::string_view bad : {"", ".hidden", "-x", "_x", "a b", "a/b", "a:b", "caf\xc3\xa9", "a\n"}) {
    EXPECT_FALSE(is_service_name(bad)) << bad;
  }
  EXPECT_FALSE(is_service_name(std::string(65, 'x')));
  EXPECT_FALSE(is_service_name(std::string_view("a\0b", 3)));
}

TEST(ServiceFrames, AnOpeningIsReadInAnyPiecesAndLeavesWhatFollows) {
  const base::Bytes opening = encode_service_open("ssh");
  EXPECT_EQ(opening, (base::Bytes{3, 's', 's', 'h'}));
  base::Bytes stream = opening;
  stream.insert(stream.end(), {'h', 'i'});
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    ServiceOpenReader reader;
    std::optional<std::string> name;
    std::string rest;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      base::ByteView bytes = base::ByteView(stream).subspan(at, std::min(piece, stream.size() - at));
      if (!name) {
        const auto read = reader.read(bytes);
        ASSERT_TRUE(read);
        name = *read;
      }
      rest += base::as_text(bytes);
    }
    EXPECT_EQ(name, "ssh") << piece;
    EXPECT_EQ(rest, "hi") << piece;
  }
}

TEST(ServiceFrames, BadOpeningsAreErrors) {
  for (const base::Bytes& bad : {base::Bytes{0}, base::Bytes{65}, base::Bytes{255, 'a'}, base::Bytes{1, '/'},
                                 base::Bytes{2, 'a', 0}, base::Bytes{2, '.', 'a'}}) {
    ServiceOpenReader reader;
    base::ByteView bytes(bad);
    EXPECT_FALSE(reader.read(bytes)) << base::to_hex(bad);
  }
}

TEST(ServiceFrames, AnswersAreOneByte) {
  EXPECT_EQ(encode_service_answer({}), 0);
  for (std::uint8_t value = 0; value <= 4; ++value) {
    const auto answer = parse_service_answer(value);
    ASSERT_TRUE(answer);
    EXPECT_EQ(encode_service_answer(*answer), value);
  }
  EXPECT_FALSE(parse_service_answer(5));
  EXPECT_FALSE(parse_service_answer(255));
}

}  // namespace
}  // namespace p2pd::proto
