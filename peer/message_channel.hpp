// Messages over one connection, exactly once and in order, whatever restarts (docs/protocol.md, "Message
// streams"). Each side opens a stream for what it sends:
//
//   sender    opens --> waits for the mark --> sends rows after it, at most 2 MiB unanswered
//                            ^                     |-- acknowledged: rows go from the outbox
//                            +--- paused 1..60 s <-+-- full, reset, store trouble: the stream is given up
//   receiver  tells its mark --> commits batches, one at a time --> acknowledges what is on disk
//
// A receiver that said `full` reads no more of that stream: what was under way behind it must not be stored
// over the gap. A new stream starts at the mark again. Owned by peer::Session, on the peer's thread; store
// completions that come after their end are void.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "net/quic_connection.hpp"
#include "peer/ports.hpp"
#include "peer/stream_handler.hpp"
#include "proto/message_frames.hpp"

namespace p2pd::peer {

class MessageSink {
 public:
  [[nodiscard]] virtual base::TimePoint now() const = 0;
  virtual void on_messages_delivered(std::uint64_t up_to) = 0;
  // Everything in the outbox was delivered.
  virtual void on_outbox_empty() = 0;
  // Ended a store completion: time to flush.
  virtual void on_store_answered() = 0;
  // From now on the stream's events go to `handler`; or to nobody.
  virtual void adopt_stream(net::StreamId id, StreamHandler& handler) = 0;
  virtual void drop_stream(net::StreamId id) = 0;

 protected:
  ~MessageSink() = default;
};

// Told of every commit with something new, also of one that ends after its connection did.
using ReceivedTeller = std::function<void(std::uint64_t up_to)>;

class MessageSender final : public StreamHandler {
 public:
  static constexpr std::size_t kWindow = 2 * 1024 * 1024;

  MessageSender(net::QuicConnection& quic, MessageStore& store, const base::PeerId& peer, MessageSink& sink);

  // Opens the stream, once the connection is kept.
  void start();
  void on_outbox_changed();
  [[nodiscard]] base::TimePoint deadline() const { return resume_at_; }
  void on_time(base::TimePoint now);

  [[nodiscard]] bool on_data(base::ByteView data, bool fin) override;
  void on_refused(std::uint64_t code) override;
  void on_ended() override;

 private:
  enum class Phase { idle, waiting_for_mark, sending, paused, refused };
  struct InFlight {
    std::uint64_t sequence = 0;
    std::size_t size = 0;
  };

  [[nodiscard]] bool handle(const proto::MessageFrame& frame);
  [[nodiscard]] bool acknowledged(std::uint64_t sequence);
  void pump();
  void loaded(base::Result<std::vector<OutboxMessage>> page);
  // Adds its frame to `frames`, which go to the stream.
  void append(OutboxMessage message, base::Bytes& frames);
  void pause();

  net::QuicConnection& quic_;
  MessageStore& store_;
  const base::PeerId peer_;
  MessageSink& sink_;
  Phase phase_ = Phase::idle;
  std::optional<net::StreamId> stream_;
  proto::MessageDeframer deframer_;
  std::deque<InFlight> in_flight_;
  std::size_t in_flight_bytes_ = 0;
  std::uint64_t sent_ = 0;  // the highest sequence written, or the mark
  std::uint64_t acknowledged_ = 0;
  bool exhausted_ = false;  // the last page was empty
  bool loading_ = false;
  base::Duration pause_{};
  base::TimePoint resume_at_ = base::kNever;
  // Void for completions of an earlier stream or of a sender that is gone.
  std::shared_ptr<char> alive_;
};

class MessageReceiver final : public StreamHandler {
 public:
  // Credit is held back while this much waits for the store.
  static constexpr std::size_t kMaxHeld = 2 * 1024 * 1024;
  static constexpr std::size_t kRowOverhead = 256;  // of memory, besides the data

  // `epoch`: the sender's, from its hello. `received` may be gone when a commit ends.
  MessageReceiver(net::QuicConnection& quic, MessageStore& store, const base::PeerId& peer,
                  std::uint64_t epoch, net::StreamId stream, MessageSink& sink,
                  std::weak_ptr<const ReceivedTeller> received);

  [[nodiscard]] bool on_data(base::ByteView data, bool fin) override;
  void on_refused(std::uint64_t code) override;
  void on_ended() override;

 private:
  [[nodiscard]] bool take(const proto::MessageData& message);
  void commit();
  void committed(const base::Result<InboundCommit>& result);
  void started(const base::Result<std::uint64_t>& mark);
  void close();
  void finish_if_done();
  void return_credit();

  net::QuicConnection& quic_;
  MessageStore& store_;
  const base::PeerId peer_;
  const std::uint64_t epoch_;
  const net::StreamId stream_;
  MessageSink& sink_;
  const std::weak_ptr<const ReceivedTeller> received_;
  proto::MessageDeframer deframer_;
  std::vector<InboxMessage> batch_;
  std::size_t batch_size_ = 0;
  std::size_t committing_size_ = 0;
  std::size_t credit_owed_ = 0;  // bytes received whose credit was not returned
  std::uint64_t last_ = 0;       // sequence taken last
  std::uint64_t high_water_ = 0;
  bool ready_ = false;  // the mark is known
  bool committing_ = false;
  bool finished_ = false;  // the sender's FIN was there
  bool closed_ = false;    // full was said, or the stream ended: the rest is dropped
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace p2pd::peer
