#include "daemon/message_bridge.hpp"

#include <boost/asio/post.hpp>

namespace p2pd::daemon {

using base::PeerId;
using base::Result;

MessageBridge::MessageBridge(store::Store& store, boost::asio::io_context& io, MessageNews news)
    : store_(store),
      post_([&io](std::function<void()> task) { boost::asio::post(io, std::move(task)); }),
      news_(std::move(news)) {}

void MessageBridge::load_outbox(const PeerId& peer, std::uint64_t after, std::size_t limit,
                                std::size_t max_bytes,
                                std::function<void(Result<std::vector<peer::OutboxMessage>>)> done) {
  store_.load_outbox(
      peer, after, limit, max_bytes, post_,
      [done = std::move(done)](Result<std::vector<store::OutboxRow>> rows) {
        if (!rows) return done(rows.error());
        std::vector<peer::OutboxMessage> out;
        out.reserve(rows->size());
        for (store::OutboxRow& row : *rows) {
          out.push_back({row.sequence, std::move(row.id), row.created, std::move(row.content_type),
                         std::move(row.reply_to), std::move(row.data)});
        }
        done(std::move(out));
      });
}

void MessageBridge::outbox_delivered(const PeerId& peer, std::uint64_t sequence) {
  store_.outbox_delivered(peer, sequence, nullptr,
                          [peer, news = news_.delivered](const Result<std::vector<store::OutboxRef>>& gone) {
                            if (gone) news(peer, *gone);
                          });
}

void MessageBridge::commit_inbox(const PeerId& peer, std::uint64_t epoch,
                                 std::vector<peer::InboxMessage> messages,
                                 std::function<void(Result<peer::InboundCommit>)> done) {
  std::vector<store::InboundMessage> rows;
  rows.reserve(messages.size());
  for (peer::InboxMessage& message : messages) {
    rows.push_back({message.sequence, std::move(message.id), message.sent, std::move(message.content_type),
                    std::move(message.reply_to), std::move(message.data)});
  }
  store_.commit_inbox(
      peer, epoch, std::move(rows), nullptr,
      [peer, post = post_, news = news_.received, done = std::move(done)](Result<store::InboxCommit> commit) {
        if (commit) news(peer, *commit);
        post([done, commit = std::move(commit)] {
          if (!commit) return done(commit.error());
          done(peer::InboundCommit{commit->high_water, commit->full});
        });
      });
}

void MessageBridge::inbox_high_water(const PeerId& peer, std::uint64_t epoch,
                                     std::function<void(Result<std::uint64_t>)> done) {
  store_.inbox_high_water(peer, epoch, post_, std::move(done));
}

}  // namespace p2pd::daemon
