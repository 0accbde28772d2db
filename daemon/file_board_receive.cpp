// The incoming half of FileBoard.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>

#include "base/log.hpp"
#include "daemon/file_board.hpp"
#include "peer/message_id.hpp"
#include "proto/file_name.hpp"

namespace p2pd::daemon {
namespace {

using base::PeerId;
using base::Result;
using proto::FileRefusal;
using store::TransferDirection;
using store::TransferState;
using Answer = std::function<void(peer::FileAnswer)>;

constexpr auto kQuotaTime = std::chrono::hours(24);

bool same_offer(const store::TransferRow& row, const proto::FileOffer& offer) {
  return row.size == offer.size && row.name == offer.name && row.mtime == offer.mtime &&
         row.mtime_ns == offer.mtime_ns;
}

store::TransferRow row_of(const PeerId& peer, const proto::FileOffer& offer, const std::string& folder) {
  store::TransferRow row;
  row.id = peer::message_id_text(offer.id);
  row.peer = peer;
  row.direction = TransferDirection::incoming;
  row.name = offer.name;
  row.size = offer.size;
  row.data_size = offer.data_size;
  row.mtime = offer.mtime;
  row.mtime_ns = offer.mtime_ns;
  row.mode = offer.mode;
  row.created = base::wall_now();
  row.collected = true;
  row.settled = true;
  row.folder = folder;
  return row;
}

}  // namespace

void FileBoard::offered(const PeerId& peer, const proto::FileOffer& offer, Answer done) {
  if (!cleaned_) return done(FileRefusal::busy);
  const std::string id = peer::message_id_text(offer.id);
  const KnownPeer* known = book_.find(peer);
  if (known == nullptr || !known->accept_files) {
    give_up(peer, id);
    return done(FileRefusal::policy);
  }
  if (const std::string fault = proto::file_name_fault(offer.name); !fault.empty()) {
    base::log::info("files", "an offered name is refused",
                    {{"peer", peer}, {"name", offer.name}, {"reason", fault}});
    return done(FileRefusal::name);
  }
  const auto found = transfers_.find(id);
  if (found != transfers_.end()) {
    const store::TransferRow& row = found->second.row;
    if (row.peer != peer || row.direction != TransferDirection::incoming || !same_offer(row, offer)) {
      return done(FileRefusal::mismatch);
    }
    if (found->second.settling) return done(FileRefusal::busy);
    return admitted(id, done);
  }
  if (!looked_up_.insert(id).second) return done(FileRefusal::busy);
  store_.find_transfer(id, post_here(),
                       [this, id, peer, offer, done](Result<std::optional<store::TransferRow>> row) {
                         looked_up_.erase(id);
                         if (!row) return done(FileRefusal::storage);
                         if (!*row) return admit(peer, offer, done);
                         if ((*row)->peer != peer || (*row)->direction != TransferDirection::incoming) {
                           return done(FileRefusal::mismatch);
                         }
                         // The answer to its end was lost.
                         if ((*row)->state == TransferState::done) return done((*row)->stored_name);
                         done(FileRefusal::cancelled);
                       });
}

// What was admitted earlier is not wanted any more.
void FileBoard::give_up(const PeerId& peer, const std::string& id) {
  const auto found = transfers_.find(id);
  if (found == transfers_.end() || found->second.row.peer != peer || found->second.settling ||
      found->second.row.direction != TransferDirection::incoming) {
    return;
  }
  drop(id, TransferState::failed, std::string(to_string(FileRefusal::policy)), [](bool) {});
}

void FileBoard::admit(const PeerId& peer, const proto::FileOffer& offer, Answer done) {
  const auto unfinished = std::count_if(transfers_.begin(), transfers_.end(), [&](const auto& entry) {
    return entry.second.row.peer == peer && entry.second.row.direction == TransferDirection::incoming;
  });
  if (static_cast<std::size_t>(unfinished) >= kMaxIncoming) {
    give_up_old();
    return done(FileRefusal::busy);
  }
  const store::TransferRow row = row_of(peer, offer, config_.folder);
  Transfer& transfer = transfers_[row.id];
  if (!transfer.row.id.empty()) return done(FileRefusal::busy);
  transfer.row = row;
  transfer.settling = true;
  const auto give_up = [this, id = row.id, done](FileRefusal why) {
    transfers_.erase(id);
    done(why);
  };
  store_.incoming_bytes(
      peer, base::wall_now() - kQuotaTime, post_here(),
      [this, row, give_up, done](const Result<std::uint64_t>& bytes) {
        if (!bytes) return give_up(FileRefusal::storage);
        if (row.size > config_.quota || *bytes > config_.quota - row.size) return give_up(FileRefusal::quota);
        store_.add_transfer(row, post_here(), [this, id = row.id, give_up, done](const Result<void>& stored) {
          if (!stored) {
            const bool full = stored.error().code == store::StoreError::disk_full;
            return give_up(full ? FileRefusal::disk_full : FileRefusal::storage);
          }
          const auto found = transfers_.find(id);
          if (found == transfers_.end()) return done(FileRefusal::policy);
          found->second.settling = false;
          tell("added", view(found->second));
          admitted(id, done);
        });
      });
}

void FileBoard::admitted(const std::string& id, const Answer& done) {
  Transfer& transfer = transfers_.at(id);
  const auto receiving = std::count_if(transfers_.begin(), transfers_.end(), [&](const auto& entry) {
    return entry.first != id && entry.second.row.peer == transfer.row.peer && entry.second.target &&
           entry.second.target->receiving();
  });
  if (static_cast<std::size_t>(receiving) >= kMaxReceiving) return done(FileRefusal::busy);
  if (!transfer.target) transfer.target = make_target(transfer.row);
  transfer.target->open([this, id, done](peer::FileAnswer answer) {
    const auto* refusal = std::get_if<FileRefusal>(&answer);
    if (refusal != nullptr && *refusal != FileRefusal::busy) {
      boost::asio::post(io_, [this, id, why = *refusal] { target_over(id, why); });
    }
    done(std::move(answer));
  });
  arm(std::chrono::milliseconds(250));
}

std::shared_ptr<InboundFile> FileBoard::make_target(const store::TransferRow& row) {
  InboundFile::Config config{worker_, store_, peers_.thread_of(row.peer), config_.reserve,
                             config_.partial_prefix + row.id + ".part"};
  return std::make_shared<InboundFile>(
      std::move(config), row, [this, id = row.id](const InboundFile::Outcome& outcome) {
        boost::asio::post(io_, [this, id, outcome] { target_over(id, outcome); });
      });
}

void FileBoard::target_over(const std::string& id, const InboundFile::Outcome& outcome) {
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) return;
  if (const auto* refusal = std::get_if<FileRefusal>(&outcome)) {
    return drop(id, TransferState::failed, std::string(to_string(*refusal)), [](bool) {});
  }
  // Its row says so already.
  store::TransferRow row = std::move(found->second.row);
  transfers_.erase(found);
  row.state = TransferState::done;
  row.stored_name = std::get<std::string>(outcome);
  row.ended = base::wall_now();
  base::log::info("files", "file received", {{"peer", row.peer}, {"transfer", row.id}, {"bytes", row.size}});
  tell("done", finished_view(row, name_of(row.peer)));
}

