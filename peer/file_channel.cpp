#include "peer/file_channel.hpp"

#include <algorithm>
#include <chrono>
#include <type_traits>
#include <utility>

namespace p2pd::peer {

using namespace std::chrono_literals;

namespace {

constexpr base::Duration kFirstPause = 1s;
constexpr base::Duration kLongestPause = 60s;

}  // namespace

FileChannel::FileChannel(net::QuicConnection& quic, FileStore& store, const base::PeerId& peer,
                         const OutgoingFiles& files, FileSink& sink)
    : quic_(quic), store_(store), peer_(peer), files_(files), sink_(sink) {}

FileChannel::~FileChannel() = default;

void FileChannel::start() {
  started_ = true;
  pump();
}

// The oldest that are not under way, as many as there is room for.
void FileChannel::pump() {
  if (!started_) return;
  std::vector<FileSender*> fresh;
  for (const OutgoingFile& file : files_) {
    if (senders_.size() >= kMaxSenders) break;
    const proto::TransferId& id = file.offer.id;
    if (senders_.contains(id) || paused_.contains(id)) continue;
    auto sender = std::make_unique<FileSender>(
        quic_, sink_, file,
        [this](const proto::TransferId& ended, const FileSender::Outcome& outcome) { over(ended, outcome); });
    fresh.push_back(sender.get());
    senders_.emplace(id, std::move(sender));
  }
  // Only now: one that ends at once changes the lists.
  for (FileSender* sender : fresh) sender->start();
}

void FileChannel::restart(const proto::TransferId& id) {
  paused_.erase(id);
  const auto found = senders_.find(id);
  if (found != senders_.end()) {
    found->second->abandon();
    ended_.push_back(std::move(found->second));
    senders_.erase(found);
  }
  pump();
}

void FileChannel::over(const proto::TransferId& ended, const FileSender::Outcome& outcome) {
  const proto::TransferId id = ended;
  const auto found = senders_.find(id);
  if (found == senders_.end()) return;
  ended_.push_back(std::move(found->second));
  senders_.erase(found);
  if (std::holds_alternative<FileSender::Again>(outcome)) {
    paused_.insert(id);
    if (resume_at_ == base::kNever) {
      pause_ = pause_ == base::Duration::zero() ? kFirstPause : std::min(kLongestPause, 2 * pause_);
      resume_at_ = sink_.now() + pause_;
    }
    return;
  }
  pause_ = base::Duration::zero();
  if (const auto* delivered = std::get_if<FileSender::Delivered>(&outcome)) {
    sink_.on_file_delivered(id, delivered->name);
  } else if (const auto* refusal = std::get_if<proto::FileRefusal>(&outcome)) {
    sink_.on_file_refused(id, *refusal);
  } else {
    sink_.on_file_failed(id, std::get<proto::FileWithdrawal>(outcome));
  }
  pump();
}

void FileChannel::on_time(base::TimePoint now) {
  if (now < resume_at_) return;
  resume_at_ = base::kNever;
  paused_.clear();
  pump();
}

std::unique_ptr<StreamHandler> FileChannel::receive(net::StreamId stream) {
  return std::make_unique<FileReceiver>(quic_, store_, peer_, stream, sink_, receivers_);
}

void FileChannel::cancel_incoming(const proto::TransferId& id) {
  for (FileReceiver* receiver : receivers_) {
    if (receiver->transfer() == id) receiver->cancel();
  }
}

}  // namespace p2pd::peer
