#include "base/bytes.hpp"

#include <random>

#include <gtest/gtest.h>

namespace p2pd::base {
namespace {

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

struct Pair {
  const char* plain;
  const char* encoded;
};

// RFC 4648 section 10.
constexpr Pair kBase64[] = {{"", ""},
                            {"f", "Zg=="},
                            {"fo", "Zm8="},
                            {"foo", "Zm9v"},
                            {"foob", "Zm9vYg=="},
                            {"fooba", "Zm9vYmE="},
                            {"foobar", "Zm9vYmFy"}};
constexpr Pair kBase32[] = {{"", ""},
                            {"f", "my"},
                            {"fo", "mzxq"},
                            {"foo", "mzxw6"},
                            {"foob", "mzxw6yq"},
                            {"fooba", "mzxw6ytb"},
                            {"foobar", "mzxw6ytboi"}};

TEST(Base64, MeetsTheVectorsOfTheRfc) {
  for (const auto& [plain, encoded] : kBase64) {
    Bytes out;
    EXPECT_EQ(to_base64(as_bytes(plain)), encoded);
    EXPECT_TRUE(from_base64(encoded, out));
    EXPECT_EQ(out, bytes_of(plain));
  }
}

TEST(Base32, MeetsTheVectorsOfTheRfc) {
  for (const auto& [plain, encoded] : kBase32) {
    Bytes out;
    EXPECT_EQ(to_base32(as_bytes(plain)), encoded);
    EXPECT_TRUE(from_base32(encoded, out));
    EXPECT_EQ(out, bytes_of(plain));
  }
}

TEST(Base64, ReadsOnlyWhatItWrites) {
  Bytes out;
  for (const char* text :
       {"Z", "Zg", "Zg=",      "Zh==",     "Zm9=", "Zg==\n", " Zg==",  "Zg== ", "Z===", "====",
        "=", "==", "Zg==Zg==", "Zm9v====", "Zm-v", "Zm_v",   "Zm9v\n", "Zm9",   "Z=g=", "Zm=v"}) {
    EXPECT_FALSE(from_base64(text, out)) << text;
  }
  EXPECT_FALSE(from_base64(std::string_view("Zm9\0", 4), out));
}

TEST(Base32, ReadsOnlyWhatItWrites) {
  Bytes out;
  for (const char* text :
       {"m", "mz", "my======", "MY", "My", "m1", "m0", "m8", " my", "my ", "mzx", "mzxw6y", "mzxw6ytbo"}) {
    EXPECT_FALSE(from_base32(text, out)) << text;
  }
}

TEST(Encodings, OfRandomBytesComeBackAndAreCanonical) {
  std::mt19937 random(3);
  for (int round = 0; round < 2'000; ++round) {
    Bytes bytes(random() % 80);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    Bytes out;
    EXPECT_TRUE(from_base64(to_base64(bytes), out));
    EXPECT_EQ(out, bytes);
    EXPECT_TRUE(from_base32(to_base32(bytes), out));
    EXPECT_EQ(out, bytes);
    std::string text = to_base64(bytes);
    for (char& c : text) {
      if (random() % 8 == 0) c = static_cast<char>(random());
    }
    if (!from_base64(text, out)) continue;
    EXPECT_EQ(to_base64(out), text);
  }
}

TEST(Hex, IsLowerCase) { EXPECT_EQ(to_hex(Bytes{0x00, 0xaf, 0x9c}), "00af9c"); }

TEST(EqualConstantTime, ComparesSizesAndBytes) {
  EXPECT_TRUE(equal_constant_time({}, {}));
  EXPECT_TRUE(equal_constant_time(as_bytes("abc"), as_bytes("abc")));
  EXPECT_FALSE(equal_constant_time(as_bytes("abc"), as_bytes("abd")));
  EXPECT_FALSE(equal_constant_time(as_bytes("abc"), as_bytes("ab")));
  EXPECT_FALSE(equal_constant_time(as_bytes("xbc"), as_bytes("abc")));
}

TEST(ByteReader, ReadsWhatTheWriterWrote) {
  const Bytes bytes = ByteWriter()
                          .u8(0x12)
                          .u16(0x3456)
                          .u32(0x789abcde)
                          .u64(0xf0e1d2c3b4a59687)
                          .text8("eight")
                          .text16("sixteen")
                          .bytes(Bytes{1, 2, 3, 4})
                          .take();
  EXPECT_EQ(to_hex(ByteView(bytes).first(15)), "123456789abcdef0e1d2c3b4a59687");
  ByteReader reader(bytes);
  EXPECT_EQ(reader.u8(), 0x12);
  EXPECT_EQ(reader.u16(), 0x3456);
  EXPECT_EQ(reader.u32(), 0x789abcdeU);
  EXPECT_EQ(reader.u64(), 0xf0e1d2c3b4a59687U);
  EXPECT_EQ(reader.text8(), "eight");
  EXPECT_EQ(reader.text16(), "sixteen");
  EXPECT_EQ(reader.array<2>(), (std::array<std::uint8_t, 2>{1, 2}));
  EXPECT_FALSE(reader.finished());
  EXPECT_EQ(reader.rest().size(), 2U);
  EXPECT_TRUE(reader.finished());
}

TEST(ByteReader, FailsForGoodAtAShortRead) {
  const Bytes bytes{1, 2, 3};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_TRUE(reader.rest().empty());
  EXPECT_TRUE(reader.failed());
  EXPECT_FALSE(reader.finished());
}

TEST(ByteReader, DoesNotTrustALengthField) {
  const Bytes bytes{5, 'a', 'b'};
  ByteReader text8(bytes);
  EXPECT_EQ(text8.text8(), "");
  EXPECT_TRUE(text8.failed());
  const Bytes longer{0xff, 0xff, 'a'};
  ByteReader text16(longer);
  EXPECT_EQ(text16.text16(), "");
  EXPECT_TRUE(text16.failed());
}

TEST(ByteReader, OfNothingIsFinished) {
  EXPECT_TRUE(ByteReader({}).finished());
  ByteReader reader({});
  EXPECT_TRUE(reader.take(0).empty());
  EXPECT_TRUE(reader.finished());
}

TEST(ByteWriterDeathTest, AssertsThatTextsFit) {
  EXPECT_DEATH(ByteWriter().text8(std::string(256, 'x')), "assertion failed");
  EXPECT_DEATH(ByteWriter().text16(std::string(65'536, 'x')), "assertion failed");
}

}  // namespace
}  // namespace p2pd::base
