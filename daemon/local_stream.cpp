#include "daemon/local_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <boost/asio/post.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace p2pd::daemon {
namespace {

namespace asio = boost::asio;
using peer::StreamEnding;

// Reads in one turn; then others have theirs.
constexpr int kReadsInATurn = 4;
// What a buffer keeps when it is empty.
constexpr std::size_t kKeptWhenEmpty = 64 * 1024;

int socket_family(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return AF_UNSPEC;
  return address.ss_family;
}

}  // namespace

LocalStream::LocalStream(Shared& shared, std::function<void()> opened,
                         std::function<void(const Outcome&)> over)
    : shared_(shared), on_opened_(std::move(opened)), told_(std::move(over)), socket_(shared.io) {}

// --- beginnings ---

void LocalStream::on_open() {
  opened_ = true;
  if (on_opened_) std::exchange(on_opened_, nullptr)();
}

void LocalStream::begin(base::Descriptor socket, base::Bytes early) {
  if (!told_) return;
  if (!socket) return end(StreamEnding::cancelled, net::CloseCode::cancelled);
  boost::system::error_code failed;
  socket_.assign(asio::generic::stream_protocol(socket_family(socket.get()), 0), socket.get(), failed);
  if (failed) return end(StreamEnding::cancelled, net::CloseCode::cancelled);
  static_cast<void>(socket.release());
  start(std::move(early));
}

void LocalStream::accept(Socket socket, base::Bytes early, const peer::ServiceHost::Answer& answer) {
  if (!told_) return;
  socket_ = std::move(socket);
  peer::ByteStream* const stream = answer(shared_from_this());
  if (over_) return;
  if (stream == nullptr) return on_over(StreamEnding::reset);
  stream_ = stream;
  on_open();
  start(std::move(early));
}

void LocalStream::start(base::Bytes early) {
  // What is written is what had come: waiting for more would only cost time. A Unix socket has no such thing.
  const int on = 1;
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (!early.empty() && stream_ != nullptr) {
    outcome_.sent += early.size();
    stream_->write(early);
  }
  schedule_read();
  if (!drained() || fin_) schedule_write();
}

// --- from the socket to the peer ---

void LocalStream::schedule_read() {
  if (read_ended_ || !socket_.is_open() || std::exchange(reading_, true)) return;
  // Not at once: this may run inside a turn of the peer.
  asio::post(shared_.io, [self = shared_from_this()] { self->read(); });
}

void LocalStream::read() {
  reading_ = false;
  for (int reads = 0; reads < kReadsInATurn; ++reads) {
    if (stream_ == nullptr || read_ended_ || !socket_.is_open()) return;
    const std::size_t room = std::min(stream_->room(), shared_.scratch.size());
    if (room == 0) return;  // on_room() follows
    const ssize_t count = ::recv(socket_.native_handle(), shared_.scratch.data(), room, MSG_DONTWAIT);
    if (count > 0) {
      outcome_.sent += static_cast<std::size_t>(count);
      stream_->write(base::ByteView(shared_.scratch).first(static_cast<std::size_t>(count)));
      continue;
    }
    if (count == 0) {
      read_ended_ = true;
      stream_->finish();
      return settle();
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return end(StreamEnding::cancelled, net::CloseCode::cancelled);
    }
    reading_ = true;
    return socket_.async_wait(Socket::wait_read,
                              [self = shared_from_this()](const boost::system::error_code& error) {
                                self->reading_ = false;
                                if (!error) self->read();
                              });
  }
  schedule_read();
}

// The peer's program reads no more: what this one still writes fails.
void LocalStream::on_stopped() {
  read_ended_ = true;
  boost::system::error_code ignored;
  if (socket_.is_open()) socket_.shutdown(Socket::shutdown_receive, ignored);
  settle();
}

// --- from the peer to the socket ---

// Written in a turn of its own, when all that came in this one is there.
void LocalStream::on_data(base::ByteView data, bool fin) {
  pending_.insert(pending_.end(), data.begin(), data.end());
  fin_ = fin_ || fin;
  schedule_write();
}

void LocalStream::schedule_write() {
  if (!socket_.is_open() || std::exchange(writing_, true)) return;
  asio::post(shared_.io, [self = shared_from_this()] {
    self->writing_ = false;
    self->write_out();
  });
}

void LocalStream::write_out() {
  if (!socket_.is_open() || write_ended_) return;
  std::size_t written = 0;
  bool blocked = false;
  while (!drained() && !blocked) {
    const ssize_t count = ::send(socket_.native_handle(), pending_.data() + pending_at_,
                                 pending_.size() - pending_at_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) {
      pending_at_ += static_cast<std::size_t>(count);
      written += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      blocked = true;
    } else if (errno != EINTR) {
      after_write(written);
      return discard();
    }
  }
  if (blocked) {
    writing_ = true;
    socket_.async_wait(Socket::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                         self->writing_ = false;
                         if (!error) self->write_out();
                       });
  }
  after_write(written);
}

void LocalStream::after_write(std::size_t written) {
  outcome_.received += written;
  if (drained()) {
    pending_.clear();
    pending_at_ = 0;
    if (pending_.capacity() > kKeptWhenEmpty) pending_.shrink_to_fit();
  } else if (pending_at_ > pending_.size() / 2) {
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(pending_at_));
    pending_at_ = 0;
  }
  if (written > 0 && stream_ != nullptr) stream_->consume(written);
  if (!fin_ || !drained() || write_ended_) return;
  write_ended_ = true;
  boost::system::error_code ignored;
  if (socket_.is_open()) socket_.shutdown(Socket::shutdown_send, ignored);
  settle();
}

void LocalStream::discard() {
  write_ended_ = true;
  pending_.clear();
  pending_at_ = 0;
  if (stream_ != nullptr && !fin_) stream_->stop();
  settle();
}

// --- ends ---

void LocalStream::on_over(StreamEnding ending) {
  if (std::exchange(over_, true)) return;
  stream_ = nullptr;
  outcome_.ending = ending;
  // All is there, but the socket may not have taken it yet.
  if (ending == StreamEnding::finished && opened_) return settle();
  abort();
}

void LocalStream::end(StreamEnding ending, net::CloseCode code) {
  if (!told_) return;
  if (over_) return abort();
  if (peer::ByteStream* const stream = std::exchange(stream_, nullptr)) {
    over_ = true;
    outcome_.ending = ending;
    stream->reset(code);
    abort();
  } else {
    on_over(ending);
  }
}

void LocalStream::settle() {
  if (!read_ended_ && !over_) return;
  if (!write_ended_) return;
  boost::system::error_code ignored;
  socket_.close(ignored);
  if (over_) tell();
}

// A TCP client is to see that it was no proper end.
void LocalStream::abort() {
  pending_.clear();
  pending_at_ = 0;
  if (socket_.is_open()) {
    const linger at_once{1, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    boost::system::error_code ignored;
    socket_.close(ignored);
  }
  tell();
}

void LocalStream::tell() {
  if (const auto told = std::exchange(told_, nullptr)) told(outcome_);
}

}  // namespace p2pd::daemon
