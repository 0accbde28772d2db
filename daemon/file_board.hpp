// The file transfers of this daemon in both directions, as the control thread knows them: takes what local
// programs send, decides on what peers offer, keeps the rows in the store in step, tells progress a few times
// a second while somebody listens. Contents never pass through here: they go between a peer's thread and the
// file worker (OutboundFile, InboundFile). Control thread; owned by the Node, and gone before its worker and
// store.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/descriptor.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "daemon/address_book.hpp"
#include "daemon/file_view.hpp"
#include "daemon/file_worker.hpp"
#include "daemon/inbound_file.hpp"
#include "daemon/outbound_file.hpp"
#include "ipc/events.hpp"
#include "peer/file_port.hpp"
#include "store/store.hpp"

namespace p2pd::daemon {

// The way to a peer's thread.
class FilePeers {
 public:
  virtual void send_file(const base::PeerId& peer, peer::OutgoingFile file) = 0;
  virtual void cancel_incoming_file(const base::PeerId& peer, const proto::TransferId& id) = 0;
  [[nodiscard]] virtual boost::asio::any_io_executor thread_of(const base::PeerId& peer) = 0;

 protected:
  ~FilePeers() = default;
};

class FileBoard {
 public:
  struct Config {
    std::string folder;          // of received files
    std::string partial_prefix;  // of our temporary files in it
    std::uint64_t quota = 0;     // bytes a peer may send in a day and have unfinished, together
    std::uint64_t reserve = 0;   // bytes of the disk that stay free
  };
  // Of one peer.
  static constexpr std::size_t kMaxOutgoing = 1'000;
  static constexpr std::size_t kMaxIncoming = 64;  // unfinished
  static constexpr std::size_t kMaxReceiving = 16;
  // One that is unfinished for so long is given up: its sender has forgotten it.
  static constexpr std::chrono::hours kUnfinished{90 * 24};

  FileBoard(Config config, boost::asio::io_context& io, const AddressBook& book, store::Store& store,
            ipc::EventHub& events, FileWorker& worker, FilePeers& peers);

  // At start, with the store's rows, before any peer lives; then start(), when they do.
  void load(std::vector<store::TransferRow> rows);
  void start();
  void stop();

  // --- for local programs; `done` runs later ---
  template <class T>
  using Done = std::function<void(base::Result<T>)>;
  struct Sending {
    base::PeerId peer;
    std::optional<std::string> name;  // nothing: the descriptor's
    base::Descriptor file;            // may be empty with `id`
    std::optional<std::string> id;    // goes on with this one
    bool resume = false;              // goes on with one of the same file, if there is one
  };
  // Errors: invalid_params, invalid_name, too_large, not_found, quota, storage.
  void send(Sending sending, Done<TransferView> done);
  [[nodiscard]] std::vector<TransferView> list(const std::optional<base::PeerId>& peer);
  // Error: not_found.
  void cancel(const std::string& id, Done<void> done);
  // The outcome of an outgoing one was told to its user: the same file sent again is another transfer.
  void collect(const std::string& id, Done<void> done);

  void forget(const base::PeerId& peer);

  // --- from peers; `done` runs on any thread ---
  void offered(const base::PeerId& peer, const proto::FileOffer& offer,
               std::function<void(peer::FileAnswer)> done);
  void withdrawn(const base::PeerId& peer, const proto::FileWithdraw& withdraw,
                 std::function<void(bool gone)> done);
  void delivered(const base::PeerId& peer, const proto::TransferId& id, const std::string& name);
  void refused(const base::PeerId& peer, const proto::TransferId& id, proto::FileRefusal reason);
  void failed(const base::PeerId& peer, const proto::TransferId& id, proto::FileWithdrawal reason);

 private:
  struct Transfer {
    store::TransferRow row;
    std::shared_ptr<OutboundFile> source;
    std::shared_ptr<InboundFile> target;
    bool settling = false;  // its row is being written, or put right
    RateMeter meter;
    std::string told;  // the last progress event's state and bytes
  };
  using Transfers = std::map<std::string, Transfer>;

  // file_board_send.cpp
  void looked(Sending sending, const FileFacts& facts, Done<TransferView> done);
  void go_on(Sending sending, const FileFacts& facts, const Done<TransferView>& done);
  void begin(Sending sending, const FileFacts& facts, Done<TransferView> done);
  void attach(Transfer& transfer, base::Descriptor file, const FileFacts& facts);
  void offer(Transfer& transfer);
  void withdraw(const store::TransferRow& row);

  // file_board_receive.cpp
  void give_up(const base::PeerId& peer, const std::string& id);
  void admit(const base::PeerId& peer, const proto::FileOffer& offer,
             std::function<void(peer::FileAnswer)> done);
  void admitted(const std::string& id, const std::function<void(peer::FileAnswer)>& done);
  [[nodiscard]] std::shared_ptr<InboundFile> make_target(const store::TransferRow& row);
  void target_over(const std::string& id, const InboundFile::Outcome& outcome);
  // Removes what there is of it, then ends it; `done` gets whether that came before its end.
  void drop(const std::string& id, store::TransferState state, std::string reason,
            std::function<void(bool dropped)> done);
  void recover(const std::string& id);
  void give_up_old();
  void clean_folder();

  // file_board.cpp
  [[nodiscard]] TransferView view(Transfer& transfer);
  // Ends it in the store and in memory, and tells.
  void end(Transfers::iterator transfer, store::TransferState state, std::string reason, bool settled,
           std::function<void(base::Result<void>)> done = {});
  void tell(std::string_view type, const TransferView& transfer);
  void tell_progress();
  void arm(base::Duration wait);
  [[nodiscard]] std::string name_of(const base::PeerId& peer) const;
  [[nodiscard]] store::Post post_here();
  template <class Count>
  [[nodiscard]] std::size_t count(const base::PeerId& peer, Count matches) const;

  const Config config_;
  boost::asio::io_context& io_;
  const AddressBook& book_;
  store::Store& store_;
  ipc::EventHub& events_;
  FileWorker& worker_;
  FilePeers& peers_;
  Transfers transfers_;                        // those that are not over, by ID
  std::set<std::string> looked_up_;            // offered, and it is not known yet whether they are over
  std::vector<store::TransferRow> unsettled_;  // at start: to be withdrawn
  bool cleaned_ = false;                       // nothing is admitted before
  boost::asio::steady_timer timer_;
  bool armed_ = false;
  bool stopped_ = false;
};

}  // namespace p2pd::daemon
