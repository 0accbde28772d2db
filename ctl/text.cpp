#include "ctl/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <ostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/utf8.hpp"
#include "ipc/codec.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

// Unicode's marks and overrides of direction, and the line separators.
bool changes_layout(char32_t c) {
  return c == 0x61c || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069);
}

std::string escape(std::string_view text, std::string_view newline) {
  std::string out;
  while (!text.empty()) {
    const base::CodePoint c = base::first_code_point(text);
    if (c.size == 0) {
      out += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(text.front()));
      text.remove_prefix(1);
      continue;
    }
    if (c.value == '\n') {
      out += newline;
    } else if (c.value == '\t') {
      out += newline == "\\n" ? "\\t" : "\t";
    } else if (c.value < 0x20 || (c.value >= 0x7f && c.value < 0xa0)) {
      out += fmt::format("\\x{:02x}", static_cast<std::uint32_t>(c.value));
    } else if (changes_layout(c.value)) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c.value));
    } else {
      out += text.substr(0, c.size);
    }
    text.remove_prefix(c.size);
  }
  return out;
}

// Columns on a terminal, near enough: one a code point.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<std::uint8_t>(c) & 0xc0U) != 0x80; }));
}

}  // namespace

std::string escape_line(std::string_view text) { return escape(text, "\\n"); }

std::string escape_block(std::string_view text) { return escape(text, "\n  "); }

std::string word(const json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return escape_line(value.get_ref<const std::string&>());
  return escape_line(ipc::to_line(value));
}

const json& member(const json& object, std::string_view key) {
  static const json null;
  if (!object.is_object()) return null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

std::string field(const json& object, std::string_view key) { return word(member(object, key)); }

std::string format_ms(const json& value) {
  if (!value.is_number()) return "-";
  const double ms = value.get<double>();
  if (ms >= 10'000) return fmt::format("{:.1f} s", ms / 1000);
  if (ms >= 10) return fmt::format("{:.0f} ms", ms);
  return fmt::format("{:.2g} ms", ms);
}

std::string format_bytes(const json& value) {
  if (!value.is_number()) return "-";
  double bytes = value.get<double>();
  if (bytes < 1024) return fmt::format("{:.0f} B", bytes);
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (bytes /= 1024; bytes >= 1024 && unit + 1 < kUnits.size(); ++unit) bytes /= 1024;
  return fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string explain_why(const json& value) {
  struct Row {
    std::string_view reason;
    std::string_view meaning;
  };
  constexpr std::array kRows{
      Row{"in_progress", "still being tried"},
      Row{"disabled", "switched off here, see `direct` in p2pd.conf and `p2pctl peer list`"},
      Row{"peer_disabled", "switched off at the peer"},
      Row{"proxy", "a proxy is in use"},
      Row{"udp_blocked", "one of the two networks lets no UDP through"},
      Row{"no_candidates", "no usable address was found"},
      Row{"checks_failed", "no pair of addresses answered"},
      Row{"symmetric_nat", "the NATs give each destination another address"},
      Row{"no_hairpin", "both are behind one NAT, which does not loop packets back"},
      Row{"path_flapping", "the direct path broke twice, it is being tried again"},
      Row{"cooldown", "the direct path kept breaking and rests for ten minutes"},
  };
  const std::string reason = word(value);
  // A reason may carry details after its word.
  const auto row = std::find_if(kRows.begin(), kRows.end(),
                                [&](const Row& r) { return reason.substr(0, reason.find(' ')) == r.reason; });
  return row == kRows.end() ? reason : fmt::format("{} ({})", reason, row->meaning);
}

std::string Paint::operator()(Colour colour, std::string_view text) const {
  if (!enabled_ || colour == Colour::none) return std::string(text);
  int code = 2;
  if (colour == Colour::good) code = 32;
  if (colour == Colour::middling) code = 33;
  if (colour == Colour::bad) code = 31;
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string Paint::state(std::string_view text) const {
  if (text == "online" || text == "established" || text == "direct") return (*this)(Colour::good, text);
  if (text == "connecting" || text == "dialing" || text == "relay" || text == "turn") {
    return (*this)(Colour::middling, text);
  }
  if (text == "offline" || text == "backoff") return (*this)(Colour::bad, text);
  return std::string(text);
}

void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows, const Paint& paint) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width(row[i]) + 2, ' ');
    }
    out << (&row == &rows.front() ? paint(Colour::faint, line) : line) << "\n";
  }
}

}  // namespace p2pd::ctl
