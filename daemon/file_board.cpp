#include "daemon/file_board.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "peer/message_id.hpp"

namespace p2pd::daemon {

using namespace std::chrono_literals;
using base::PeerId;
using base::Result;
using store::TransferDirection;
using store::TransferState;

namespace {

constexpr base::Duration kTell = 250ms;  // between progress events
constexpr base::Duration kUnheard = 1s;  // while nobody listens, for the rates
constexpr base::Duration kNothing = 2s;  // while every transfer waits

std::string_view event_type(TransferState state) {
  if (state == TransferState::done) return "done";
  return state == TransferState::cancelled ? "cancelled" : "failed";
}

}  // namespace

FileBoard::FileBoard(Config config, boost::asio::io_context& io, const AddressBook& book, store::Store& store,
                     ipc::EventHub& events, FileWorker& worker, FilePeers& peers)
    : config_(std::move(config)),
      io_(io),
      book_(book),
      store_(store),
      events_(events),
      worker_(worker),
      peers_(peers),
      timer_(io) {}

void FileBoard::load(std::vector<store::TransferRow> rows) {
  for (store::TransferRow& row : rows) {
    if (row.state == TransferState::running || row.state == TransferState::storing) {
      const std::string id = row.id;
      transfers_[id].row = std::move(row);
    } else {
      unsettled_.push_back(std::move(row));
    }
  }
}

void FileBoard::start() {
  for (const store::TransferRow& row : std::exchange(unsettled_, {})) withdraw(row);
  std::vector<std::string> half;
  for (const auto& [id, transfer] : transfers_) {
    if (transfer.row.state == TransferState::storing) half.push_back(id);
  }
  for (const std::string& id : half) recover(id);
  give_up_old();
  clean_folder();
}

void FileBoard::stop() {
  stopped_ = true;
  timer_.cancel();
}

std::string FileBoard::name_of(const PeerId& peer) const {
  const KnownPeer* known = book_.find(peer);
  return known == nullptr ? "" : known->name;
}

store::Post FileBoard::post_here() {
  return [this](std::function<void()> task) { boost::asio::post(io_, std::move(task)); };
}

// --- what is shown

TransferView FileBoard::view(Transfer& transfer) {
  TransferView out;
  out.row = transfer.row;
  out.peer_name = name_of(transfer.row.peer);
  if (transfer.row.direction == TransferDirection::outgoing) {
    out.stage = TransferStage::needs_file;
    if (transfer.source) {
      const SourcePhase phase = transfer.source->phase();
      out.bytes = transfer.source->bytes();
      out.stage = phase == SourcePhase::resting    ? TransferStage::waiting
                  : phase == SourcePhase::checking ? TransferStage::checking
                                                   : TransferStage::active;
    }
  } else {
    out.bytes = transfer.row.durable;
    if (transfer.target) {
      out.bytes = transfer.target->bytes();
      if (transfer.target->receiving()) out.stage = TransferStage::active;
    }
    if (out.stage == TransferStage::active && out.bytes == transfer.row.size) {
      out.stage = TransferStage::storing;
    }
  }
  if (out.stage != TransferStage::active) return out;
  out.rate = transfer.meter.rate();
  if (out.rate && *out.rate >= 1) {
    const double seconds = static_cast<double>(out.row.size - std::min(out.row.size, out.bytes)) / *out.rate;
    constexpr double kLongest = 10.0 * 365 * 24 * 3600;  // a guess beyond ten years is none
    if (seconds < kLongest) {
      out.left = std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
    }
  }
  return out;
}

std::vector<TransferView> FileBoard::list(const std::optional<PeerId>& peer) {
  std::vector<TransferView> out;
  for (auto& [id, transfer] : transfers_) {
    if (!peer || transfer.row.peer == *peer) out.push_back(view(transfer));
  }
  std::stable_sort(out.begin(), out.end(), [](const TransferView& a, const TransferView& b) {
    return a.row.created < b.row.created;
  });
  return out;
}

void FileBoard::tell(std::string_view type, const TransferView& transfer) {
  if (!events_.idle()) events_.publish("file", type, to_json(transfer), transfer.row.peer.text());
}

void FileBoard::arm(base::Duration wait) {
  if (stopped_) return;
  armed_ = true;
  timer_.expires_after(wait);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !stopped_) tell_progress();
  });
}

