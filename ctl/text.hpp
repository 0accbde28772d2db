// Text for people: bytes that others chose made harmless, numbers with units, columns, colours. Pure
// functions and plain values.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace p2pd::ctl {

// Control characters, terminal sequences and marks that reverse the direction of text are written as \x1b or
// \u202e, so that a name or a message cannot drive the terminal. On one line: newlines too.
[[nodiscard]] std::string escape_line(std::string_view text);
// Newlines stay, the lines after the first are indented, so that none can pass for a line of ours.
[[nodiscard]] std::string escape_block(std::string_view text);

// A JSON value as a word: strings escaped without quotes, null as "-", anything else compact.
[[nodiscard]] std::string word(const nlohmann::json& value);
// The member of an object, null when it is not there.
[[nodiscard]] const nlohmann::json& member(const nlohmann::json& object, std::string_view key);
// As word(member()).
[[nodiscard]] std::string field(const nlohmann::json& object, std::string_view key);

// "0.84 ms", "12 ms", "1.2 s"; "-" for anything but a number.
[[nodiscard]] std::string format_ms(const nlohmann::json& value);
// "812 B", "12.3 KiB"
[[nodiscard]] std::string format_bytes(const nlohmann::json& value);
// The word of why_not_direct with what it means.
[[nodiscard]] std::string explain_why(const nlohmann::json& value);

enum class Colour { none, good, middling, bad, faint };

class Paint {
 public:
  explicit Paint(bool enabled) : enabled_(enabled) {}

  [[nodiscard]] bool enabled() const { return enabled_; }
  [[nodiscard]] std::string operator()(Colour colour, std::string_view text) const;
  // By the words that the daemon uses for states and paths.
  [[nodiscard]] std::string state(std::string_view text) const;

 private:
  bool enabled_;
};

// Rows of equal length in columns as wide as their widest cell; the first row is the heading.
void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows, const Paint& paint);

}  // namespace p2pd::ctl
