#include "ctl/qr.hpp"

#include <memory>

#include <qrencode.h>

namespace p2pd::ctl {
namespace {

constexpr int kQuietZone = 4;
constexpr std::string_view kBlackOnWhite = "\x1b[30;107m";
constexpr std::string_view kReset = "\x1b[0m";

struct Free {
  void operator()(QRcode* code) const { QRcode_free(code); }
};

class Modules {
 public:
  explicit Modules(const QRcode& code) : code_(code) {}

  [[nodiscard]] int size() const { return code_.width + 2 * kQuietZone; }
  [[nodiscard]] bool dark(int row, int column) const {
    row -= kQuietZone;
    column -= kQuietZone;
    if (row < 0 || column < 0 || row >= code_.width || column >= code_.width) return false;
    return (code_.data[row * code_.width + column] & 1) != 0;
  }

 private:
  const QRcode& code_;
};

// The character whose upper and lower half are drawn or not.
std::string_view block(bool upper, bool lower) {
  if (upper) return lower ? "\u2588" : "\u2580";
  return lower ? "\u2584" : " ";
}

}  // namespace

std::optional<std::string> draw_qr(std::string_view text, bool paint) {
  // Binary mode: the text is not split into segments, and a NUL would not end it.
  const std::unique_ptr<QRcode, Free> code(QRcode_encodeData(
      static_cast<int>(text.size()), reinterpret_cast<const unsigned char*>(text.data()), 0, QR_ECLEVEL_L));
  if (!code) return std::nullopt;
  const Modules modules(*code);
  std::string out;
  for (int row = 0; row < modules.size(); row += 2) {
    if (paint) out += kBlackOnWhite;
    for (int column = 0; column < modules.size(); ++column) {
      const bool upper = modules.dark(row, column);
      // An odd size leaves half a line, which belongs to the quiet zone.
      const bool lower = modules.dark(row + 1, column);
      out += paint ? block(upper, lower) : block(!upper, !lower);
    }
    if (paint) out += kReset;
    out += '\n';
  }
  return out;
}

}  // namespace p2pd::ctl