void FileBoard::drop(const std::string& id, TransferState state, std::string reason,
                     std::function<void(bool)> done) {
  Transfer& transfer = transfers_.at(id);
  if (!transfer.target) transfer.target = make_target(transfer.row);
  transfer.target->drop([this, id, state, reason = std::move(reason), done = std::move(done)](bool dropped) {
    boost::asio::post(io_, [this, id, state, reason, done, dropped] {
      const auto found = transfers_.find(id);
      if (!dropped || found == transfers_.end()) return done(dropped);
      end(found, state, reason, true, [done](const Result<void>&) { done(true); });
    });
  });
}

void FileBoard::withdrawn(const PeerId& peer, const proto::FileWithdraw& withdraw,
                          std::function<void(bool gone)> done) {
  const std::string id = peer::message_id_text(withdraw.id);
  // Its offer is still being admitted.
  if (!cleaned_ || looked_up_.contains(id)) return done(false);
  const auto found = transfers_.find(id);
  if (found == transfers_.end() || found->second.row.peer != peer ||
      found->second.row.direction != TransferDirection::incoming) {
    return done(true);
  }
  if (found->second.settling) return done(false);
  const bool cancelled = withdraw.reason == proto::FileWithdrawal::cancelled;
  drop(id, cancelled ? TransferState::cancelled : TransferState::failed,
       std::string(to_string(withdraw.reason)), [done = std::move(done)](bool) { done(true); });
}

// --- at start

void FileBoard::recover(const std::string& id) {
  Transfer& transfer = transfers_.at(id);
  transfer.settling = true;
  transfer.target = make_target(transfer.row);
  transfer.target->recover([this, id](bool stored) {
    boost::asio::post(io_, [this, id, stored] {
      const auto found = transfers_.find(id);
      if (found == transfers_.end()) return;
      found->second.settling = false;
      if (stored) return end(found, TransferState::done, "", true);
      found->second.row.state = TransferState::running;
      found->second.row.stored_name.clear();
      store::TransferChange change;
      change.state = TransferState::running;
      change.stored_name = "";
      store_.change_transfer(id, change, {}, {});
    });
  });
}

void FileBoard::give_up_old() {
  const base::WallTime oldest = base::wall_now() - kUnfinished;
  std::vector<std::string> old;
  for (const auto& [id, transfer] : transfers_) {
    const bool idle = !transfer.settling && (!transfer.target || !transfer.target->receiving());
    if (transfer.row.direction == TransferDirection::incoming && transfer.row.created < oldest && idle) {
      old.push_back(id);
    }
  }
  for (const std::string& id : old) drop(id, TransferState::failed, "abandoned", [](bool) {});
}

// Temporary files that no transfer knows: of one whose peer was removed while the daemon was killed, say.
void FileBoard::clean_folder() {
  std::set<std::string> known;
  for (const auto& [id, transfer] : transfers_) known.insert(config_.partial_prefix + id + ".part");
  worker_.post([this, known = std::move(known)] {
    if (const auto usable = DownloadFolder::check(config_.folder); !usable) {
      base::log::warn("files", "received files cannot be stored; see download-dir",
                      {{"error", usable.error().message()}});
    }
    std::error_code ignored;
    if (std::filesystem::is_directory(config_.folder, ignored)) {
      if (const auto folder = DownloadFolder::open(config_.folder)) {
        for (const std::string& name : folder->partials()) {
          if (name.starts_with(config_.partial_prefix) && !known.contains(name)) folder->remove(name);
        }
      }
    }
    boost::asio::post(io_, [this] { cleaned_ = true; });
  });
}

}  // namespace p2pd::daemon
