#include "proto/ticket.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <boost/crc.hpp>

#include "base/assert.hpp"
#include "proto/parsing.hpp"

namespace p2pd::proto {
namespace {

using std::chrono::seconds;

constexpr std::size_t kCheckSize = 4;
constexpr std::string_view kFamily = "p2pd";  // the prefix of every version

std::uint32_t check_value(base::ByteView payload) {
  boost::crc_32_type crc;
  crc.process_bytes(kTicketPrefix.data(), kTicketPrefix.size());
  crc.process_bytes(payload.data(), payload.size());
  return crc.checksum();
}

}  // namespace

bool is_ticket_url(std::string_view url) {
  return !url.empty() && url.size() <= kMaxTicketUrl &&
         std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

base::Bytes encode_ticket_payload(const Ticket& ticket) {
  const std::int64_t expires = std::chrono::duration_cast<seconds>(ticket.expires.time_since_epoch()).count();
  P2PD_ASSERT(expires >= 0 && expires <= std::numeric_limits<std::uint32_t>::max());
  P2PD_ASSERT(!ticket.relays.empty() && ticket.relays.size() <= kMaxTicketRelays);
  base::ByteWriter out;
  out.u32(static_cast<std::uint32_t>(expires))
      .bytes(ticket.inviter.bytes())
      .bytes(ticket.id)
      .bytes(ticket.secret)
      .u8(static_cast<std::uint8_t>(ticket.relays.size()));
  for (const std::string& url : ticket.relays) {
    P2PD_ASSERT(is_ticket_url(url));
    out.text8(url);
  }
  return out.take();
}

base::Result<Ticket> parse_ticket_payload(base::ByteView payload) {
  base::ByteReader reader(payload);
  Ticket ticket;
  ticket.expires = base::WallTime(seconds(reader.u32()));
  ticket.inviter = base::PeerId(reader.array<base::PeerId::kSize>());
  ticket.id = reader.array<std::tuple_size_v<InvitationId>>();
  ticket.secret = reader.array<std::tuple_size_v<InvitationSecret>>();
  const std::size_t count = reader.u8();
  if (!reader.failed() && (count == 0 || count > kMaxTicketRelays)) {
    return frame_error(FrameError::bad_value, "ticket: number of relays");
  }
  for (std::size_t i = 0; i < count && !reader.failed(); ++i) {
    ticket.relays.emplace_back(reader.text8());
    if (!reader.failed() && !is_ticket_url(ticket.relays.back())) {
      return frame_error(FrameError::bad_value, "ticket: relay");
    }
  }
  return exact<Ticket>(reader, "ticket", std::move(ticket));
}

std::string encode(const Ticket& ticket) {
  const base::Bytes payload = encode_ticket_payload(ticket);
  const base::Bytes whole = base::ByteWriter().bytes(payload).u32(check_value(payload)).take();
  return std::string(kTicketPrefix) + base::to_base32(whole);
}

base::Result<Ticket> parse_ticket(std::string_view text) {
  if (text.size() > kMaxTicketText) return frame_error(FrameError::too_large, "ticket");
  if (!text.starts_with(kTicketPrefix)) {
    const bool other = text.starts_with(kFamily) && text.size() > kFamily.size() &&
                       text[kFamily.size()] >= '2' && text[kFamily.size()] <= '9';
    if (other) return frame_error(FrameError::version, "ticket");
    return frame_error(FrameError::bad_value, "a ticket begins with p2pd1");
  }
  base::Bytes bytes;
  if (!base::from_base32(text.substr(kTicketPrefix.size()), bytes)) {
    return frame_error(FrameError::bad_value,
                       "a ticket consists of the letters a to z and the digits 2 to 7 after p2pd1");
  }
  if (bytes.size() <= kCheckSize) return frame_error(FrameError::truncated, "ticket");
  const base::ByteView payload = base::ByteView(bytes).first(bytes.size() - kCheckSize);
  base::ByteReader check(base::ByteView(bytes).last(kCheckSize));
  if (check.u32() != check_value(payload)) {
    return frame_error(FrameError::bad_value, "the ticket's check value does not match");
  }
  return parse_ticket_payload(payload);
}

}  // namespace p2pd::proto
