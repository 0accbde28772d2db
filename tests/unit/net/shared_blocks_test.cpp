#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <ngtcp2/ngtcp2.h>

#include "net/quic_memory.hpp"

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace p2pd::net {
namespace {

class QuicMemory : public testing::Test {
 protected:
  void SetUp() override {
    if (memory_ == nullptr) GTEST_SKIP() << "ngtcp2's own way here";
  }
  std::uint8_t* take(std::size_t size) {
    return static_cast<std::uint8_t*>(memory_->malloc(size, memory_->user_data));
  }
  void free(void* block) { memory_->free(block, memory_->user_data); }

  const ngtcp2_mem* const memory_ = quic_memory();
};

TEST_F(QuicMemory, HoldsWhatIsWrittenWhateverTheSize) {
  const std::vector<std::size_t> sizes{1, 4'248, 6'143, 6'144, 8'216, 12'184, 16'384, 16'385, 100'000};
  std::vector<std::uint8_t*> blocks;
  for (int round = 0; round < 50; ++round) {
    for (const std::size_t size : sizes) {
      blocks.push_back(take(size));
      ASSERT_NE(blocks.back(), nullptr);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks.back()) % 16, 0U);
      std::memset(blocks.back(), round, size);
    }
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::span<std::uint8_t> bytes(blocks[i], sizes[i % sizes.size()]);
    ASSERT_TRUE(std::ranges::all_of(bytes, [&](std::uint8_t byte) { return byte == i / sizes.size() % 256; }))
        << i;
    free(blocks[i]);
  }
  free(nullptr);
}

TEST_F(QuicMemory, KeepsTheContentsOfAResizedBlock) {
  for (const std::size_t from : {100U, 8'216U}) {
    for (const std::size_t to : {50U, 7'192U, 12'184U, 50'000U}) {
      std::uint8_t* block = take(from);
      for (std::size_t i = 0; i < from; ++i) block[i] = static_cast<std::uint8_t>(i % 251);
      block = static_cast<std::uint8_t*>(memory_->realloc(block, to, memory_->user_data));
      ASSERT_NE(block, nullptr);
      for (std::size_t i = 0; i < std::min(from, to); ++i) ASSERT_EQ(block[i], i % 251) << from << to;
      free(block);
    }
  }
}

TEST_F(QuicMemory, ZeroesWhatIsToBeZero) {
  for (int round = 0; round < 3; ++round) {
    auto* block = static_cast<std::uint8_t*>(memory_->calloc(3, 3'000, memory_->user_data));
    EXPECT_TRUE(std::all_of(block, block + 9'000, [](std::uint8_t byte) { return byte == 0; }));
    std::memset(block, 1, 9'000);
    free(block);
  }
}

TEST_F(QuicMemory, ServesManyThreads) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (int round = 0; round < 50; ++round) {
        std::vector<std::uint8_t*> blocks;
        for (int i = 0; i < 8; ++i) {
          blocks.push_back(take(8'216));
          std::memset(blocks.back(), thread, 8'216);
        }
        for (std::uint8_t* block : blocks) {
          EXPECT_TRUE(std::all_of(block, block + 8'216, [&](std::uint8_t byte) { return byte == thread; }));
          free(block);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

#ifdef __linux__
// Which pages of the block have memory behind them.
std::vector<bool> present(std::uint8_t* block, std::size_t size) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((size + page - 1) / page);
  EXPECT_EQ(::mincore(block, size, pages.data()), 0);
  std::vector<bool> out;
  for (const unsigned char one : pages) out.push_back((one & 1) != 0);
  return out;
}

TEST_F(QuicMemory, TakesMemoryOnlyForWhatOfABlockIsUsed) {
  if (::sysconf(_SC_PAGESIZE) != 4'096) GTEST_SKIP() << "other pages";
  std::uint8_t* block = take(12'184);
  EXPECT_EQ(present(block, 12'184), (std::vector{false, false, false}));
  block[0] = 1;
  EXPECT_EQ(present(block, 12'184), (std::vector{true, false, false}));
  std::memset(block, 1, 12'184);
  free(block);
  // The same one again, or another: nothing is behind it.
  block = take(12'184);
  EXPECT_EQ(present(block, 12'184), (std::vector{false, false, false}));
  free(block);
}
#endif

}  // namespace
}  // namespace p2pd::net
