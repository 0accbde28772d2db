#include "tests/sim/stream_program.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace p2pd::sim {

using peer::StreamEnding;

namespace {

// A prime, so that each program's bytes begin elsewhere in the same ones.
constexpr std::size_t kPattern = 65'521;
constexpr std::size_t kStride = 7'919;
// What may be held of a stream whose reader has taken nothing: a window at its end, as much unsent at ours.
constexpr std::uint64_t kMostHeld = 2 * 256 * 1024;

const base::Bytes& pattern() {
  static const base::Bytes bytes = [] {
    base::Bytes made(kPattern);
    Random(1).fill(made);
    return made;
  }();
  return bytes;
}

}  // namespace

StreamProgram::StreamProgram(World& world, Node& node, std::size_t index, Plan plan)
    : world_(world), node_(node), index_(index), plan_(plan) {}

void StreamProgram::later(base::Duration delay, void (StreamProgram::*what)()) {
  node_.later(delay, [self = shared_from_this(), what] { (*self.*what)(); });
}

base::ByteView StreamProgram::bytes_at(std::uint64_t at) const {
  return base::ByteView(pattern()).subspan((at + index_ * kStride) % kPattern);
}

void StreamProgram::accept(const peer::ServiceHost::Answer& answer) {
  if (opened_) return fail("one stream came twice");
  opened_ = true;  // answering may tell what has come already
  peer::ByteStream* const stream = answer(shared_from_this());
  if (over_) return;
  if (stream == nullptr) {
    over_ = StreamEnding::connection_lost;
    return;
  }
  stream_ = stream;
  opened_ = false;
  on_open();
}

void StreamProgram::die() {
  dead_ = true;
  stream_ = nullptr;
}

void StreamProgram::on_open() {
  if (dead_) return;
  if (opened_ || over_) return fail("opened twice, or too late");
  opened_ = true;
  later({}, &StreamProgram::speak);
  if (plan_.gives_up) later(*plan_.gives_up, &StreamProgram::give_up);
}

void StreamProgram::on_again() {
  if (dead_) return;
  if (opened_ || over_) return fail("begun again, but it was open");
  stream_ = nullptr;
}

// --- saying ---

void StreamProgram::on_room() {
  if (!dead_) later({}, &StreamProgram::speak);
}

void StreamProgram::speak() {
  while (stream_ != nullptr && !finished_ && !cut_) {
    if (said_ == plan_.size) {
      finished_ = true;
      return stream_->finish();
    }
    const std::size_t room = stream_->room();
    if (room == 0) return;  // on_room() follows
    const base::ByteView ahead = bytes_at(said_);
    const auto count = static_cast<std::size_t>(
        std::min<std::uint64_t>({room, plan_.chunk, plan_.size - said_, ahead.size()}));
    said_ += count;  // before the stream may end
    stream_->write(ahead.first(count));
    if (other_->taken_ == 0 && said_ > kMostHeld) return fail("more is held than a window at each end");
    if (plan_.pace > base::Duration::zero()) return later(plan_.pace, &StreamProgram::speak);
  }
}

void StreamProgram::on_stopped() {
  if (dead_) return;
  if (!other_->stopped_ && !other_->gave_up_) fail("stopped by nobody");
  cut_ = true;
}

// --- hearing ---

void StreamProgram::on_data(base::ByteView data, bool fin) {
  if (dead_) return;
  if (!opened_ || over_ || gave_up_ || stopped_ || heard_all_) return fail("bytes at the wrong time");
  hear(data);
  if (fin) {
    heard_all_ = true;
    if (!other_->finished_ || heard_ != other_->said_) fail("an end before the last byte");
  }
  if (pausing_) return;
  if (plan_.pauses_at && heard_ >= *plan_.pauses_at) {
    pausing_ = true;
    plan_.pauses_at.reset();
    return later(plan_.pause, &StreamProgram::go_on);
  }
  later({}, &StreamProgram::take);
}

