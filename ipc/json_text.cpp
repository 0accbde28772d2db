#include "ipc/json_text.hpp"

#include <array>
#include <cstdint>
#include <cstring>

#include <nlohmann/json.hpp>

#include "base/utf8.hpp"
#include "ipc/codec.hpp"

namespace p2pd::ipc {
namespace {

// Of eight bytes: none is a control character, a quote, a backslash or above 0x7f. A byte below n borrows
// when n is taken from it, which shows in its top bit; equality is made zero by exclusive or first.
bool all_plain(std::uint64_t eight) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kTops = 0x8080808080808080;
  const std::uint64_t quotes = eight ^ (kOnes * '"');
  const std::uint64_t backslashes = eight ^ (kOnes * '\\');
  const std::uint64_t special = (eight - kOnes * 0x20) | (quotes - kOnes) | (backslashes - kOnes) | eight;
  return (special & kTops) == 0;
}

bool plain(std::uint8_t byte) { return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\'; }

// The end of the bytes from `at` that a JSON string may hold as they are, ASCII only.
std::size_t end_of_plain(std::string_view text, std::size_t at) {
  std::uint64_t eight = 0;
  while (at + sizeof eight <= text.size()) {
    std::memcpy(&eight, text.data() + at, sizeof eight);
    if (!all_plain(eight)) break;
    at += sizeof eight;
  }
  while (at < text.size() && plain(static_cast<std::uint8_t>(text[at]))) ++at;
  return at;
}

void append_escaped(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  // What stands behind the backslash, for control characters that have a short form.
  constexpr std::array<char, 14> kShort{0, 0, 0, 0, 0, 0, 0, 0, 'b', 't', 'n', 0, 'f', 'r'};
  const auto byte = static_cast<std::uint8_t>(c);
  out += '\\';
  if (byte >= 0x20) {
    out += c;
  } else if (byte < kShort.size() && kShort[byte] != 0) {
    out += kShort[byte];
  } else {
    out.append("u00").append(1, kHex[byte >> 4U]).append(1, kHex[byte & 0xfU]);
  }
}

}  // namespace

bool append_string(std::string& out, std::string_view text) {
  const std::size_t before = out.size();
  out += '"';
  // From `written` to `at` is what can be copied in one piece.
  std::size_t written = 0;
  for (std::size_t at = 0; (at = end_of_plain(text, at)) < text.size();) {
    if (static_cast<std::uint8_t>(text[at]) >= 0x80) {
      const std::size_t size = base::first_code_point(text.substr(at)).size;
      if (size == 0) {
        out.resize(before);
        return false;
      }
      at += size;
      continue;
    }
    out.append(text.substr(written, at - written));
    append_escaped(out, text[at]);
    written = ++at;
  }
  out.append(text.substr(written)).append(1, '"');
  return true;
}

void append_any_string(std::string& out, std::string_view text) {
  if (!append_string(out, text)) out += to_line(nlohmann::json(text));
}

}  // namespace p2pd::ipc
