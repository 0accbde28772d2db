// What two peers say to each other on the control stream, the first bidirectional stream of their QUIC
// connection: frames of u16 length (of what follows, at most 8,192), u8 type, body. A type that is not known
// is skipped, so new ones can be added; the body of a known one must fit exactly. Pure values; the deframer
// belongs to its stream's reader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "proto/candidate.hpp"
#include "proto/deframer.hpp"
#include "proto/net_report.hpp"

namespace p2pd::proto {

inline constexpr std::uint16_t kControlVersion = 1;
inline constexpr std::size_t kMaxControlFrame = 8'192;
inline constexpr std::size_t kMaxRelayHints = 8;
inline constexpr std::size_t kMaxRelayHintSize = 512;
inline constexpr std::size_t kMaxReportedCandidates = 32;
inline constexpr std::size_t kMaxReportedText = 56;  // 32 of them fit a frame

// Bits of ControlHello::capabilities; unknown ones are ignored.
inline constexpr std::uint32_t kCapabilityDatagrams = 1U << 0;  // reserved, RFC 9221
inline constexpr std::uint32_t kCapabilityMessages = 1U << 1;
inline constexpr std::uint32_t kCapabilityFiles = 1U << 2;
inline constexpr std::uint32_t kCapabilityServices = 1U << 3;

struct ControlHello {  // 1, the first message of either side
  std::uint16_t version = kControlVersion;
  std::uint32_t capabilities = 0;
  std::uint64_t instance = 0;       // random at each start of the daemon
  std::uint64_t message_epoch = 0;  // names the sender's outbox numbering
  bool direct_allowed = true;
  bool operator==(const ControlHello&) const = default;
};
struct ControlKeep {  // 2, arbiter to the other: this connection stays
  bool operator==(const ControlKeep&) const = default;
};
struct ControlIceCredentials {  // 3, a higher generation is a restart
  std::uint32_t generation = 0;
  std::string ufrag;     // 4 to 255 ice-chars
  std::string password;  // 22 to 256 ice-chars; a secret
  bool operator==(const ControlIceCredentials&) const = default;
};
struct ControlCandidate {  // 4, well-formed only: judge it before use (proto/candidate.hpp)
  std::uint32_t generation = 0;
  Candidate candidate;
  bool operator==(const ControlCandidate&) const = default;
};
struct ControlCandidatesDone {  // 5
  std::uint32_t generation = 0;
  bool operator==(const ControlCandidatesDone&) const = default;
};
struct ControlRelayHints {  // 6, the relays the sender is reached by, best first
  std::vector<std::string> urls;
  bool operator==(const ControlRelayHints&) const = default;
};
struct ControlPing {  // 7
  std::uint64_t id = 0;
  bool operator==(const ControlPing&) const = default;
};
struct ControlPong {  // 8
  std::uint64_t id = 0;
  bool operator==(const ControlPong&) const = default;
};
struct ControlDirectPolicy {  // 9, the sender's permission for direct paths changed
  bool allowed = true;
  bool operator==(const ControlDirectPolicy&) const = default;
};

struct ControlNetQuestion {  // 10, what does your network allow?
  std::uint64_t id = 0;
  bool operator==(const ControlNetQuestion&) const = default;
};
// One as the sender sees it; texts are words of its history, printable ASCII of at most kMaxReportedText.
struct ReportedCandidate {
  bool local = true;
  std::string type;
  std::string address;
  std::string state;
  std::string reason;
  bool operator==(const ReportedCandidate&) const = default;
};
struct ControlNetReport {  // 11, the answer to a question; without the sender's addresses where direct is off
  std::uint64_t id = 0;
  NetReport report;
  std::vector<ReportedCandidate> candidates;
  bool operator==(const ControlNetReport&) const = default;
};

using ControlMessage = std::variant<ControlHello, ControlKeep, ControlIceCredentials, ControlCandidate,
                                    ControlCandidatesDone, ControlRelayHints, ControlPing, ControlPong,
                                    ControlDirectPolicy, ControlNetQuestion, ControlNetReport>;

// A whole frame, length included. Texts and lists over their limits are the caller's bug and assert.
[[nodiscard]] base::Bytes encode(const ControlMessage& message);
// `frame` is type and body, without the length. `unknown_type` is for the caller to skip.
[[nodiscard]] base::Result<ControlMessage> parse_control_message(base::ByteView frame);

class ControlDeframer {
 public:
  void feed(base::ByteView piece) { deframer_.feed(piece); }
  // The next known message, unknown ones skipped; nothing when more bytes are needed. An error ends the
  // connection with CloseCode::protocol_error.
  [[nodiscard]] base::Result<std::optional<ControlMessage>> next();

 private:
  Deframer deframer_{Deframer::LengthField::u16, kMaxControlFrame};
  std::optional<base::Error> broken_;  // the first error, for good
};

// RFC 8839 5.1 and 5.4: ALPHA / DIGIT / "+" / "/".
[[nodiscard]] bool is_ice_chars(std::string_view text);
// What a ReportedCandidate's texts may be.
[[nodiscard]] bool is_word(std::string_view text);

}  // namespace p2pd::proto
