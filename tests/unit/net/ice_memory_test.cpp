#include "net/ice_memory.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace p2pd::net {
namespace {

constexpr std::size_t kBuffer = 65'535;

struct FreeBlock {
  void operator()(std::uint8_t* block) const { std::free(block); }
};
using BlockPtr = std::unique_ptr<std::uint8_t, FreeBlock>;

BlockPtr take_block(std::size_t size) { return BlockPtr(static_cast<std::uint8_t*>(std::malloc(size))); }

TEST(IceMemory, LeavesAShortBlockAsItIs) {
  const BlockPtr block = take_block(50'000);
  std::memset(block.get(), 7, 50'000);
  forget_contents(block.get());
  EXPECT_TRUE(std::all_of(block.get(), block.get() + 50'000, [](std::uint8_t byte) { return byte == 7; }));
}

TEST(IceMemory, KeepsWhatLiesAroundAForgottenBuffer) {
  std::vector<BlockPtr> blocks;
  for (int i = 0; i < 9; ++i) {
    blocks.push_back(take_block(kBuffer));
    std::memset(blocks.back().get(), i + 1, kBuffer);
  }
  for (std::size_t i = 1; i < blocks.size(); i += 2) forget_contents(blocks[i].get());
  for (std::size_t i = 0; i < blocks.size(); i += 2) {
    const std::uint8_t* block = blocks[i].get();
    EXPECT_TRUE(std::all_of(block, block + kBuffer, [&](std::uint8_t byte) { return byte == i + 1; })) << i;
  }
  // And it can be used again.
  for (std::size_t i = 1; i < blocks.size(); i += 2) {
    std::uint8_t* block = blocks[i].get();
    std::memset(block, 99, kBuffer);
    EXPECT_TRUE(std::all_of(block, block + kBuffer, [](std::uint8_t byte) { return byte == 99; })) << i;
  }
}

#if defined(__linux__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)

class SparseMemory : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    GTEST_SKIP() << "a malloc of the sanitizer's";
#endif
#endif
  }
  // Bytes with memory behind them, of the whole pages in the block.
  static std::size_t resident(const std::uint8_t* block) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const auto past = reinterpret_cast<std::uintptr_t>(block) % page;
    auto* const first = const_cast<std::uint8_t*>(block) + (page - past);
    const std::size_t size = (kBuffer - (page - past)) / page * page;
    std::vector<unsigned char> pages(size / page);
    EXPECT_EQ(::mincore(first, size, pages.data()), 0);
    return page * static_cast<std::size_t>(
                      std::ranges::count_if(pages, [](unsigned char one) { return (one & 1) != 0; }));
  }
};

TEST_F(SparseMemory, IsNeverWhatWasUsedBefore) {
  // Free places in the middle of the heap, with memory behind them.
  std::vector<BlockPtr> blocks;
  for (int i = 0; i < 20; ++i) {
    blocks.push_back(take_block(100'000));
    std::memset(blocks.back().get(), 1, 100'000);
  }
  for (std::size_t i = 0; i < blocks.size(); i += 2) blocks[i].reset();
  std::vector<BlockPtr> buffers;
  for (int agent = 0; agent < 5; ++agent) {
    const SparseBuffers sparse;
    buffers.push_back(take_block(kBuffer));
    buffers.push_back(take_block(kBuffer + 2));
  }
  for (const BlockPtr& buffer : buffers) EXPECT_EQ(resident(buffer.get()), 0U);
}

TEST_F(SparseMemory, IsGivenBackWhenTheContentsAreForgotten) {
  const BlockPtr block = [] {
    const SparseBuffers sparse;
    return take_block(kBuffer);
  }();
  std::memset(block.get(), 1, kBuffer);
  EXPECT_GT(resident(block.get()), 50'000U);
  forget_contents(block.get());
  EXPECT_EQ(resident(block.get()), 0U);
  EXPECT_EQ(block.get()[0], 1);
}

#endif

}  // namespace
}  // namespace p2pd::net
