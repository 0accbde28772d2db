#include "ipc/json_text.hpp"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "ipc/codec.hpp"

namespace p2pd::ipc {
namespace {

std::string json_text_of(std::string_view text) {
  std::string out = "<";
  EXPECT_TRUE(append_string(out, text)) << text;
  return out.substr(1);
}

TEST(JsonText, WritesAStringAsTheTreeDoes) {
  for (const std::string_view text :
       {"", "plain", "exactly8", "more than eight bytes of it", "a\"b\\c/d", "line\nline\ttab\r\f\b",
        "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac 5, \xf0\x9f\x98\x80",
        "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(json_text_of(text), to_line(nlohmann::json(text)));
  }
}

TEST(JsonText, WritesEachByteAtEachPlaceAsTheTreeDoes) {
  for (int byte = 0; byte < 0x80; ++byte) {
    for (std::size_t place = 0; place < 10; ++place) {
      std::string text = "0123456789";
      text[place] = static_cast<char>(byte);
      EXPECT_EQ(json_text_of(text), to_line(nlohmann::json(text))) << byte << " at " << place;
    }
  }
}

TEST(JsonText, LeavesTheTextAloneForWhatIsNotUtf8) {
  for (const std::string_view text :
       {"\xff", "\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x82z", "\xf0\x9f\x98", "\xc3",
        "long enough for a run \n and then \xff"}) {
    std::string out = "kept";
    EXPECT_FALSE(append_string(out, text));
    EXPECT_EQ(out, "kept");
    append_any_string(out, text);
    EXPECT_EQ(out, "kept" + to_line(nlohmann::json(text)));
  }
}

}  // namespace
}  // namespace p2pd::ipc