void FileBoard::tell_progress() {
  armed_ = false;
  const base::TimePoint now = base::Clock::now();
  bool any = false;
  bool moving = false;
  for (auto& [id, transfer] : transfers_) {
    if (!transfer.source && !transfer.target) continue;
    any = true;
    TransferView seen = view(transfer);
    if (seen.stage == TransferStage::active) {
      transfer.meter.sample(seen.bytes, now);
      seen = view(transfer);
    } else {
      transfer.meter.reset();
    }
    moving = moving || seen.stage != TransferStage::waiting;
    std::string state = std::string(to_string(seen.stage)) + std::to_string(seen.bytes);
    if (state == transfer.told) continue;
    transfer.told = std::move(state);
    tell("progress", seen);
  }
  if (any) arm(!moving ? kNothing : events_.idle() ? kUnheard : kTell);
}

// --- ends

void FileBoard::end(Transfers::iterator found, TransferState state, std::string reason, bool settled,
                    std::function<void(Result<void>)> done) {
  store::TransferRow row = std::move(found->second.row);
  transfers_.erase(found);
  row.state = state;
  row.reason = reason;
  row.settled = settled;
  row.ended = base::wall_now();
  base::log::info(
      "files", "transfer ended",
      {{"peer", row.peer}, {"transfer", row.id}, {"state", event_type(state)}, {"reason", reason}});
  store::TransferChange change;
  change.state = state;
  change.reason = std::move(reason);
  change.ended = row.ended;
  change.settled = settled;
  if (!row.stored_name.empty()) change.stored_name = row.stored_name;
  store_.change_transfer(row.id, change, post_here(),
                         [this, row, done = std::move(done)](const Result<void>& stored) {
                           if (!stored) {
                             base::log::error("files", "a transfer's end is not stored",
                                              {{"transfer", row.id}, {"error", stored.error().message()}});
                           }
                           tell(event_type(row.state), finished_view(row, name_of(row.peer)));
                           if (done) done(stored);
                         });
}

void FileBoard::cancel(const std::string& id, Done<void> done) {
  const auto found = transfers_.find(id);
  if (found == transfers_.end() || found->second.settling) {
    return done(make_error(ErrorCode::not_found,
                           "no transfer " + id + " is under way: it is over already; see `p2pctl file`"));
  }
  if (found->second.row.direction == TransferDirection::outgoing) {
    const store::TransferRow row = found->second.row;
    return end(found, TransferState::cancelled, "cancelled_by_sender", false,
               [this, row, done = std::move(done)](const Result<void>& stored) {
                 withdraw(row);
                 done(stored);
               });
  }
  peers_.cancel_incoming_file(found->second.row.peer, *peer::message_id(id));
  drop(id, TransferState::cancelled, "cancelled_by_receiver", [done = std::move(done)](bool dropped) {
    if (dropped) return done({});
    done(make_error(ErrorCode::not_found, "it is too late: the file is complete"));
  });
}

void FileBoard::collect(const std::string& id, Done<void> done) {
  store::TransferChange change;
  change.collected = true;
  store_.change_transfer(id, change, post_here(), std::move(done));
}

// Their rows have gone with the peer's.
void FileBoard::forget(const PeerId& peer) {
  for (auto it = transfers_.begin(); it != transfers_.end();) {
    if (it->second.row.peer != peer) {
      ++it;
      continue;
    }
    store::TransferRow row = std::move(it->second.row);
    if (row.direction == TransferDirection::incoming) {
      const auto target = it->second.target ? it->second.target : make_target(row);
      target->drop([](bool) {});
    }
    it = transfers_.erase(it);
    row.state = TransferState::cancelled;
    row.reason = "peer_removed";
    row.ended = base::wall_now();
    tell("cancelled", finished_view(std::move(row), ""));
  }
}

}  // namespace p2pd::daemon
