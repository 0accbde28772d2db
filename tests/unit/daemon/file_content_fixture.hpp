// Files in a folder of the test's own, and a peer's thread that runs while the test waits.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/descriptor.hpp"
#include "daemon/file_worker.hpp"
#include "net/crypto.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::daemon::test {

class FileContentTest : public store::StoreTest {
 protected:
  // Starts something and runs the peer's thread until it has answered.
  template <class T, class Start>
  T answer(Start start) {
    auto value = std::make_shared<std::optional<T>>();
    start([value](T given) { *value = std::move(given); });
    while (!*value) io.run_one();
    return std::move(**value);
  }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_.file(name); }
  static base::Bytes pattern(std::size_t size, std::uint8_t seed = 1) {
    base::Bytes out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(seed + i * 31 + i / 253);
    return out;
  }
  void put(const std::string& name, base::ByteView content) const {
    std::ofstream out(path(name), std::ios::binary);
    out.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  }
  [[nodiscard]] base::Bytes content(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    base::Bytes out(static_cast<std::size_t>(std::filesystem::file_size(path(name))));
    in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
    EXPECT_TRUE(in);
    return out;
  }
  [[nodiscard]] base::Descriptor opened(const std::string& name, int flags = O_RDONLY) const {
    return base::Descriptor(::open(path(name).c_str(), flags | O_CLOEXEC));
  }

  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  FileWorker worker;
};

}  // namespace p2pd::daemon::test
