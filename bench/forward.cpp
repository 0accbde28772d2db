// bench_forward serve: a service on a port of loopback, which it prints, until its standard input ends.
// bench_forward ask PORT CONNECTIONS BYTES [stalled]: so many at once, each asking for and getting so many
// bytes that nobody else gets, whose SHA-256 is verified; prints how long they took. `stalled`: one more,
// which asked for 64 MB before and never reads.
//
// A question is the connection's number (32 bits) and the number of bytes (64), in network order.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <openssl/evp.h>
#include <unistd.h>

#include "base/descriptor_limit.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// A prime, so that each connection's bytes begin elsewhere in the same ones and are its own.
constexpr std::size_t kPattern = 1'000'003;
constexpr std::uint64_t kStride = 7'919;
constexpr std::size_t kBenchBlock = 64 * 1024;
constexpr std::uint64_t kStalledAsksFor = 64'000'000;
constexpr std::uint32_t kStalledNumber = 0xffffffff;
constexpr auto kLookAtStalled = 50ms;
constexpr int kStandsStill = 10;  // looks

const std::vector<std::uint8_t>& pattern() {
  static const auto made = [] {
    std::vector<std::uint8_t> bytes(kPattern);
    std::uint64_t state = 1;
    for (std::uint8_t& byte : bytes) {  // Knuth's MMIX constants
      state = state * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
      byte = static_cast<std::uint8_t>(state >> 56U);
    }
    return bytes;
  }();
  return made;
}

// The next bytes of a connection's answer, at most a block.
class Content {
 public:
  Content(std::uint32_t number, std::uint64_t size)
      : at_(static_cast<std::size_t>(number * kStride % kPattern)), left_(size) {}

