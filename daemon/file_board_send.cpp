// The outgoing half of FileBoard.
#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "base/log.hpp"
#include "base/random.hpp"
#include "daemon/descriptor_name.hpp"
#include "daemon/file_board.hpp"
#include "peer/message_id.hpp"
#include "proto/file_name.hpp"

namespace p2pd::daemon {
namespace {

using base::PeerId;
using base::Result;
using store::TransferDirection;
using store::TransferState;

proto::FileOffer offer_of(const store::TransferRow& row) {
  proto::FileOffer out;
  out.id = *peer::message_id(row.id);
  out.size = row.size;
  out.data_size = row.data_size;
  out.mtime = row.mtime;
  out.mtime_ns = row.mtime_ns;
  out.mode = static_cast<std::uint16_t>(row.mode);
  out.name = row.name;
  return out;
}

bool same_contents(const store::TransferRow& row, const FileFacts& facts) {
  return row.size == facts.size && row.mtime == facts.mtime && row.mtime_ns == facts.mtime_ns;
}

base::Error store_failure(const base::Error& error) {
  if (error.code == store::StoreError::not_found) {
    return make_error(ErrorCode::not_found, "the peer was removed from the address book");
  }
  if (error.code == store::StoreError::overloaded) return make_error(ErrorCode::busy, error.message());
  if (error.code == store::StoreError::cancelled) {
    return make_error(ErrorCode::shutting_down, "p2pd is stopping");
  }
  return make_error(ErrorCode::storage, error.message());
}

}  // namespace

template <class Count>
std::size_t FileBoard::count(const PeerId& peer, Count matches) const {
  return static_cast<std::size_t>(std::count_if(transfers_.begin(), transfers_.end(), [&](const auto& entry) {
    return entry.second.row.peer == peer && matches(entry.second);
  }));
}

void FileBoard::send(Sending sending, Done<TransferView> done) {
  if (!sending.file) {
    return done(
        make_error(ErrorCode::invalid_params,
                   "file.send needs the open file: pass its descriptor beside the request (SCM_RIGHTS)"));
  }
  // A slow file system must not hold up the API.
  auto shared = std::make_shared<Sending>(std::move(sending));
  worker_.post([this, shared, done = std::move(done)] {
    auto facts = look_at_file(shared->file.get());
    if (!shared->name) shared->name = descriptor_name(shared->file.get());
    boost::asio::post(io_, [this, shared, facts = std::move(facts), done] {
      if (!facts) return done(make_error(ErrorCode::invalid_params, facts.error().context));
      looked(std::move(*shared), *facts, done);
    });
  });
}

void FileBoard::looked(Sending sending, const FileFacts& facts, Done<TransferView> done) {
  if (sending.id) return go_on(std::move(sending), facts, done);
  if (const std::string fault = proto::file_name_fault(*sending.name); !fault.empty()) {
    return done(
        make_error(ErrorCode::invalid_params,
                   fmt::format("a file cannot be sent under this name, for {}; give it another", fault)));
  }
  if (!sending.resume) return begin(std::move(sending), facts, std::move(done));
  for (auto& [id, transfer] : transfers_) {
    const store::TransferRow& row = transfer.row;
    if (row.direction != TransferDirection::outgoing || row.peer != sending.peer ||
        row.name != *sending.name || row.device != facts.device || row.inode != facts.inode ||
        !same_contents(row, facts)) {
      continue;
    }
    if (transfer.settling) return done(make_error(ErrorCode::busy, "this file is being taken: try again"));
    attach(transfer, std::move(sending.file), facts);
    return done(view(transfer));
  }
  auto shared = std::make_shared<Sending>(std::move(sending));
  const store::FileIdentity file{*shared->name, facts.device, facts.inode,
                                 facts.size,    facts.mtime,  facts.mtime_ns};
  store_.find_sent(shared->peer, file, post_here(),
                   [this, shared, facts, done](Result<std::optional<store::TransferRow>> found) {
                     if (!found) return done(store_failure(found.error()));
                     if (!*found) return begin(std::move(*shared), facts, done);
                     done(finished_view(std::move(**found), name_of(shared->peer)));
                   });
}

// With the transfer that `id` names.
void FileBoard::go_on(Sending sending, const FileFacts& facts, const Done<TransferView>& done) {
  const std::string id = *sending.id;
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) {
    store_.find_transfer(
        id, post_here(),
        [this, id, peer = sending.peer, done](Result<std::optional<store::TransferRow>> row) {
          if (!row) return done(store_failure(row.error()));
          const bool ours = *row && (*row)->peer == peer && (*row)->direction == TransferDirection::outgoing;
          if (ours && (*row)->state >= TransferState::done) {
            return done(finished_view(std::move(**row), name_of(peer)));
          }
          done(make_error(
              ErrorCode::not_found,
              fmt::format("no transfer {} to this peer is known: send the file without an ID", id)));
        });
    return;
  }
  Transfer& transfer = found->second;
  if (transfer.row.direction != TransferDirection::outgoing || transfer.row.peer != sending.peer) {
    return done(make_error(ErrorCode::not_found, fmt::format("no transfer {} goes to this peer", id)));
  }
  if (transfer.settling) return done(make_error(ErrorCode::busy, "this file is being taken: try again"));
  if (!same_contents(transfer.row, facts)) {
    return done(make_error(ErrorCode::invalid_params,
                           fmt::format("this is not the file of transfer {}, or it has changed: its size or "
                                       "modification time is another; cancel that and send this one",
                                       id)));
  }
  attach(transfer, std::move(sending.file), facts);
  done(view(transfer));
}

