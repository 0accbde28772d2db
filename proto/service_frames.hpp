// The opening of a service stream, behind its kind byte: the opener writes text8 service, the other end
// answers with one byte; what follows in either direction is the applications'. Pure values; a reader belongs
// to its stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace p2pd::proto {

inline constexpr std::size_t kMaxServiceName = 64;

// Why a stream to a service does not open.
enum class ServiceRefusal : std::uint8_t {
  no_such_service = 1,
  not_permitted = 2,  // also said of services that there are not, to a peer that no service names
  refused = 3,        // the service's program does not take the stream
  busy = 4,           // as many streams as there may be
};

// 1 to 64 letters and digits (ASCII), '.', '_' and '-', beginning with a letter or digit.
[[nodiscard]] bool is_service_name(std::string_view text);

// The length and the name, which is a service's name.
[[nodiscard]] base::Bytes encode_service_open(std::string_view service);
// 0 where there is no refusal.
[[nodiscard]] std::uint8_t encode_service_answer(const std::optional<ServiceRefusal>& refusal);
// Error: bad_value.
[[nodiscard]] base::Result<std::optional<ServiceRefusal>> parse_service_answer(std::uint8_t answer);

class ServiceOpenReader {
 public:
  // Takes what belongs to the opening off the front of `bytes`. The name once it is whole; nothing while more
  // is needed. Error: bad_value, for good.
  [[nodiscard]] base::Result<std::optional<std::string>> read(base::ByteView& bytes);

 private:
  std::optional<std::size_t> size_;
  std::string name_;
};

}  // namespace p2pd::proto
