// One path of a Link: its state, the times of its probes, its round trip, its packet size and how often it
// let us down. It sends nothing and chooses nothing: update() says what became of the path, take_probe() what
// to send on it. Owned by Link, on the peer's thread.
//
// "Evidence" is what proves both directions, or very nearly: an answer to a probe of ours, or an
// authenticated QUIC packet. A probe of the other end proves only the way in and is none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "peer/packet_size.hpp"
#include "peer/path.hpp"
#include "peer/path_selector.hpp"
#include "peer/path_stats.hpp"
#include "proto/link_frames.hpp"

namespace p2pd::peer {

class LinkPath {
 public:
  // What the Link knows and every path needs to know.
  struct Context {
    // Since when QUIC waits for something; nothing while it does not.
    std::optional<base::TimePoint> outstanding_since;
    bool any_alive = false;
    // When QUIC last sent or received anything, by any path.
    base::TimePoint last_quic{};
  };
  enum class Change { none, state, died, black_hole, expired };

  LinkPath(PathKind kind, base::TimePoint now);

  // --- what happens to it ---
  void available(base::TimePoint now);
  void lost();
  // Available in place of the pair in use: suspect until it answers.
  void take_over(base::TimePoint now);
  // Other interfaces, so another path: demotions and packet size are forgotten, a probe goes out at once.
  void network_changed(base::TimePoint now);
  void enter_use(base::TimePoint now);
  void leave_use();
  // It let us down while in use. The third time in five minutes bars it for ten.
  void demoted(base::TimePoint now);
  // Dead by other evidence than silence: the other end left it, or not even the smallest packet fits.
  void condemn(base::TimePoint now);
  // A probe at the next take_probe(), unless one went out just now.
  void hasten(base::TimePoint now);
  // The other end probes. Where our own heartbeat is not far off it goes along with the answer: both ends
  // then wake up together, half as often.
  void on_probed(base::TimePoint now, const Context& context);
  // An authenticated QUIC packet came in on it.
  void on_quic(base::TimePoint now);
  // False: no probe of ours has this nonce and size.
  bool on_answer(const proto::LinkNonce& nonce, std::size_t size, base::TimePoint now);
  // True: packet_payload() has shrunk.
  bool on_too_big(std::size_t size, base::TimePoint now) { return size_.on_too_big(size, now); }

  // --- time ---
  // Call until `none`, then take_probe() until nothing; afterwards deadline() is later than now.
  [[nodiscard]] Change update(base::TimePoint now, const Context& context);
  // The size of a probe to send now. Tell probe_sent() of it.
  [[nodiscard]] std::optional<std::size_t> take_probe(base::TimePoint now, const Context& context);
  void probe_sent(const proto::LinkNonce& nonce, std::size_t size, base::TimePoint now);
  [[nodiscard]] base::TimePoint deadline(const Context& context) const;

  // --- what is known of it ---
  [[nodiscard]] PathKind kind() const { return kind_; }
  [[nodiscard]] PathState state() const { return stats_.state; }
  [[nodiscard]] PathView view() const;
  [[nodiscard]] const PathStats& stats() const { return stats_; }
  [[nodiscard]] PathStats& stats() { return stats_; }
  [[nodiscard]] std::size_t payload() const;
  // A copy of each QUIC datagram should go by the relay as well.
  [[nodiscard]] bool in_doubt() const;
  // No evidence for as long as would make a path in use suspect.
  [[nodiscard]] bool quiet(base::TimePoint now) const { return now - evidence_at_ >= suspect_after(); }
  [[nodiscard]] bool barred(base::TimePoint now) const { return now < barred_until_; }
  [[nodiscard]] std::size_t recent_demotions(base::TimePoint now) const;

 private:
  // A probe of ours that may still be answered.
  struct Sent {
    proto::LinkNonce nonce{};
    std::size_t size = 0;  // 0: free
    std::uint64_t serial = 0;
    base::TimePoint at{};
  };

  [[nodiscard]] bool climbing() const;
  [[nodiscard]] bool watched(const Context& context) const;
  [[nodiscard]] base::TimePoint silent_since(const Context& context) const;
  [[nodiscard]] base::Duration suspect_after() const;
  [[nodiscard]] base::Duration dead_after() const;
  [[nodiscard]] base::TimePoint probe_due(const Context& context) const;
  [[nodiscard]] base::TimePoint alive_probe_due(const Context& context) const;
  [[nodiscard]] base::Duration heartbeat(const Context& context) const;
  [[nodiscard]] base::TimePoint state_due(const Context& context) const;
  [[nodiscard]] base::Duration dead_interval(const Context& context) const;
  void become(PathState state);
  void become_suspect(base::TimePoint now);
  void note_evidence(base::TimePoint now);
  void note_round_trip(base::Duration sample);
  void count_row(std::uint64_t serial, base::TimePoint now);
  void end_bar(base::TimePoint now);

  PathKind kind_;
  PathStats stats_;
  PacketSize size_;
  bool in_use_ = false;
  base::TimePoint in_use_since_;

  // Probing.
  base::TimePoint last_probe_;  // sent for the path's sake, not for its packet size
  bool probe_now_ = false;
  unsigned tries_ = 0;  // probes since the state began
  std::optional<base::TimePoint> unanswered_since_;
  std::array<Sent, 16> sent_{};
  std::uint64_t serial_ = 0;

  // Liveness.
  base::TimePoint evidence_at_;
  base::TimePoint suspect_since_{};
  base::TimePoint dead_at_{};      // while suspect
  bool round_trip_is_old_ = true;  // the next sample replaces it instead of being averaged in

  // Moving onto it. After a demotion one answer is not enough: three in a row, over 300 ms.
  bool steady_ = false;
  bool must_climb_ = false;
  unsigned row_ = 0;
  std::uint64_t row_serial_ = 0;
  base::TimePoint row_since_{};
  std::vector<base::TimePoint> demotions_;  // the last few
  base::TimePoint barred_until_ = base::TimePoint::min();
};

}  // namespace p2pd::peer