void FileBoard::begin(Sending sending, const FileFacts& facts, Done<TransferView> done) {
  const auto outgoing = [](const Transfer& t) { return t.row.direction == TransferDirection::outgoing; };
  if (count(sending.peer, outgoing) >= kMaxOutgoing) {
    return done(make_error(ErrorCode::quota, fmt::format("{} files wait for this peer already: wait until "
                                                         "some are there, or cancel some",
                                                         kMaxOutgoing)));
  }
  store::TransferRow row;
  row.id = base::to_hex(base::random_array<16>());
  row.peer = sending.peer;
  row.name = *sending.name;
  row.size = facts.size;
  row.data_size = facts.data_size;
  row.mtime = facts.mtime;
  row.mtime_ns = facts.mtime_ns;
  row.mode = facts.mode;
  row.created = base::wall_now();
  row.device = facts.device;
  row.inode = facts.inode;
  Transfer& transfer = transfers_[row.id];
  transfer.row = row;
  transfer.settling = true;
  auto file = std::make_shared<base::Descriptor>(std::move(sending.file));
  store_.add_transfer(row, post_here(), [this, id = row.id, file, facts, done](const Result<void>& stored) {
    const auto found = transfers_.find(id);
    if (found == transfers_.end()) {
      return done(make_error(ErrorCode::not_found, "the peer was removed from the address book"));
    }
    if (!stored) {
      transfers_.erase(found);
      return done(store_failure(stored.error()));
    }
    found->second.settling = false;
    attach(found->second, std::move(*file), facts);
    tell("added", view(found->second));
    done(view(found->second));
  });
}

// The descriptor that is there already is as good.
void FileBoard::attach(Transfer& transfer, base::Descriptor file, const FileFacts& facts) {
  if (transfer.source) return;
  transfer.source =
      std::make_shared<OutboundFile>(worker_, peers_.thread_of(transfer.row.peer), std::move(file), facts);
  offer(transfer);
}

void FileBoard::offer(Transfer& transfer) {
  peers_.send_file(transfer.row.peer, {offer_of(transfer.row), transfer.source, {}});
  arm(std::chrono::milliseconds(250));
}

// The peer is to forget it; until it has heard so, this is said again at every start.
void FileBoard::withdraw(const store::TransferRow& row) {
  proto::FileWithdrawal reason = proto::FileWithdrawal::cancelled;
  if (row.reason == to_string(proto::FileWithdrawal::changed)) reason = proto::FileWithdrawal::changed;
  if (row.reason == to_string(proto::FileWithdrawal::unreadable)) reason = proto::FileWithdrawal::unreadable;
  peers_.send_file(row.peer, {offer_of(row), nullptr, reason});
}

void FileBoard::delivered(const PeerId&, const proto::TransferId& id, const std::string& name) {
  const auto found = transfers_.find(peer::message_id_text(id));
  if (found == transfers_.end()) return;
  found->second.row.stored_name = name;
  end(found, TransferState::done, "", true);
}

void FileBoard::refused(const PeerId&, const proto::TransferId& id, proto::FileRefusal reason) {
  const std::string text = peer::message_id_text(id);
  const auto found = transfers_.find(text);
  if (found == transfers_.end()) {
    // The answer to a withdrawal.
    store::TransferChange change;
    change.settled = true;
    store_.change_transfer(text, change, {}, {});
    return;
  }
  const bool cancelled = reason == proto::FileRefusal::cancelled;
  end(found, cancelled ? TransferState::cancelled : TransferState::failed, std::string(to_string(reason)),
      true);
}

void FileBoard::failed(const PeerId&, const proto::TransferId& id, proto::FileWithdrawal reason) {
  const auto found = transfers_.find(peer::message_id_text(id));
  if (found == transfers_.end()) return;
  end(found, TransferState::failed, std::string(to_string(reason)), false);
}

}  // namespace p2pd::daemon