  asio::const_buffer next() {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>({kBenchBlock, kPattern - at_, left_}));
    const asio::const_buffer piece(pattern().data() + at_, size);
    at_ = (at_ + size) % kPattern;
    left_ -= size;
    return piece;
  }

 private:
  std::size_t at_;
  std::uint64_t left_;
};

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void add(const void* data, std::size_t size) { EVP_DigestUpdate(context_.get(), data, size); }
  std::array<std::uint8_t, 32> digest() {
    std::array<std::uint8_t, 32> out{};
    EVP_DigestFinal_ex(context_.get(), out.data(), nullptr);
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

using Question = std::array<std::uint8_t, 12>;

Question question(std::uint32_t number, std::uint64_t size) {
  Question out{};
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  for (std::size_t i = 0; i < 8; ++i) out[4 + i] = static_cast<std::uint8_t>(size >> (56 - 8 * i));
  return out;
}

// --- the service ---

asio::awaitable<void> answer(tcp::socket socket) {
  Question asked{};
  const auto [bad, read] = co_await asio::async_read(socket, asio::buffer(asked), kTuple);
  if (bad) co_return;
  std::uint64_t number = 0;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8U | asked[i];
  for (std::size_t i = 4; i < asked.size(); ++i) size = size << 8U | asked[i];
  Content content(static_cast<std::uint32_t>(number), size);
  for (asio::const_buffer piece = content.next(); piece.size() > 0; piece = content.next()) {
    const auto [failed, written] = co_await asio::async_write(socket, piece, kTuple);
    if (failed) co_return;
  }
  boost::system::error_code ignored;
  socket.shutdown(tcp::socket::shutdown_send, ignored);
  std::uint8_t end = 0;
  co_await socket.async_read_some(asio::buffer(&end, 1), kTuple);
}

void rethrow(const std::exception_ptr& thrown) {
  if (thrown) std::rethrow_exception(thrown);
}

asio::awaitable<void> accept_all(tcp::acceptor& acceptor) {
  for (;;) {
    auto [failed, socket] = co_await acceptor.async_accept(kTuple);
    if (failed) throw std::runtime_error("cannot accept: " + failed.message());
    asio::co_spawn(acceptor.get_executor(), answer(std::move(socket)), rethrow);
  }
}

void serve() {
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  std::printf("%u\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  asio::co_spawn(io, accept_all(acceptor), rethrow);
  asio::posix::stream_descriptor input(io, ::dup(STDIN_FILENO));
  input.async_wait(asio::posix::stream_descriptor::wait_read, [&](auto) { io.stop(); });
  io.run();
}

// --- those who ask ---

struct Asker {
  std::uint32_t number = 0;
  std::uint64_t size = 0;
  std::array<std::uint8_t, 32> expected{};
  double took_ms = 0;
};

// Waits for its bytes without a buffer of its own.
asio::awaitable<void> ask(asio::io_context& io, tcp::endpoint service, Asker& asker,
                          std::vector<std::uint8_t>& scratch) {
  const auto start = Clock::now();
  tcp::socket socket(io);
  co_await socket.async_connect(service, asio::use_awaitable);
  socket.non_blocking(true);
  const Question asked = question(asker.number, asker.size);
  co_await asio::async_write(socket, asio::buffer(asked), asio::use_awaitable);
  Sha256 heard;
  for (boost::system::error_code error; error != asio::error::eof;) {
    const std::size_t count = socket.read_some(asio::buffer(scratch), error);
    heard.add(scratch.data(), count);
    if (error == asio::error::would_block) {
      co_await socket.async_wait(tcp::socket::wait_read, asio::use_awaitable);
    } else if (error && error != asio::error::eof) {
      throw std::runtime_error("a connection broke: " + error.message());
    }
  }
  asker.took_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  if (heard.digest() != asker.expected) throw std::runtime_error("a connection got other bytes than its own");
}

// Comes back when nothing more moves towards it.
void stall(tcp::socket& socket, const tcp::endpoint& service) {
  socket.connect(service);
  asio::write(socket, asio::buffer(question(kStalledNumber, kStalledAsksFor)));
  std::size_t before = 0;
  for (int still = 0; still < kStandsStill;) {
    std::this_thread::sleep_for(kLookAtStalled);
    const std::size_t now = socket.available();
    still = now > 0 && now == before ? still + 1 : 0;
    before = now;
  }
  if (before >= kStalledAsksFor) throw std::runtime_error("all has gone to a connection that does not read");
}

void ask_all(std::uint16_t port, std::uint32_t connections, std::uint64_t size, bool stalled) {
  const tcp::endpoint service(asio::ip::address_v4::loopback(), port);
  asio::io_context io;
  std::vector<Asker> askers(connections);
  for (std::uint32_t number = 0; number < connections; ++number) {
    askers[number] = {number, size, {}, 0};
    Sha256 sha;
    Content content(number, size);
    for (asio::const_buffer piece = content.next(); piece.size() > 0; piece = content.next()) {
      sha.add(piece.data(), piece.size());
    }
    askers[number].expected = sha.digest();
  }
  tcp::socket idle(io);
  if (stalled) stall(idle, service);
  std::vector<std::uint8_t> scratch(kBenchBlock);
  const auto start = Clock::now();
  for (Asker& asker : askers) asio::co_spawn(io, ask(io, service, asker, scratch), rethrow);
  io.run();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::sort(askers.begin(), askers.end(),
            [](const Asker& a, const Asker& b) { return a.took_ms < b.took_ms; });
  std::printf(R"({"p99_ms":%.0f,"p50_ms":%.0f,"mb_per_s":%.1f})"
              "\n",
              askers[connections * 99 / 100].took_ms, askers[connections / 2].took_ms,
              static_cast<double>(size) * connections / 1e6 / seconds);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool serves = arguments.size() == 1 && arguments[0] == "serve";
  const bool stalled = arguments.size() == 5 && arguments[4] == "stalled";
  if (!serves && (!stalled && arguments.size() != 4)) {
    std::fputs("usage: bench_forward serve | ask PORT CONNECTIONS BYTES [stalled]\n", stderr);
    return 3;
  }
  try {
    p2pd::base::raise_descriptor_limit();
    if (serves) {
      serve();
    } else {
      ask_all(static_cast<std::uint16_t>(std::stoul(arguments[1])),
              static_cast<std::uint32_t>(std::stoul(arguments[2])), std::stoull(arguments[3]), stalled);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_forward: %s\n", error.what());
    return 1;
  }
  return 0;
}
