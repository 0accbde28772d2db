#include "ctl/progress_bar.hpp"

#include <algorithm>
#include <cstdint>
#include <ostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "ctl/text.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

constexpr std::size_t kWidth = 24;

std::uint64_t number(const json& object, std::string_view key) {
  const json& value = member(object, key);
  if (!value.is_number_integer()) return 0;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(value.get<std::int64_t>(), 0));
}

// "0:09", "12:30", "3:02:11"
std::string clock(std::uint64_t ms) {
  const std::uint64_t s = (ms + 999) / 1000;
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

}  // namespace

std::string progress_line(const json& transfer) {
  const json& state = member(transfer, "state");
  if (state == "waiting") return "waiting for " + field(transfer, "name");
  if (state == "needs_file") return "waiting for p2pd";
  const std::uint64_t size = number(transfer, "size");
  const std::uint64_t bytes = std::min(number(transfer, "bytes"), size);
  const double part = size == 0 ? 1 : static_cast<double>(bytes) / static_cast<double>(size);
  const auto filled = static_cast<std::size_t>(part * static_cast<double>(kWidth));
  std::string line =
      fmt::format("[{}{}] {:3} %  {} of {}", std::string(filled, '#'), std::string(kWidth - filled, '.'),
                  static_cast<int>(part * 100), format_bytes(bytes), format_bytes(size));
  if (state == "checking") return line + "  checking what is there already";
  if (bytes == size) return line + "  waiting until it is stored";
  if (member(transfer, "rate").is_number()) line += "  " + format_bytes(member(transfer, "rate")) + "/s";
  if (member(transfer, "left_ms").is_number()) line += "  " + clock(number(transfer, "left_ms")) + " left";
  return line;
}

void ProgressBar::draw(const std::string& line) {
  if (!terminal_) return;
  // To the line's beginning, and what was there is erased (ECMA-48 EL).
  out_ << "\r\x1b[K" << line << std::flush;
  drawn_ = true;
}

void ProgressBar::clear() {
  if (!drawn_) return;
  out_ << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

}  // namespace p2pd::ctl
