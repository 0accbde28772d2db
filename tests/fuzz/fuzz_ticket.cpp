#include <cstddef>
#include <cstdint>

#include "proto/pairing_frames.hpp"
#include "proto/ticket.hpp"
#include "tests/fuzz/property.hpp"

namespace {

namespace base = p2pd::base;
namespace proto = p2pd::proto;

base::Bytes bytes_of(const std::string& text) {
  const base::ByteView view = base::as_bytes(text);
  return {view.begin(), view.end()};
}

}  // namespace

// A ticket's check value keeps random bytes out, so its payload is read from the input as well.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  p2pd::fuzz::check_one_spelling(
      input, [](base::ByteView bytes) { return proto::parse_ticket(base::as_text(bytes)); },
      [](const proto::Ticket& ticket) { return bytes_of(proto::encode(ticket)); });
  const auto payload = [](base::ByteView bytes) { return proto::parse_ticket_payload(bytes); };
  p2pd::fuzz::check_one_spelling(
      input, payload, [](const proto::Ticket& ticket) { return proto::encode_ticket_payload(ticket); });
  p2pd::fuzz::check_one_spelling(input, proto::parse_knock,
                                 [](const proto::Knock& knock) { return proto::encode(knock); });
  p2pd::fuzz::check_one_spelling(input, proto::parse_pairing_frame, [](const proto::PairingFrame& frame) {
    const base::Bytes whole = proto::encode(frame);
    return base::Bytes(whole.begin() + 2, whole.end());
  });
  p2pd::fuzz::check_pieces_do_not_matter<proto::PairingDeframer>(input);
  return 0;
}
