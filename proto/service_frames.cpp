#include "proto/service_frames.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "proto/error.hpp"

namespace p2pd::proto {
namespace {

bool starts_service_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_service_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxServiceName && starts_service_name(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return starts_service_name(c) || c == '.' || c == '_' || c == '-'; });
}

base::Bytes encode_service_open(std::string_view service) {
  P2PD_ASSERT(is_service_name(service));
  return base::ByteWriter().text8(service).take();
}

std::uint8_t encode_service_answer(const std::optional<ServiceRefusal>& refusal) {
  return refusal ? static_cast<std::uint8_t>(*refusal) : 0;
}

base::Result<std::optional<ServiceRefusal>> parse_service_answer(std::uint8_t answer) {
  if (answer == 0) return std::optional<ServiceRefusal>();
  if (answer > static_cast<std::uint8_t>(ServiceRefusal::busy)) {
    return frame_error(FrameError::bad_value, "answer of a service");
  }
  return std::optional(static_cast<ServiceRefusal>(answer));
}

base::Result<std::optional<std::string>> ServiceOpenReader::read(base::ByteView& bytes) {
  if (!size_ && !bytes.empty()) {
    size_ = bytes.front();
    bytes = bytes.subspan(1);
  }
  if (!size_) return std::optional<std::string>();
  if (*size_ == 0 || *size_ > kMaxServiceName) {
    return frame_error(FrameError::bad_value, "length of a service's name");
  }
  const std::size_t part = std::min(*size_ - name_.size(), bytes.size());
  name_ += base::as_text(bytes.first(part));
  bytes = bytes.subspan(part);
  if (name_.size() < *size_) return std::optional<std::string>();
  if (!is_service_name(name_)) return frame_error(FrameError::bad_value, "a service's name");
  return std::optional(name_);
}

}  // namespace p2pd::proto
