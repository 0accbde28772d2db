// The clients' end of a relay measurement: many sessions, each with a key of its own, as daemons keep them.
// bench/run.py starts the relay, and reads its memory and CPU time while these do what they are told.
//   bench_relay URL CA_FILE|- sessions N            says {"online": N} each time all are online; ends with
//   its input bench_relay URL CA_FILE|- forward PAIRS SECONDS packets of 1,200 bytes, as many as go through
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <unistd.h>

#include "base/descriptor_limit.hpp"
#include "base/log.hpp"
#include "net/relay_session.hpp"

namespace {

namespace asio = boost::asio;
using namespace p2pd;
using base::ByteView;
using base::Clock;
using net::RelaySession;

constexpr std::size_t kPacket = 1'200;
constexpr int kInFlight = 64;  // for each pair: enough to keep the relay busy, below what its queue drops

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

class Clients final : private net::RelayEvents {
 public:
  Clients(net::RelayUrl url, std::string ca_file, std::size_t count) : input_(io_), end_(io_) {
    net::RelayEvents& events = *this;
    for (std::size_t i = 0; i < count; ++i) {
      net::RelaySessionConfig config;
      config.url = url;
      config.ca_file = ca_file;
      config.identity = ids_.emplace_back(net::Identity::generate());
      sessions_.push_back(std::make_unique<RelaySession>(io_.get_executor(), std::move(config), events));
    }
  }

  // Both end with the program: there is nothing to say goodbye for.
  [[noreturn]] void keep_online() {
    start();
    wait_for_input();
    io_.run();
    std::_Exit(0);
  }
  [[noreturn]] void forward(std::chrono::seconds time) {
    forwarding_for_ = time;
    start();
    io_.run();
    std::_Exit(0);
  }

 private:
  void start() {
    for (const auto& session : sessions_) session->start();
  }
  void wait_for_input() {
    input_.assign(::dup(STDIN_FILENO));
    input_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [this](boost::system::error_code) { io_.stop(); });
  }
  void begin_forwarding() {
    started_ = Clock::now();
    for (std::size_t i = 0; i < sessions_.size(); ++i) {
      for (int k = 0; k < kInFlight; ++k) send_from(i);
    }
    end_.expires_after(forwarding_for_);
    end_.async_wait([this](boost::system::error_code) {
      const std::chrono::duration<double> wall = Clock::now() - started_;
      std::printf("{\"packets\": %llu, \"seconds\": %.3f}\n", static_cast<unsigned long long>(packets_),
                  wall.count());
      std::fflush(stdout);
      io_.stop();
    });
  }
  // The two of a pair stand side by side.
  void send_from(std::size_t index) {
    if (!sessions_[index]->send(ids_[index ^ 1]->id(), packet_)) fail("a packet was not taken");
  }

  void on_relay_online(RelaySession&) override {
    if (++online_ < sessions_.size()) return;
    std::printf("{\"online\": %zu}\n", online_);
    std::fflush(stdout);
    if (forwarding_for_.count() > 0) begin_forwarding();
  }
  void on_relay_offline(RelaySession&, const std::string& reason) override {
    --online_;
    if (forwarding_for_.count() > 0) fail(reason);
  }
  void on_relay_datagram(RelaySession& session, const base::PeerId&, ByteView) override {
    ++packets_;
    if (!session.send(peer_of(session), packet_)) fail("a packet was not taken");
  }
  void on_relay_presence(RelaySession&, const base::PeerId&, proto::RelayPresenceState) override {}
  void on_relay_knock(RelaySession&, const base::PeerId&, ByteView) override {}

  const base::PeerId& peer_of(const RelaySession& session) {
    for (std::size_t i = 0; i < sessions_.size(); ++i) {
      if (sessions_[i].get() == &session) return ids_[i ^ 1]->id();
    }
    fail("an unknown session");
  }

  asio::io_context io_{1};
  asio::posix::stream_descriptor input_;
  asio::steady_timer end_;
  std::vector<std::shared_ptr<const net::Identity>> ids_;
  std::vector<std::unique_ptr<RelaySession>> sessions_;
  const base::Bytes packet_ = base::Bytes(kPacket, 0xc4);
  std::size_t online_ = 0;
  std::uint64_t packets_ = 0;
  std::chrono::seconds forwarding_for_{0};
  Clock::time_point started_{};
};

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int at) { return argc > at ? std::strtoul(argv[at], nullptr, 10) : 0; };
  const bool sessions = argc == 5 && std::strcmp(argv[3], "sessions") == 0;
  const bool forward = argc == 6 && std::strcmp(argv[3], "forward") == 0 && number(5) > 0;
  if ((!sessions && !forward) || number(4) == 0) {
    std::fprintf(stderr, "usage: %s URL CA_FILE|- sessions N | forward PAIRS SECONDS\n", argv[0]);
    return 3;
  }
  const auto url = net::RelayUrl::parse(argv[1]);
  if (!url) fail(url.error().message());
  p2pd::base::raise_descriptor_limit();
  base::log::set_level(base::log::Level::error);
  Clients clients(*url, std::strcmp(argv[2], "-") == 0 ? "" : argv[2], sessions ? number(4) : 2 * number(4));
  if (sessions) clients.keep_online();
  clients.forward(std::chrono::seconds(number(5)));
}