void StreamProgram::hear(base::ByteView data) {
  while (!data.empty()) {
    const base::ByteView expected = other_->bytes_at(heard_);
    const std::size_t count = std::min(data.size(), expected.size());
    if (heard_ + count > other_->said_) return fail("bytes that nobody said");
    if (!std::equal(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(count), expected.begin())) {
      return fail("other bytes than were said");
    }
    heard_ += count;
    data = data.subspan(count);
  }
}

void StreamProgram::take() {
  if (stream_ == nullptr || pausing_ || taken_ == heard_) return;
  const std::uint64_t count = heard_ - std::exchange(taken_, heard_);
  stream_->consume(static_cast<std::size_t>(count));
}

void StreamProgram::go_on() {
  pausing_ = false;
  if (stream_ == nullptr) return;
  if (!plan_.stops) return take();
  stopped_ = true;
  stream_->stop();
}

// --- ends ---

void StreamProgram::give_up() {
  if (stream_ == nullptr) return;
  gave_up_ = true;
  std::exchange(stream_, nullptr)->reset(plan_.code);
}

void StreamProgram::on_over(StreamEnding ending) {
  if (dead_) return;
  if (over_ || gave_up_) fail("over twice");
  over_ = ending;
  stream_ = nullptr;
}

std::string StreamProgram::wrong_ending(std::optional<proto::ServiceRefusal> refusal,
                                        bool connection_lasts) const {
  if (!over_ || dead_) return {};
  const StreamProgram& other = *other_;
  const auto bad = [this](std::string_view why) { return fmt::format("{}:{}", why, text()); };
  const auto broke_off = [&](net::CloseCode code) { return other.gave_up_ && other.plan_.code == code; };
  switch (*over_) {
    case StreamEnding::finished:
      if (!finished_ || cut_ || (!heard_all_ && !stopped_)) return bad("finished before its end");
      // Without the other end's word all that was said here is there.
      if (!other.heard_all_ && !other.stopped_ && !other.gave_up_) return bad("finished unheard");
      return {};
    case StreamEnding::reset:
      // Behind its own end it cannot reset, only ask for no more, and ngtcp2 does not tell that with its
      // reason.
      return broke_off(net::CloseCode::cancelled) || (heard_all_ && other.gave_up_) || other.stopped_
                 ? ""
                 : bad("reset by nobody");
    case StreamEnding::disconnected:
      return node_.ever_disconnected() || other.node_.ever_disconnected() ? "" : bad("nobody disconnected");
    case StreamEnding::peer_restarted:
      if (!opened_) return bad("not begun again");
      // A connection is replaced where its other end died or gave it up, of which word may be late.
      if (other.node_.kills() == 0 && !other.node_.ever_disconnected() && !other.lost_connection() &&
          !other.gave_up_ && other.over_ != StreamEnding::finished) {
        return bad("nobody restarted");
      }
      [[fallthrough]];
    case StreamEnding::connection_lost:
      return connection_lasts ? bad("ended with a connection that lasts") : "";
    default:
      if (*over_ == StreamEnding::not_permitted && broke_off(net::CloseCode::refused)) return {};
      // It had accepted, but its reset overtook that.
      if (*over_ == StreamEnding::refused && !opened_ && broke_off(net::CloseCode::cancelled)) return {};
      return refusal && !opened_ && *over_ == peer::to_ending(*refusal) ? "" : bad("a wrong reason");
  }
}

bool StreamProgram::lost_connection() const {
  return over_ == StreamEnding::disconnected || over_ == StreamEnding::connection_lost ||
         over_ == StreamEnding::peer_restarted;
}

std::string StreamProgram::text() const {
  return fmt::format(" [end {}: {}{}{}{}{}{}{} said {} of {}, heard {}, took {}{}]", index_,
                     opened_ ? "opened" : "not opened", finished_ ? " finished" : "",
                     heard_all_ ? " heard all" : "", pausing_ ? " pausing" : "", stopped_ ? " stopped" : "",
                     cut_ ? " cut" : "", gave_up_ ? " gave up" : "", said_, plan_.size, heard_, taken_,
                     over_ ? fmt::format(", over: {}", peer::to_string(*over_)) : "");
}

}  // namespace p2pd::sim
