// File transfers over one connection (docs/protocol.md, "File streams"), in both directions, each on a stream
// of its own:
//
//   FileSender     offered --accept--> beginning --> sending --> ended --done/refuse--> over
//                     +---(busy, no stream, reset)---> the channel offers it again after 1..60 s
//                  withdrawing --refuse--> over
//   FileReceiver   waiting for the offer --> asking the store --> receiving --> finishing --> done
//                     any: refusing, then whatever still comes is dropped
//
// A sender has at most kWindow bytes on their way and two reads under way; a receiver returns stream credit
// when bytes are written, so a slow disk stops its own stream and no other. Owned by peer::Session, on the
// peer's thread; completions that come after their end are void.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "net/quic_connection.hpp"
#include "peer/file_port.hpp"
#include "peer/stream_handler.hpp"
#include "proto/file_frames.hpp"

namespace p2pd::peer {

// The oldest first.
using OutgoingFiles = std::vector<OutgoingFile>;

// What the channel needs of its session.
class FileSink {
 public:
  [[nodiscard]] virtual base::TimePoint now() const = 0;
  // Ended a completion: time to flush.
  virtual void on_store_answered() = 0;
  virtual void adopt_stream(net::StreamId id, StreamHandler& handler) = 0;
  virtual void drop_stream(net::StreamId id) = 0;
  // Outcomes of outgoing ones; the owner takes them off its list, or turns a failed one into a withdrawal.
  virtual void on_file_delivered(const proto::TransferId& id, const std::string& name) = 0;
  virtual void on_file_refused(const proto::TransferId& id, proto::FileRefusal reason) = 0;
  virtual void on_file_failed(const proto::TransferId& id, proto::FileWithdrawal reason) = 0;

 protected:
  ~FileSink() = default;
};

class FileSender final : public StreamHandler {
 public:
  static constexpr std::size_t kWindow = 8 * 1024 * 1024;  // bytes on their way
  static constexpr int kReads = 2;

  // How it ended, told once; the teller may destroy the sender only later.
  struct Delivered {
    std::string name;
  };
  struct Again {};  // offer it later
  using Outcome = std::variant<Delivered, proto::FileRefusal, proto::FileWithdrawal, Again>;
  using Over = std::function<void(const proto::TransferId& id, const Outcome& outcome)>;

  FileSender(net::QuicConnection& quic, FileSink& sink, OutgoingFile file, Over over);
  ~FileSender() override;

  // Opens the stream; Again when there is none to be had.
  void start();
  // Resets the stream, tells nobody.
  void abandon();

  [[nodiscard]] bool on_data(base::ByteView data, bool fin) override;
  void on_acknowledged() override;
  void on_refused(std::uint64_t code) override;
  void on_ended() override;

 private:
  enum class Phase { idle, offered, beginning, sending, ended, over };

  [[nodiscard]] bool handle(const proto::FileFrame& frame);
  [[nodiscard]] bool accepted(const proto::FileAccept& accept);
  void began(const std::variant<std::uint64_t, proto::FileWithdrawal>& where);
  void pump();
  void send(const FilePiece& piece);
  void say(const proto::FileFrame& frame);
  void end(const Outcome& outcome);

  net::QuicConnection& quic_;
  FileSink& sink_;
  const OutgoingFile file_;
  const Over over_;
  Phase phase_ = Phase::idle;
  std::optional<net::StreamId> stream_;
  proto::FileDeframer deframer_;
  std::uint64_t position_ = 0;  // of the file, given to the stream
  int reading_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

class FileReceiver final : public StreamHandler {
 public:
  // Bytes of the stream that are handed to the target at a time: at the least while it has nothing to do
  // (well below the first window of a stream, or both ends would wait), at the most while it writes. A batch
  // and one piece more stay below 256 KiB: malloc would take larger blocks from the system, with new pages
  // each time.
  static constexpr std::size_t kLeast = 64 * 1024;
  static constexpr std::size_t kMost = 160 * 1024;

