// The FileBoard as a peer sees it: calls go to the control thread, completions come back on the plane's. The
// plane's thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "peer/file_port.hpp"

namespace p2pd::daemon {

class FileBoard;

class FileBridge final : public peer::FileStore {
 public:
  // `board` is used on `control` only, and outlives its last turn.
  FileBridge(FileBoard& board, boost::asio::any_io_executor control, boost::asio::any_io_executor plane);

  void offered(const base::PeerId& peer, const proto::FileOffer& offer,
               std::function<void(peer::FileAnswer)> done) override;
  void withdrawn(const base::PeerId& peer, const proto::FileWithdraw& withdraw,
                 std::function<void(bool gone)> done) override;
  void delivered(const base::PeerId& peer, const proto::TransferId& id, const std::string& name) override;
  void refused(const base::PeerId& peer, const proto::TransferId& id, proto::FileRefusal reason) override;
  void failed(const base::PeerId& peer, const proto::TransferId& id, proto::FileWithdrawal reason) override;

 private:
  FileBoard& board_;
  boost::asio::any_io_executor control_;
  boost::asio::any_io_executor plane_;
};

}  // namespace p2pd::daemon
