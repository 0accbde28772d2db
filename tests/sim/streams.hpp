// The streams to services of one world: opened from both ends, taken or refused at the other, with a program
// at each end. It holds the simulation's law of streams: what one end says comes out at the other once, in
// order, its end behind the last byte; every stream ends, and is told the right reason.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/stream_program.hpp"

namespace p2pd::sim {

class Streams {
 public:
  // Its chance is its own, so that a world without streams is as it was.
  Streams(World& world, Node& a, Node& b, std::uint64_t seed);

  // From either end, if its process runs. `connection_lasts`: nothing happens any more that ends one.
  void open(bool connection_lasts);
  [[nodiscard]] bool settled() const;
  // Of streams that have ended; empty when all is well.
  [[nodiscard]] std::string wrong() const;
  [[nodiscard]] std::string unsettled() const;

  Random random;

 private:
  struct Talk {
    std::shared_ptr<StreamProgram> opener;
    // Another for each time that it was asked; only the last may be heard of.
    std::vector<std::shared_ptr<StreamProgram>> answerers;
    bool asked = false;
    std::optional<proto::ServiceRefusal> refusal;
    bool connection_lasts = false;
    [[nodiscard]] bool settled() const;
    [[nodiscard]] std::string wrong() const;
    [[nodiscard]] std::string text() const;
  };
  class Host final : public peer::ServiceHost {
   public:
    Host(Streams& streams, Node& node) : streams_(streams), node_(node) {}
    void opened(const base::PeerId& peer, const std::string& service, Answer answer) override;

   private:
    Streams& streams_;
    Node& node_;
  };

  [[nodiscard]] StreamProgram::Plan plan();
  void on_kill(const Node& node);

  World& world_;
  Node& a_;
  Node& b_;
  Host host_a_;
  Host host_b_;
  std::vector<Talk> talks_;
  bool big_ = false;  // there was one: a second would be a burst that looks like spinning
};

}  // namespace p2pd::sim
