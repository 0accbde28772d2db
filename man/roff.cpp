#include "man/roff.hpp"

#include <cctype>

namespace p2pd::man {
namespace {

bool is_capital(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }

}  // namespace

std::string literal(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '~':
        out += "\\(ti";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '.':
        // At the start of a line it would be a request.
        out += out.empty() || out.back() == '\n' ? "\\&." : ".";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string bold(std::string_view text) { return "\\fB" + literal(text) + "\\fR"; }

std::string prose(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('`');
    const std::size_t close = open == std::string_view::npos ? open : text.find('`', open + 1);
    out += literal(text.substr(0, close == std::string_view::npos ? text.size() : open));
    if (close == std::string_view::npos) break;
    out += bold(text.substr(open + 1, close - open - 1));
    text.remove_prefix(close + 1);
  }
  return out;
}

std::string argument(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t end = 0;
    const bool capital = is_capital(text.front());
    while (end < text.size() && is_capital(text[end]) == capital) ++end;
    const std::string piece = literal(text.substr(0, end));
    out += capital ? "\\fI" + piece + "\\fR" : piece;
    text.remove_prefix(end);
  }
  return out;
}

}  // namespace p2pd::man
