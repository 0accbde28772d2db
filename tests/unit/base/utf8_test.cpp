#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace p2pd::base {
namespace {

TEST(Utf8, IsToldFromOtherBytes) {
  for (const std::string_view good :
       {"", "abc", "grüß", "\xf0\x9f\x98\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good));
  }
  for (const std::string_view bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xe2\x82", "a\xff", "\xf0\x80\x80\x80"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(Utf8, GivesValueAndSizeOfTheFirstCodePoint) {
  const struct {
    std::string_view text;
    char32_t value;
    std::size_t size;
  } cases[] = {{"a\xff", U'a', 1},
               {"\xc3\xbcz", 0xfc, 2},
               {"\xe2\x82\xac", 0x20ac, 3},
               {"\xf0\x9f\x98\x80", 0x1f600, 4}};
  for (const auto& it : cases) {
    const CodePoint first = first_code_point(it.text);
    EXPECT_EQ(first.value, it.value);
    EXPECT_EQ(first.size, it.size);
  }
}

}  // namespace
}  // namespace p2pd::base
