// A QR code for a terminal: half-block characters, two modules a character, dark on light whatever the
// terminal's colours are. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace p2pd::ctl {

// Lines of text with the quiet zone of four modules (ISO/IEC 18004 section 9.1) around the code. With `paint`
// each line sets its colours by escape sequences; without, light modules are full blocks, for a dark
// terminal. Nothing when the text does not fit a code (over 2,953 bytes), or is empty.
[[nodiscard]] std::optional<std::string> draw_qr(std::string_view text, bool paint);

}  // namespace p2pd::ctl