  // `all`: where it is listed while it lives.
  FileReceiver(net::QuicConnection& quic, FileStore& store, const base::PeerId& peer, net::StreamId stream,
               FileSink& sink, std::set<FileReceiver*>& all);
  ~FileReceiver() override;

  // Once its offer has come.
  [[nodiscard]] const std::optional<proto::TransferId>& transfer() const { return transfer_; }
  // The user wants it no more.
  void cancel() { refuse(proto::FileRefusal::cancelled); }

  [[nodiscard]] bool on_data(base::ByteView data, bool fin) override;
  void on_refused(std::uint64_t code) override;
  void on_ended() override;

 private:
  enum class Phase { waiting, asking, accepted, receiving, finishing, over };

  [[nodiscard]] bool handle(const proto::FileFrame& frame);
  [[nodiscard]] bool offered(const proto::FileOffer& offer);
  [[nodiscard]] bool withdrawn(const proto::FileWithdraw& withdraw);
  [[nodiscard]] bool take(const proto::FileDataPiece& piece);
  void answered(FileAnswer answer);
  // What has come, if it is enough.
  void hand_over_if_due();
  void hand_over();
  void written(std::size_t credit, const std::optional<proto::FileRefusal>& refusal);
  void finish(const proto::FileDigest& digest);
  void refuse(proto::FileRefusal reason);
  void conclude(const proto::FileFrame& last);

  net::QuicConnection& quic_;
  FileStore& store_;
  const base::PeerId peer_;
  const net::StreamId stream_;
  FileSink& sink_;
  std::set<FileReceiver*>& all_;
  Phase phase_ = Phase::waiting;
  std::optional<proto::TransferId> transfer_;
  std::uint64_t size_ = 0;
  std::uint64_t accepted_ = 0;
  std::uint64_t position_ = 0;
  std::unique_ptr<FileTarget> target_;
  proto::FileDeframer deframer_;
  FileBatch batch_;
  std::size_t batch_credit_ = 0;  // bytes of the stream in batch_
  int writing_ = 0;               // batches handed over and not written yet
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

class FileChannel {
 public:
  static constexpr std::size_t kMaxSenders = 8;

  // `files` outlives it and is changed by its owner only.
  FileChannel(net::QuicConnection& quic, FileStore& store, const base::PeerId& peer,
              const OutgoingFiles& files, FileSink& sink);
  ~FileChannel();

  // The connection is usable and the peer takes files: offers what is on the list, also later.
  void start();
  // Something was added to the list, or is again as if it was new.
  void on_files_changed() { pump(); }
  // The entry is another than it was, or gone: what is under way for it ends.
  void restart(const proto::TransferId& id);
  // Destroys what ended; not from inside an event of one of its streams.
  void reap() { ended_.clear(); }
  // A stream that the peer opened.
  [[nodiscard]] std::unique_ptr<StreamHandler> receive(net::StreamId stream);
  void cancel_incoming(const proto::TransferId& id);

  [[nodiscard]] base::TimePoint deadline() const { return resume_at_; }
  void on_time(base::TimePoint now);

 private:
  void pump();
  void over(const proto::TransferId& id, const FileSender::Outcome& outcome);

  net::QuicConnection& quic_;
  FileStore& store_;
  const base::PeerId peer_;
  const OutgoingFiles& files_;
  FileSink& sink_;
  bool started_ = false;
  std::map<proto::TransferId, std::unique_ptr<FileSender>> senders_;
  std::vector<std::unique_ptr<FileSender>> ended_;  // destroyed in a later turn
  std::set<proto::TransferId> paused_;              // offered again at resume_at_
  std::set<FileReceiver*> receivers_;               // the session owns them
  base::Duration pause_{};
  base::TimePoint resume_at_ = base::kNever;
};

}  // namespace p2pd::peer
