#include "ipc/server.hpp"

#include <cerrno>
#include <map>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/await.hpp"
#include "base/log.hpp"
#include "base/task_group.hpp"
#include "ipc/listening_socket.hpp"
#include "ipc/peer_credentials.hpp"
#include "ipc/session.hpp"

namespace p2pd::ipc {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using base::kAwait;

std::optional<Tier> owner_and_root(const Credentials& who) { return AccessRules().tier_of(who, ::geteuid()); }

base::Descriptor open_reserve() { return base::Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// The one line a client gets that is not let in. Best effort: its buffer is empty, so it fits.
void refuse(stream_protocol::socket& socket, const ApiError& error) {
  const std::string line = encode_error("null", error) + "\n";
  (void)::send(socket.native_handle(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

class Server::Impl {
 public:
  Impl(asio::any_io_executor executor, const MethodTable& methods, ServerOptions options)
      : executor_(std::move(executor)),
        methods_(methods),
        options_(std::move(options)),
        acceptor_(executor_),
        pause_(executor_),
        tasks_(executor_) {
    if (!options_.authorise) options_.authorise = owner_and_root;
  }

  base::Result<> start() {
    base::Result<ListeningSocket> opened =
        ListeningSocket::open(options_.path, options_.mode, options_.group);
    if (!opened) return opened.error();
    listening_ = std::make_unique<ListeningSocket>(std::move(*opened));
    acceptor_.assign(stream_protocol(), listening_->take().release());
    acceptor_.non_blocking(true);
    reserve_ = open_reserve();
    tasks_.spawn("ipc accept", run_acceptor());
    return {};
  }

  asio::awaitable<void> stop() {
    stopping_ = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    listening_.reset();
    for (const auto& [id, client] : clients_) client.session->finish();
    // From here tasks_ only shrinks; the last client to end cancels the wait.
    pause_.expires_after(options_.drain);
    if (!clients_.empty()) co_await pause_.async_wait(kAwait);
    for (const auto& [id, client] : clients_) client.session->close();
    co_await tasks_.join();
  }

  [[nodiscard]] std::size_t clients() const { return clients_.size(); }

 private:
  struct Client {
    std::shared_ptr<Session> session;
    int running = 0;  // of its coroutines
  };

  asio::awaitable<void> run_acceptor() {
    while (!stopping_) {
      // Waits first: without a descriptor to give, accept() fails even when nobody is there.
      co_await acceptor_.async_wait(stream_protocol::acceptor::wait_read, kAwait);
      if (stopping_) break;
      boost::system::error_code error;
      stream_protocol::socket socket(executor_);
      acceptor_.accept(socket, error);
      if (!error) {
        accept(std::move(socket));
        continue;
      }
      if (error == asio::error::no_descriptors || error.value() == ENFILE) {
        if (drop_one()) continue;
      } else if (error == asio::error::would_block || error == asio::error::connection_aborted ||
                 error == asio::error::interrupted) {
        continue;
      }
      base::log::error("ipc", "cannot accept clients", {{"error", error.message()}});
      pause_.expires_after(std::chrono::milliseconds(200));
      co_await pause_.async_wait(kAwait);
    }
  }

  // Out of descriptors: the waiting client is accepted through the reserve and closed, or it would stay in
  // the backlog and wake us again and again.
  bool drop_one() {
    reserve_.reset();
    base::Descriptor dropped(::accept(acceptor_.native_handle(), nullptr, nullptr));
    const bool worked = static_cast<bool>(dropped) || errno == EAGAIN;
    base::log::error("ipc", "client dropped: this process has no file descriptor left, raise LimitNOFILE");
    dropped.reset();
    reserve_ = open_reserve();
    return worked && reserve_;
  }

  void accept(stream_protocol::socket socket) {
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    const std::optional<Credentials> who = peer_credentials(socket.native_handle());
    const std::optional<Tier> tier = who ? options_.authorise(*who) : std::nullopt;
    if (!tier) {
      base::log::warn("ipc", "client refused: not permitted",
                      {{"uid", who ? std::to_string(who->uid) : "unknown"}});
      return refuse(socket, {ErrorCode::not_permitted,
                             "this p2pd is not for " +
                                 (who ? "uid " + std::to_string(who->uid) : std::string("unknown users")) +
                                 ": " + methods_.way_to(Tier::read)});
    }
    const std::size_t reserved = *tier == Tier::admin ? 0 : options_.reserved_clients;
    if (clients_.size() + reserved >= options_.max_clients) {
      base::log::warn("ipc", "client refused: too many", {{"clients", clients_.size()}});
      return refuse(socket, {ErrorCode::busy, "p2pd has " + std::to_string(clients_.size()) +
                                                  " clients already: close one and try again"});
    }
    const ClientId id{++last_client_};
    base::log::debug("ipc", "client connected",
                     {{"client", last_client_}, {"uid", who->uid}, {"tier", to_string(*tier)}});
    const auto session = std::make_shared<Session>(std::move(socket), methods_, options_,
                                                   ClientInfo{id, who->uid, who->gid, *tier});
    clients_[id] = {session, 3};
    tasks_.spawn("ipc reader", run(id, Session::run_reader(session)));
    tasks_.spawn("ipc writer", run(id, Session::run_writer(session)));
    tasks_.spawn("ipc watchdog", run(id, Session::run_watchdog(session)));
  }

  // One of a client's coroutines; when it throws, the client is closed, or the other two would wait for ever.
  asio::awaitable<void> run(ClientId id, asio::awaitable<void> part) {
    std::exception_ptr thrown;
    try {
      co_await std::move(part);
    } catch (...) {
      thrown = std::current_exception();
      clients_[id].session->close();
    }
    if (--clients_[id].running == 0) {
      clients_.erase(id);
      base::log::debug("ipc", "client gone", {{"client", static_cast<std::uint64_t>(id)}});
      if (stopping_ && clients_.empty()) pause_.cancel();
    }
    if (thrown) std::rethrow_exception(thrown);
  }

  const asio::any_io_executor executor_;
  const MethodTable& methods_;
  ServerOptions options_;
  std::unique_ptr<ListeningSocket> listening_;
  stream_protocol::acceptor acceptor_;
  asio::steady_timer pause_;
  base::Descriptor reserve_;
  std::map<ClientId, Client> clients_;
  std::uint64_t last_client_ = 0;
  bool stopping_ = false;
  base::TaskGroup tasks_;
};

Server::Server(asio::any_io_executor executor, const MethodTable& methods, ServerOptions options)
    : impl_(std::make_unique<Impl>(std::move(executor), methods, std::move(options))) {}
Server::~Server() = default;
base::Result<> Server::start() { return impl_->start(); }
asio::awaitable<void> Server::stop() { return impl_->stop(); }
std::size_t Server::clients() const { return impl_->clients(); }

}  // namespace p2pd::ipc
