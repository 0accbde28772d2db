#include "proto/file_name.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "proto/file_frames.hpp"

namespace p2pd::proto {
namespace {

// The next character of UTF-8 text (RFC 3629), taken off its front; nothing when it is malformed.
std::optional<char32_t> take_character(std::string_view& text) {
  const auto first = static_cast<std::uint8_t>(text.front());
  std::size_t size = 1;
  char32_t value = first;
  if (first >= 0xf0) {
    size = 4;
    value = first & 0x07u;
  } else if (first >= 0xe0) {
    size = 3;
    value = first & 0x0fu;
  } else if (first >= 0xc0) {
    size = 2;
    value = first & 0x1fu;
  } else if (first >= 0x80) {
    return std::nullopt;
  }
  if (first > 0xf4 || text.size() < size) return std::nullopt;
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<std::uint8_t>(text[i]);
    if ((next & 0xc0u) != 0x80) return std::nullopt;
    value = (value << 6) | (next & 0x3fu);
  }
  constexpr std::array<char32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0); }

// UAX 9's embeddings, overrides, isolates and marks; the line and paragraph separators; what shows nothing.
bool is_deceptive(char32_t c) {
  return c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2060 && c <= 0x2069) || c == 0xfeff;
}

bool is_device(std::string_view name) {
  std::string stem(name.substr(0, name.find('.')));
  while (!stem.empty() && stem.back() == ' ') stem.pop_back();
  std::transform(stem.begin(), stem.end(), stem.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  constexpr std::array<std::string_view, 6> kDevices{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"};
  if (std::find(kDevices.begin(), kDevices.end(), stem) != kDevices.end()) return true;
  return stem.size() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")) && stem[3] >= '0' &&
         stem[3] <= '9';
}

// As long as it may be without cutting a character in two.
std::string_view shortened(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<std::uint8_t>(text[size]) & 0xc0u) == 0x80) --size;
  return text.substr(0, size);
}

}  // namespace

std::string file_name_fault(std::string_view name) {
  if (name.empty()) return "it is empty";
  if (name.size() > kMaxFileName) return "it has more than 255 bytes";
  if (name == "." || name == "..") return "it names a folder";
  for (std::string_view rest = name; !rest.empty();) {
    const std::optional<char32_t> c = take_character(rest);
    if (!c) return "it is not UTF-8";
    if (*c == '/' || *c == '\\') return "it has a slash or backslash: a file is sent by its last name only";
    if (is_control(*c)) return "it has a control character";
    if (is_deceptive(*c)) return "it has an invisible character or one that turns the direction of text";
  }
  if (is_device(name)) return "it is the name of a device on some systems";
  if (name.starts_with(kPartialPrefix)) return "names that begin with .p2pd- are p2pd's own";
  return "";
}

std::string other_file_name(std::string_view name, unsigned number) {
  // ".profile" is all stem; so is a name whose extension is as good as all of it.
  constexpr std::size_t kLongestExtension = 32;
  std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > kLongestExtension) dot = name.size();
  const std::string_view extension = name.substr(dot);
  const std::string mark = " (" + std::to_string(number) + ")";
  const std::string_view stem = shortened(name.substr(0, dot), kMaxFileName - mark.size() - extension.size());
  return std::string(stem) + mark + std::string(extension);
}

}  // namespace p2pd::proto
