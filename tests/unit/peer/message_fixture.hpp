// A store that answers when the test says so, and the notes of a message channel's owner.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "peer/message_channel.hpp"
#include "tests/unit/peer/fake_quic.hpp"

namespace p2pd::peer {

class NotedStore final : public MessageStore {
 public:
  struct Load {
    std::uint64_t after;
    std::size_t limit;
    std::size_t max_bytes;
    std::function<void(base::Result<std::vector<OutboxMessage>>)> done;
  };
  struct Commit {
    std::uint64_t epoch;
    std::vector<InboxMessage> messages;
    std::function<void(base::Result<InboundCommit>)> done;
  };

  void load_outbox(const base::PeerId&, std::uint64_t after, std::size_t limit, std::size_t max_bytes,
                   std::function<void(base::Result<std::vector<OutboxMessage>>)> done) override {
    loads.push_back({after, limit, max_bytes, std::move(done)});
  }
  void outbox_delivered(const base::PeerId&, std::uint64_t sequence) override {
    delivered.push_back(sequence);
  }
  void commit_inbox(const base::PeerId&, std::uint64_t epoch, std::vector<InboxMessage> messages,
                    std::function<void(base::Result<InboundCommit>)> done) override {
    commits.push_back({epoch, std::move(messages), std::move(done)});
  }
  void inbox_high_water(const base::PeerId&, std::uint64_t epoch,
                        std::function<void(base::Result<std::uint64_t>)> done) override {
    asked_epoch = epoch;
    marks.push_back(std::move(done));
  }

  std::deque<Load> loads;
  std::vector<std::uint64_t> delivered;
  std::deque<Commit> commits;
  std::deque<std::function<void(base::Result<std::uint64_t>)>> marks;
  std::uint64_t asked_epoch = 0;
};

class MessageTest : public testing::Test, protected MessageSink {
 protected:
  base::TimePoint now() const override { return time; }
  void on_messages_delivered(std::uint64_t up_to) override { told_delivered.push_back(up_to); }
  void on_outbox_empty() override { ++empty; }
  void on_store_answered() override { ++answered; }
  void adopt_stream(net::StreamId id, StreamHandler&) override { adopted.push_back(id); }
  void drop_stream(net::StreamId id) override { dropped.push_back(id); }

  // What was written to a stream, read back; `skip` bytes (the kind) left out.
  std::vector<proto::MessageFrame> sent(net::StreamId id, std::size_t skip = 0) {
    const base::Bytes bytes = quic.take(id);
    proto::MessageDeframer deframer;
    deframer.feed(base::ByteView(bytes).subspan(skip));
    std::vector<proto::MessageFrame> out;
    while (true) {
      auto next = deframer.next();
      EXPECT_TRUE(next);
      if (!next || !*next) return out;
      out.push_back(**next);
    }
  }

  FakeQuic quic;
  NotedStore store;
  base::PeerId peer{std::array<std::uint8_t, 32>{7}};
  base::TimePoint time{std::chrono::hours(1)};
  std::vector<std::uint64_t> told_delivered;
  int empty = 0;
  int answered = 0;
  std::vector<net::StreamId> adopted;
  std::vector<net::StreamId> dropped;
};

}  // namespace p2pd::peer
