// Streams to services over one connection (docs/protocol.md, "Service streams"), in both directions:
//
//   opened here   waiting for the answer --accepted--> open --FIN both ways--> over
//                        +--another connection replaces this one--> to be opened on that
//   by the peer   naming --> asking the host --accepted--> open
//                 any --reset, refusal, end of the connection--> over
//
// Back-pressure: a local end is asked for no more while enough is unsent, and credit goes back when it has
// passed on what came; so one that stops holds a window of its own stream and nothing else. Owned by
// peer::Session, on the peer's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "base/bytes.hpp"
#include "base/peer_id.hpp"
#include "net/quic_connection.hpp"
#include "peer/service_port.hpp"
#include "peer/stream_handler.hpp"
#include "proto/service_frames.hpp"

namespace p2pd::peer {

class ServiceStream;

// What the channel needs of its session.
class ServiceSink {
 public:
  // Around what comes from local ends; the last leave() flushes, and may destroy the stream.
  virtual void enter_service() = 0;
  virtual void leave_service() = 0;
  virtual void own_stream(net::StreamId id, std::unique_ptr<StreamHandler> handler) = 0;
  // To be opened on the connection that replaced this one.
  virtual void open_again(const std::string& service, const std::shared_ptr<StreamEnd>& end) = 0;

 protected:
  ~ServiceSink() = default;
};

class ServiceChannel {
 public:
  static constexpr std::size_t kMaxStreams = 1'100;  // of each direction
  // Bytes that wait unsent for one stream, at most and where many streams share; all streams together.
  static constexpr std::size_t kMostUnsent = 256 * 1024;
  static constexpr std::size_t kLeastUnsent = 16 * 1024;
  static constexpr std::size_t kUnsent = 32 * 1024 * 1024;
  // Bytes that local ends have not read, or that wait for the host's word: with more, no stream is accepted,
  // and one that still waits for that word and brings more is refused.
  static constexpr std::size_t kMaxUnread = 128 * 1024 * 1024;

  ServiceChannel(net::QuicConnection& quic, ServiceHost& host, const base::PeerId& peer, ServiceSink& sink);
  ~ServiceChannel();
  ServiceChannel(const ServiceChannel&) = delete;
  ServiceChannel& operator=(const ServiceChannel&) = delete;

  void open(const std::string& service, const std::shared_ptr<StreamEnd>& end);
  // A stream that the peer opened.
  [[nodiscard]] std::unique_ptr<StreamHandler> receive(net::StreamId stream);
  // After packets went: local ends that wait for room are told.
  void refill();
  // What streams are told that end with the connection.
  void set_ending(StreamEnding ending) { ending_ = ending; }

 private:
  friend class ServiceStream;

  [[nodiscard]] std::size_t enough() const;
  void count(bool incoming, int change) { (incoming ? incoming_ : outgoing_) += change; }

  net::QuicConnection& quic_;
  ServiceHost& host_;
  const base::PeerId peer_;
  ServiceSink& sink_;
  StreamEnding ending_ = StreamEnding::connection_lost;
  int incoming_ = 0;
  int outgoing_ = 0;
  std::size_t unread_ = 0;
  std::deque<net::StreamId> waiting_;  // for room
  std::map<net::StreamId, ServiceStream*> streams_;
};

class ServiceStream final : public StreamHandler, public ByteStream {
 public:
  // Opened here: `end` and what for. By the peer: null.
  ServiceStream(ServiceChannel& channel, net::StreamId id, std::shared_ptr<StreamEnd> end,
                std::string service = {});
  ~ServiceStream() override;

  [[nodiscard]] bool on_data(base::ByteView data, bool fin) override;
  void on_refused(std::uint64_t code) override;
  void on_stopped(std::uint64_t code) override;
  void on_ended() override;
  // There is room, if there is.
  [[nodiscard]] bool tell_room();

  [[nodiscard]] std::size_t room() override;
  void write(base::ByteView data) override;
  void finish() override;
  void stop() override;
  void reset(net::CloseCode code) override;
  void consume(std::size_t count) override;

 private:
  enum class Phase : std::uint8_t { waiting, naming, asking, open, over };
  class Turn;

  [[nodiscard]] bool read_name(base::ByteView& data);
  [[nodiscard]] bool read_answer(base::ByteView& data);
  ByteStream* answered(std::variant<ServiceHost::Accepted, proto::ServiceRefusal> answer);
  void pass(base::ByteView data, bool fin);
  void refuse(proto::ServiceRefusal refusal);
  void end(StreamEnding ending);

  ServiceChannel& channel_;
  const net::StreamId id_;
  const bool incoming_;
  std::shared_ptr<StreamEnd> end_;
  const std::string service_;
  Phase phase_;
  proto::ServiceOpenReader name_;
  base::Bytes held_;  // came before the host had decided
  bool fin_ = false;  // the other end's
  bool finished_ = false;
  bool cut_ = false;      // the other end did not want all of it
  bool stopped_ = false;  // nothing is read here any more
  bool waiting_ = false;  // in the channel's list
  std::size_t unread_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace p2pd::peer
