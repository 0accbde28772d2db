#include "net/relay_queue.hpp"

namespace p2pd::net {

std::size_t RelayQueue::push_datagram(base::Bytes frame) {
  if (frame.size() > limits_.bytes || limits_.datagrams == 0) return 1;
  std::size_t dropped = 0;
  while (datagrams_.size() >= limits_.datagrams || datagram_bytes_ + frame.size() > limits_.bytes) {
    datagram_bytes_ -= datagrams_.front().size();
    datagrams_.pop_front();
    ++dropped;
  }
  datagram_bytes_ += frame.size();
  datagrams_.push_back(std::move(frame));
  return dropped;
}

bool RelayQueue::push_control(base::Bytes frame) {
  if (control_.size() >= limits_.control) return false;
  control_.push_back(std::move(frame));
  return true;
}

std::optional<RelayQueue::Frame> RelayQueue::pop() {
  if (!control_.empty()) {
    Frame out{std::move(control_.front()), false};
    control_.pop_front();
    return out;
  }
  if (datagrams_.empty()) return std::nullopt;
  Frame out{std::move(datagrams_.front()), true};
  datagrams_.pop_front();
  datagram_bytes_ -= out.bytes.size();
  return out;
}

void RelayQueue::clear() {
  control_.clear();
  datagrams_.clear();
  datagram_bytes_ = 0;
}

}  // namespace p2pd::net
