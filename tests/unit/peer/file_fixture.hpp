// A file to send, a place for files that come, and an owner of file streams, all of which only take notes and
// answer when the test says so.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "peer/file_channel.hpp"
#include "tests/unit/peer/fake_quic.hpp"

namespace p2pd::peer {

class NotedSource final : public FileSource {
 public:
  struct Begin {
    std::uint64_t offset;
    proto::FileDigest digest;
    std::function<void(std::variant<std::uint64_t, proto::FileWithdrawal>)> done;
  };

  void begin(std::uint64_t offset, const proto::FileDigest& digest,
             std::function<void(std::variant<std::uint64_t, proto::FileWithdrawal>)> done) override {
    begins.push_back({offset, digest, std::move(done)});
  }
  void read(std::function<void(FilePiece)> done) override { reads.push_back(std::move(done)); }
  void reached(std::uint64_t bytes) override { there = bytes; }
  void rest() override { ++rests; }

  // Answers the oldest read.
  void give(FilePiece piece) {
    ASSERT_FALSE(reads.empty());
    const auto done = std::move(reads.front());
    reads.pop_front();
    done(std::move(piece));
  }

  std::deque<Begin> begins;
  std::deque<std::function<void(FilePiece)>> reads;
  std::uint64_t there = 0;
  int rests = 0;
};

// What a target was told outlives it, as the stream owns the target.
struct TargetNotes {
  struct Write {
    FileBatch batch;
    std::function<void(std::optional<proto::FileRefusal>)> done;
  };
  struct Finish {
    proto::FileDigest digest;
    std::function<void(std::variant<std::string, proto::FileRefusal>)> done;
  };
  std::vector<std::uint64_t> begins;
  std::deque<Write> writes;
  std::deque<Finish> finishes;
  bool destroyed = false;
};

class NotedTarget final : public FileTarget {
 public:
  explicit NotedTarget(TargetNotes& notes) : notes_(notes) {}
  ~NotedTarget() override { notes_.destroyed = true; }
  NotedTarget(const NotedTarget&) = delete;
  NotedTarget& operator=(const NotedTarget&) = delete;

  void begin(std::uint64_t offset) override { notes_.begins.push_back(offset); }
  void write(FileBatch batch, std::function<void(std::optional<proto::FileRefusal>)> done) override {
    notes_.writes.push_back({std::move(batch), std::move(done)});
  }
  void finish(const proto::FileDigest& digest,
              std::function<void(std::variant<std::string, proto::FileRefusal>)> done) override {
    notes_.finishes.push_back({digest, std::move(done)});
  }

 private:
  TargetNotes& notes_;
};

class NotedFileStore final : public FileStore {
 public:
  struct Offered {
    proto::FileOffer offer;
    std::function<void(FileAnswer)> done;
  };
  struct Withdrawn {
    proto::FileWithdraw withdraw;
    std::function<void(bool)> done;
  };

  void offered(const base::PeerId&, const proto::FileOffer& offer,
               std::function<void(FileAnswer)> done) override {
    offers.push_back({offer, std::move(done)});
  }
  void withdrawn(const base::PeerId&, const proto::FileWithdraw& withdraw,
                 std::function<void(bool)> done) override {
    withdrawals.push_back({withdraw, std::move(done)});
  }
  void delivered(const base::PeerId&, const proto::TransferId&, const std::string&) override {}
  void refused(const base::PeerId&, const proto::TransferId&, proto::FileRefusal) override {}
  void failed(const base::PeerId&, const proto::TransferId&, proto::FileWithdrawal) override {}

  std::deque<Offered> offers;
  std::deque<Withdrawn> withdrawals;
};

class FileTest : public testing::Test, protected FileSink {
 protected:
  base::TimePoint now() const override { return time; }
  void on_store_answered() override { ++answered; }
  void adopt_stream(net::StreamId id, StreamHandler& handler) override { handlers[id] = &handler; }
  void drop_stream(net::StreamId id) override { handlers.erase(id); }
  void on_file_delivered(const proto::TransferId& id, const std::string& name) override {
    delivered.emplace_back(id[0], name);
  }
  void on_file_refused(const proto::TransferId& id, proto::FileRefusal reason) override {
    refused.emplace_back(id[0], reason);
  }
  void on_file_failed(const proto::TransferId& id, proto::FileWithdrawal reason) override {
    failed.emplace_back(id[0], reason);
  }

  FileSink& sink() { return *this; }

  // One that is told from others by `number`.
  static proto::FileOffer offer(std::uint8_t number = 1, std::uint64_t size = 100) {
    proto::FileOffer out;
    out.id[0] = number;
    out.size = size;
    out.data_size = size;
    out.mode = 0644;
    out.name = "file" + std::to_string(number);
    return out;
  }
  static proto::FileDigest digest(std::uint8_t value) {
    proto::FileDigest out{};
    out.fill(value);
    return out;
  }
  static base::Bytes data_frame(std::size_t size, std::uint8_t value = 'x') {
    base::Bytes out = proto::encode_file_data_header(size);
    out.insert(out.end(), size, value);
    return out;
  }

  struct Sent {
    std::vector<proto::FileFrame> frames;
    base::Bytes data;
  };
  // What was written to a stream, read back; `skip` bytes (the kind) left out.
  Sent sent(net::StreamId id, std::size_t skip = 0) {
    const base::Bytes bytes = quic.take(id);
    proto::FileDeframer deframer;
    deframer.feed(base::ByteView(bytes).subspan(skip));
    Sent out;
    while (true) {
      const auto next = deframer.next();
      EXPECT_TRUE(next);
      if (!next || !*next) return out;
      if (const auto* piece = std::get_if<proto::FileDataPiece>(&**next)) {
        out.data.insert(out.data.end(), piece->bytes.begin(), piece->bytes.end());
      } else {
        out.frames.push_back(std::get<proto::FileFrame>(**next));
      }
    }
  }
  // The only frame that was written.
  template <class Frame>
  Frame only(net::StreamId id, std::size_t skip = 0) {
    const Sent all = sent(id, skip);
    EXPECT_EQ(all.frames.size(), 1U);
    const Frame* frame = all.frames.empty() ? nullptr : std::get_if<Frame>(&all.frames[0]);
    EXPECT_NE(frame, nullptr);
    return frame == nullptr ? Frame{} : *frame;
  }

  FakeQuic quic;
  NotedFileStore store;
  const base::PeerId peer{std::array<std::uint8_t, 32>{7}};
  base::TimePoint time{std::chrono::hours(1)};
  int answered = 0;
  std::map<net::StreamId, StreamHandler*> handlers;
  std::vector<std::pair<int, std::string>> delivered;
  std::vector<std::pair<int, proto::FileRefusal>> refused;
  std::vector<std::pair<int, proto::FileWithdrawal>> failed;
};

}  // namespace p2pd::peer
