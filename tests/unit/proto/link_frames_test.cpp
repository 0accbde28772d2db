#include "proto/link_frames.hpp"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/proto/malformed.hpp"

namespace p2pd::proto {
namespace {

// Not a MAC anyone should use: FNV-1a over key and bytes, enough to notice any change.
class FakeMac {
 public:
  explicit constexpr FakeMac(std::uint64_t key) : key_(key) {}
  std::array<std::uint8_t, 32> operator()(base::ByteView bytes) const {
    std::uint64_t state = 0xcbf29ce484222325 ^ key_;
    for (const std::uint8_t byte : bytes) state = (state ^ byte) * 0x100000001b3;
    std::array<std::uint8_t, 32> out;
    for (std::size_t i = 0; i < out.size(); ++i) {
      state = state * 6364136223846793005 + 1442695040888963407;
      out[i] = static_cast<std::uint8_t>(state >> 56);
    }
    return out;
  }

 private:
  std::uint64_t key_;
};

constexpr FakeMac kMac(1);

LinkFrame probe(std::uint64_t counter, std::uint16_t size = kMinLinkFrame) {
  return {counter, {1, 2, 3, 4, 5, 6, 7, 8}, LinkProbe{size, LinkPath::direct}};
}
LinkFrame answer(std::uint64_t counter) {
  return {counter, {9, 9, 9, 9, 9, 9, 9, 9}, LinkAnswer{1'452, LinkPath::turn}};
}
LinkFrame switched(std::uint64_t counter) {
  return {counter, {}, LinkSwitched{LinkPath::relay, 0x0102030405060708}};
}

base::Result<LinkFrame> open(const base::Bytes& frame) {
  ReplayWindow window;
  return open_link_frame(frame, kMac, window);
}

TEST(LinkFrames, HaveTheDocumentedBytes) {
  const base::Bytes bytes = seal_link_frame(switched(0x1122), kMac);
  EXPECT_EQ(base::to_hex(base::ByteView(bytes).first(bytes.size() - kLinkMacSize)),
            "83"
            "0000000000001122"
            "0000000000000000"
            "02"
            "0102030405060708");
  EXPECT_EQ(base::to_hex(link_frame_layout(answer(1))),
            "82"
            "0000000000000001"
            "0909090909090909"
            "05ac"
            "01");
  EXPECT_EQ(base::to_hex(link_frame_layout(probe(2, 40))),
            "81"
            "0000000000000002"
            "0102030405060708"
            "0028"
            "00"
            "00000000");
}

TEST(LinkFrames, SurviveTheRoundTrip) {
  for (const LinkFrame& frame : {probe(1), probe(2, 1'200), probe(3, 16'000), answer(4), switched(5)}) {
    EXPECT_EQ(open(seal_link_frame(frame, kMac)).value(), frame);
  }
}

TEST(LinkFrames, AProbeIsExactlyAsLongAsItSays) {
  for (const int bytes : {36, 37, 1'200, 1'452, 8'900, 16'000}) {
    const auto size = static_cast<std::uint16_t>(bytes);
    EXPECT_EQ(seal_link_frame(probe(1, size), kMac).size(), size);
  }
  // Sealed by a peer that says one size and sends another.
  for (const int claimed : {35, 37, 0}) {
    base::Bytes layout = link_frame_layout(probe(1));
    layout[17] = 0;
    layout[18] = static_cast<std::uint8_t>(claimed);
    const auto tag = kMac(layout);
    layout.insert(layout.end(), tag.begin(), tag.begin() + kLinkMacSize);
    EXPECT_EQ(open(layout).error().code, FrameError::bad_value);
  }
}

TEST(LinkFrames, PaddingIsZero) {
  base::Bytes layout = link_frame_layout(probe(1, 60));
  layout.back() = 1;
  EXPECT_EQ(parse_link_frame_layout(layout).error().code, FrameError::bad_value);
}

TEST(LinkFrames, AreForgedAfterAnyFlippedBit) {
  for (const LinkFrame& frame : {probe(1, 50), answer(1), switched(1)}) {
    const base::Bytes sealed = seal_link_frame(frame, kMac);
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      base::Bytes flipped = sealed;
      flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << (bit % 8)));
      EXPECT_EQ(open(flipped).error().code, FrameError::forged) << bit;
    }
  }
}

TEST(LinkFrames, AreForgedUnderAnotherKey) {
  ReplayWindow window;
  const base::Bytes sealed = seal_link_frame(answer(1), FakeMac(2));
  EXPECT_EQ(open_link_frame(sealed, kMac, window).error().code, FrameError::forged);
}

TEST(LinkFrames, AreRefusedAtEveryTruncation) {
  for (const LinkFrame& frame : {probe(1, 60), answer(1), switched(1)}) {
    test::expect_truncations_refused(seal_link_frame(frame, kMac), open);
    test::expect_truncations_refused(link_frame_layout(frame), parse_link_frame_layout);
    test::expect_extension_refused(link_frame_layout(frame), parse_link_frame_layout);
  }
}

TEST(LinkFrames, OverTheLargestSizeAreRefusedUnread) {
  EXPECT_EQ(open(base::Bytes(kMaxLinkFrame + 1, 0x81)).error().code, FrameError::too_large);
}

TEST(LinkFrames, SurviveBitFlipsAndNoiseBehindTheMac) {
  const auto encode = [](const LinkFrame& frame) { return link_frame_layout(frame); };
  for (const LinkFrame& frame : {probe(1, 50), answer(1), switched(1)}) {
    test::expect_survives_bit_flips(link_frame_layout(frame), parse_link_frame_layout, encode);
  }
  test::expect_survives_noise(parse_link_frame_layout, encode, 0xff);
}

TEST(LinkFrames, OfUnknownTypeOrPathAreRefused) {
  base::Bytes layout = link_frame_layout(answer(1));
  for (const int first : {0x80, 0x84, 0xbf, 0x02, 0x42, 0xc2}) {
    layout[0] = static_cast<std::uint8_t>(first);
    EXPECT_EQ(parse_link_frame_layout(layout).error().code, FrameError::unknown_type);
  }
  for (const LinkFrame& frame : {probe(1), answer(1)}) {
    base::Bytes bad_path = link_frame_layout(frame);
    bad_path[19] = 3;
    EXPECT_EQ(parse_link_frame_layout(bad_path).error().code, FrameError::bad_value);
  }
  base::Bytes bad_switch = link_frame_layout(switched(1));
  bad_switch[17] = 3;
  EXPECT_EQ(parse_link_frame_layout(bad_switch).error().code, FrameError::bad_value);
}

TEST(LinkFrames, AreTakenOnce) {
  ReplayWindow window;
  const base::Bytes first = seal_link_frame(answer(1), kMac);
  const base::Bytes second = seal_link_frame(probe(2), kMac);
  EXPECT_TRUE(open_link_frame(second, kMac, window));
  EXPECT_TRUE(open_link_frame(first, kMac, window)) << "reordered";
  EXPECT_EQ(open_link_frame(first, kMac, window).error().code, FrameError::replayed);
  EXPECT_EQ(open_link_frame(second, kMac, window).error().code, FrameError::replayed);
}

TEST(LinkFrames, AForgedOneDoesNotUseItsCounterUp) {
  ReplayWindow window;
  const base::Bytes sealed = seal_link_frame(answer(5'000), kMac);
  base::Bytes forged = sealed;
  forged.back() ^= 1;
  EXPECT_FALSE(open_link_frame(forged, kMac, window));
  EXPECT_TRUE(open_link_frame(seal_link_frame(answer(1), kMac), kMac, window)) << "the window did not move";
  EXPECT_TRUE(open_link_frame(sealed, kMac, window));
}

TEST(ReplayWindow, AcceptsEachCounterOnce) {
  ReplayWindow window;
  for (std::uint64_t counter = 0; counter < 5'000; ++counter) {
    EXPECT_TRUE(window.accept(counter));
    EXPECT_FALSE(window.accept(counter));
  }
}

TEST(ReplayWindow, HoldsTheNewest1024) {
  ReplayWindow window;
  EXPECT_TRUE(window.accept(2'000));
  EXPECT_TRUE(window.accept(2'000 - 1'023));
  EXPECT_FALSE(window.accept(2'000 - 1'024)) << "too old";
  EXPECT_FALSE(window.accept(0));
  EXPECT_TRUE(window.accept(2'001));
  EXPECT_FALSE(window.accept(2'000 - 1'023)) << "slid out, and it was seen";
}

TEST(ReplayWindow, ForgetsNothingAcrossJumps) {
  ReplayWindow window;
  EXPECT_TRUE(window.accept(10));
  EXPECT_TRUE(window.accept(10 + 1'023));
  EXPECT_FALSE(window.accept(10));
  EXPECT_TRUE(window.accept(11));
  EXPECT_TRUE(window.accept(1'000'000));
  EXPECT_FALSE(window.accept(10 + 1'023));
  EXPECT_TRUE(window.accept(999'999));
}

TEST(ReplayWindow, WorksUpToTheLastCounter) {
  constexpr std::uint64_t kLast = ~std::uint64_t{0};
  ReplayWindow window;
  EXPECT_TRUE(window.accept(kLast - 1));
  EXPECT_TRUE(window.accept(kLast));
  EXPECT_FALSE(window.accept(kLast));
  EXPECT_TRUE(window.accept(kLast - 1'023));
  EXPECT_FALSE(window.accept(kLast - 1'024));
}

TEST(ReplayWindow, AgreesWithAPlainSetOverRandomOrders) {
  std::mt19937_64 random(11);
  ReplayWindow window;
  std::set<std::uint64_t> seen;
  std::uint64_t highest = 0;
  for (int round = 0; round < 50'000; ++round) {
    const std::uint64_t around = highest + random() % 1'100;
    const std::uint64_t counter = around > 1'050 ? around - 1'050 : around;
    const bool in_window = seen.empty() || counter > highest || highest - counter < 1'024;
    const bool expected = in_window && seen.insert(counter).second;
    ASSERT_EQ(window.accept(counter), expected) << counter << " of " << highest;
    if (expected) highest = std::max(highest, counter);
  }
}

}  // namespace
}  // namespace p2pd::proto
