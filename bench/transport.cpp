// Streams through the transport: QUIC over the pair that ICE selected on loopback, two processes. The control
// exchange (credentials, candidates) goes over the socket pair that joins them, everything measured
// goes over UDP.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <unistd.h>

#include "bench/process_pair.hpp"
#include "net/ice_agent.hpp"
#include "net/quic_connection.hpp"
#include "proto/control_messages.hpp"
#include "proto/datagram.hpp"

namespace {

namespace asio = boost::asio;
using namespace p2pd;
using base::ByteView;
using base::Clock;
using net::StreamId;

constexpr std::size_t kPacket = 1452;  // what an Ethernet path takes: loopback must not flatter
constexpr std::size_t kDatagram = proto::kQuicPrefixSize + kPacket;
constexpr std::size_t kBurst = 44;          // datagrams in one system call
constexpr std::size_t kInFlight = 8 << 20;  // bytes of all streams written ahead of the acknowledgements
constexpr std::size_t kBlock = 256 * 1024;

class End final : private net::IceEvents, private net::QuicEvents {
 public:
  End(int fd, bool client, std::shared_ptr<const net::Identity> self, base::PeerId other, bench::Task task)
      : client_(client), task_(task), channel_(io_, fd), timer_(io_), stop_(io_) {
    net::IceConfig ice;
    ice.allow_loopback = true;
    block_.resize(task.kind == bench::Task::Kind::messages ? bench::kLengthSize + task.size : kBlock);
    if (task.kind == bench::Task::Kind::messages) bench::put_length(block_.data(), task.size);
    ice_ = std::make_unique<net::IceAgent>(io_, ice, static_cast<net::IceEvents&>(*this));
    quic_config_.identity = std::move(self);
    quic_config_.peer = other;
    quic_config_.initial_rtt = std::chrono::milliseconds(1);
  }

  void run() {
    const net::IceCredentials own = ice_->start(1, client_);
    tell(proto::ControlIceCredentials{1, own.ufrag, own.password});
    read_channel();
    io_.run();
  }

  [[nodiscard]] Clock::duration wall() const { return ended_ - started_; }
  [[nodiscard]] std::vector<double>& samples() { return samples_; }

 private:
  // --- ICE ---
  void on_ice_candidate(std::uint32_t, const proto::Candidate& local) override {
    tell(proto::ControlCandidate{1, local});
  }
  void on_ice_gathering_done(std::uint32_t) override { tell(proto::ControlCandidatesDone{1}); }
  void on_ice_connected(std::uint32_t, const net::IcePair&) override {
    if (!client_ || quic_) return;
    quic_ = std::move(*net::QuicConnection::dial(quic_config_, *this, Clock::now()));
    flush();
  }
  void on_ice_failed(std::uint32_t, net::IceFailure) override { fail("ICE"); }
  void on_ice_datagram(ByteView datagram) override {
    proto::QuicPackets packets(datagram);
    while (const auto packet = packets.next()) {
      if (!quic_) quic_ = std::move(*net::QuicConnection::accept(quic_config_, *this, *packet, Clock::now()));
      (void)quic_->receive(*packet, Clock::now());
    }
  }
  void on_ice_batch_end() override { flush(); }

  // --- QUIC ---
  void on_confirmed() override {
    if (!client_) return;
    for (unsigned i = 0; i < task_.streams; ++i) {
      const auto id = *quic_->open_stream();
      left_[id] = task_.kind == bench::Task::Kind::messages ? task_.count * block_.size()
                                                            : task_.bytes / task_.streams;
    }
    stream_ = left_.begin()->first;
    // What does not divide.
    if (task_.kind == bench::Task::Kind::throughput) left_[*stream_] += task_.bytes % task_.streams;
    started_ = Clock::now();
    if (task_.kind == bench::Task::Kind::ping_pong) {
      ping();
    } else {
      for (auto& [id, left] : left_) pour(id, left);
    }
  }
  void on_stream_opened(StreamId id) override {
    if (!stream_) stream_ = id;
  }
  void on_stream_data(StreamId id, ByteView data, bool) override {
    quic_->consume(id, data.size());
    received_ += data.size();
    if (task_.kind == bench::Task::Kind::ping_pong) {
      if (received_ % 64 != 0) return;
      client_ ? pong() : void(quic_->write(id, data));
    } else if (client_) {
      finish();
    } else if (all_arrived(data)) {
      quic_->write(*stream_, base::as_bytes("!"));
    }
  }
  [[nodiscard]] bool all_arrived(ByteView data) {
    if (task_.kind == bench::Task::Kind::throughput) return received_ == task_.bytes;
    messages_.feed(data);
    return messages_.count() == task_.count;
  }
  void on_stream_acknowledged(StreamId id, std::size_t) override {
    if (client_ && task_.kind != bench::Task::Kind::ping_pong) pour(id, left_[id]);
  }
  void on_stream_reset(StreamId, std::uint64_t) override { fail("stream"); }
  void on_stream_stopped(StreamId, std::uint64_t) override { fail("stream"); }
  void on_stream_closed(StreamId) override {}
  void on_closed(const net::CloseReason& reason) override {
    if (reason.by == net::CloseReason::By::error) fail("connection");
    end();
  }

