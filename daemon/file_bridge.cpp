#include "daemon/file_bridge.hpp"

#include <memory>
#include <utility>

#include <boost/asio/post.hpp>

#include "daemon/file_board.hpp"

namespace p2pd::daemon {

using base::PeerId;

FileBridge::FileBridge(FileBoard& board, boost::asio::any_io_executor control,
                       boost::asio::any_io_executor plane)
    : board_(board), control_(std::move(control)), plane_(std::move(plane)) {}

void FileBridge::offered(const PeerId& peer, const proto::FileOffer& offer,
                         std::function<void(peer::FileAnswer)> done) {
  auto back = [plane = plane_, done = std::move(done)](peer::FileAnswer answer) {
    // std::function wants to be copied, and an admission cannot be.
    auto kept = std::make_shared<peer::FileAnswer>(std::move(answer));
    boost::asio::post(plane, [done, kept] { done(std::move(*kept)); });
  };
  boost::asio::post(control_, [&board = board_, peer, offer, back] { board.offered(peer, offer, back); });
}

void FileBridge::withdrawn(const PeerId& peer, const proto::FileWithdraw& withdraw,
                           std::function<void(bool gone)> done) {
  auto back = [plane = plane_, done = std::move(done)](bool gone) {
    boost::asio::post(plane, [done, gone] { done(gone); });
  };
  boost::asio::post(control_,
                    [&board = board_, peer, withdraw, back] { board.withdrawn(peer, withdraw, back); });
}

void FileBridge::delivered(const PeerId& peer, const proto::TransferId& id, const std::string& name) {
  boost::asio::post(control_, [&board = board_, peer, id, name] { board.delivered(peer, id, name); });
}

void FileBridge::refused(const PeerId& peer, const proto::TransferId& id, proto::FileRefusal reason) {
  boost::asio::post(control_, [&board = board_, peer, id, reason] { board.refused(peer, id, reason); });
}

void FileBridge::failed(const PeerId& peer, const proto::TransferId& id, proto::FileWithdrawal reason) {
  boost::asio::post(control_, [&board = board_, peer, id, reason] { board.failed(peer, id, reason); });
}

}  // namespace p2pd::daemon
