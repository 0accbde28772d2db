#include "ctl/qr.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace p2pd::ctl {
namespace {

// The drawing as modules again, true for dark, quiet zone included.
std::vector<std::vector<bool>> read(const std::string& drawing, bool paint) {
  std::vector<std::vector<bool>> rows;
  std::vector<bool> upper;
  std::vector<bool> lower;
  const auto put = [&](bool high, bool low) {
    upper.push_back(high == paint);
    lower.push_back(low == paint);
  };
  for (std::size_t at = 0; at < drawing.size();) {
    const std::string_view rest = std::string_view(drawing).substr(at);
    if (rest.front() == '\x1b') {
      at += rest.find('m') + 1;
    } else if (rest.front() == '\n') {
      rows.push_back(std::exchange(upper, {}));
      rows.push_back(std::exchange(lower, {}));
      ++at;
    } else if (rest.front() == ' ') {
      put(false, false);
      ++at;
    } else {
      const std::string_view block = rest.substr(0, 3);
      put(block != "\u2584", block != "\u2580");
      at += 3;
    }
  }
  return rows;
}

// ISO/IEC 18004 section 6.3.3: the three finder patterns, and nothing but light around the code.
void expect_code(const std::vector<std::vector<bool>>& rows) {
  const std::size_t size = rows.front().size();
  ASSERT_GE(size, 21U + 8U);
  ASSERT_GE(rows.size(), size);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    ASSERT_EQ(rows[row].size(), size);
    for (std::size_t column = 0; column < size; ++column) {
      const bool inside = row >= 4 && column >= 4 && row < size - 4 && column < size - 4;
      EXPECT_FALSE(!inside && rows[row][column]) << row << "," << column;
    }
  }
  const auto finder = [&](std::size_t top, std::size_t left) {
    for (std::size_t row = 0; row < 7; ++row) {
      for (std::size_t column = 0; column < 7; ++column) {
        const bool edge = row == 0 || row == 6 || column == 0 || column == 6;
        const bool middle = row >= 2 && row <= 4 && column >= 2 && column <= 4;
        EXPECT_EQ(rows[top + row][left + column], edge || middle);
      }
    }
  };
  finder(4, 4);
  finder(4, size - 11);
  finder(size - 11, 4);
}

TEST(Qr, IsDrawnAlikeWithAndWithoutColours) {
  const std::string text(150, 'a');
  const auto painted = draw_qr(text, true);
  const auto plain = draw_qr(text, false);
  ASSERT_TRUE(painted && plain);
  expect_code(read(*painted, true));
  const auto modules = read(*plain, false);
  expect_code(modules);
  // The lower half of an odd last line is drawn as paper in either way.
  EXPECT_EQ(read(*painted, true), modules);
  EXPECT_EQ(plain->find('\x1b'), std::string::npos);
}

TEST(Qr, HoldsNoMoreThanACodeCan) {
  EXPECT_TRUE(draw_qr(std::string(2'953, 'a'), false));
  EXPECT_FALSE(draw_qr(std::string(2'954, 'a'), false));
  EXPECT_FALSE(draw_qr("", false));
}

}  // namespace
}  // namespace p2pd::ctl