  // Messages are written one by one, as programs hand them over.
  void pour(StreamId id, std::uint64_t& left) {
    while (left > 0 && quic_->unacknowledged(id) < kInFlight / task_.streams) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(block_.size(), left));
      quic_->write(id, ByteView(block_).first(count));
      left -= count;
    }
  }
  void ping() {
    static const base::Bytes ball(64, 'x');
    pinged_ = Clock::now();
    quic_->write(*stream_, ball);
  }
  void pong() {
    samples_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - pinged_).count());
    samples_.size() < task_.rounds ? ping() : finish();
  }
  void finish() {
    ended_ = Clock::now();
    quic_->close(net::CloseCode::shutdown, "");
  }

  // --- driving ---
  void flush() {
    if (!quic_) return;
    while (send_burst()) {
    }
    arm();
  }
  // As peer::Session does it.
  bool send_burst() {
    static std::array<std::uint8_t, kBurst * kDatagram> buffer;
    const auto now = Clock::now();
    std::size_t used = 0;
    while (used + kDatagram <= buffer.size()) {
      const auto place = std::span(buffer).subspan(used, kDatagram);
      const std::size_t size = quic_->write_packet(place.subspan(proto::kQuicPrefixSize), now);
      if (size == 0) break;
      std::ranges::copy(proto::quic_prefix(size), place.begin());
      used += proto::kQuicPrefixSize + size;
      if (size < kPacket) break;
    }
    if (used > 0) (void)ice_->send_batch(ByteView(buffer).first(used), kDatagram);
    return used > 0;
  }
  void arm() {
    if (quic_->deadline() >= armed_) return;
    armed_ = quic_->deadline();
    timer_.expires_at(armed_);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      armed_ = base::kNever;
      if (quic_->deadline() <= Clock::now()) quic_->on_time(Clock::now());
      flush();
    });
  }
  void end() {
    // A moment for the CONNECTION_CLOSE to leave, then the sockets go.
    stop_.expires_after(std::chrono::milliseconds(20));
    stop_.async_wait([this](const boost::system::error_code&) { ice_->stop([this] { io_.stop(); }); });
  }
  [[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "%s failed\n", what);
    std::_Exit(1);
  }

  // --- the control exchange ---
  void tell(const proto::ControlMessage& message) {
    const base::Bytes bytes = proto::encode(message);
    asio::write(channel_, asio::buffer(bytes));
  }
  void read_channel() {
    channel_.async_read_some(asio::buffer(incoming_),
                             [this](const boost::system::error_code& error, std::size_t size) {
                               if (error) return;
                               deframer_.feed(ByteView(incoming_).first(size));
                               while (const auto message = deframer_.next().value()) heard(*message);
                               read_channel();
                             });
  }
  void heard(const proto::ControlMessage& message) {
    if (const auto* credentials = std::get_if<proto::ControlIceCredentials>(&message)) {
      ice_->set_remote_credentials(1, {credentials->ufrag, credentials->password});
    } else if (const auto* candidate = std::get_if<proto::ControlCandidate>(&message)) {
      ice_->add_remote_candidate(1, candidate->candidate);
    } else if (std::holds_alternative<proto::ControlCandidatesDone>(message)) {
      ice_->remote_candidates_done(1);
    }
  }

  const bool client_;
  const bench::Task task_;
  asio::io_context io_{1};
  asio::posix::stream_descriptor channel_;
  asio::steady_timer timer_;
  asio::steady_timer stop_;
  base::TimePoint armed_ = base::kNever;
  std::unique_ptr<net::IceAgent> ice_;
  net::QuicConfig quic_config_;
  std::unique_ptr<net::QuicConnection> quic_;
  std::optional<StreamId> stream_;
  std::array<std::uint8_t, 4096> incoming_{};
  proto::ControlDeframer deframer_;
  base::Bytes block_;                       // what is written at a time: a message with its length
  std::map<StreamId, std::uint64_t> left_;  // to be written
  bench::MessageCounter messages_;
  std::uint64_t received_ = 0;
  Clock::time_point started_, ended_, pinged_;
  std::vector<double> samples_;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::Task task = bench::read_task(argv[0], {argv + 1, argv + argc});
  const auto here = net::Identity::generate(), there = net::Identity::generate();
  bench::Outcome outcome;
  bench::run_pair(
      task,
      [&](int fd) {
        End end(fd, true, here, there->id(), task);
        end.run();
        outcome.wall = end.wall();
        outcome.samples = std::move(end.samples());
      },
      [&](int fd) { End(fd, false, there, here->id(), task).run(); });
  outcome.cpu = bench::cpu_seconds();
  bench::report("p2pd transport", task, std::move(outcome));
}
