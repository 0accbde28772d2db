// The program at one end of a simulated stream: it speaks, pauses, hears, pauses, ends its half, wants to
// hear no more or gives up, all as decided beforehand, and holds what it hears against what the other end's
// program has said so far. Its process may die with it. Owned by sim::Streams and by the peer under test.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "peer/service_port.hpp"
#include "tests/sim/node.hpp"

namespace p2pd::sim {

class StreamProgram final : public peer::StreamEnd, public std::enable_shared_from_this<StreamProgram> {
 public:
  struct Plan {
    std::uint64_t size = 0;   // bytes to say; then its half ends
    std::uint64_t chunk = 1;  // bytes of one write
    base::Duration pace{};    // between writes; 0: as there is room
    // Having heard so many bytes it takes no more for a while, or for good.
    std::optional<std::uint64_t> pauses_at;
    base::Duration pause{};
    bool stops = false;
    std::optional<base::Duration> gives_up;  // so long after it began
    net::CloseCode code = net::CloseCode::cancelled;
  };

  // `index` tells this end's bytes from those of every other.
  StreamProgram(World& world, Node& node, std::size_t index, Plan plan);
  void meet(StreamProgram& other) { other_ = &other; }

  // Opened by the peer: takes the stream.
  void accept(const peer::ServiceHost::Answer& answer);
  // Its process dies, before its peer is destroyed.
  void die();

  [[nodiscard]] const Node& node() const { return node_; }
  // It is open no more, or never was.
  [[nodiscard]] bool settled() const { return dead_ || over_ || gave_up_; }
  [[nodiscard]] bool opened() const { return opened_; }
  [[nodiscard]] bool over() const { return over_.has_value(); }
  // What is wrong with how it ended, given the other end and what the host said; empty: nothing.
  [[nodiscard]] std::string wrong_ending(std::optional<proto::ServiceRefusal> refusal,
                                         bool connection_lasts) const;
  // It was told that the connection below it is over.
  [[nodiscard]] bool lost_connection() const;
  [[nodiscard]] std::string text() const;

  void on_begun(peer::ByteStream& stream) override { stream_ = &stream; }
  void on_open() override;
  void on_again() override;
  void on_data(base::ByteView data, bool fin) override;
  void on_room() override;
  void on_stopped() override;
  void on_over(peer::StreamEnding ending) override;

 private:
  void later(base::Duration delay, void (StreamProgram::*what)());
  void fail(const std::string& what) { world_.fail(what + ":" + text()); }
  [[nodiscard]] base::ByteView bytes_at(std::uint64_t at) const;
  void hear(base::ByteView data);
  void speak();
  void take();
  void go_on();
  void give_up();

  World& world_;
  Node& node_;
  const std::size_t index_;
  Plan plan_;
  StreamProgram* other_ = nullptr;
  peer::ByteStream* stream_ = nullptr;
  std::uint64_t said_ = 0;
  std::uint64_t heard_ = 0;
  std::uint64_t taken_ = 0;  // of what was heard: its credit went back
  bool opened_ = false;
  bool finished_ = false;   // said all
  bool heard_all_ = false;  // and the other
  bool pausing_ = false;
  bool stopped_ = false;  // wants no more
  bool cut_ = false;      // the other wants no more
  bool gave_up_ = false;
  bool dead_ = false;
  std::optional<peer::StreamEnding> over_;
};

}  // namespace p2pd::sim
