// Texts that people and programs hand in: peer IDs, base32, base64; and what the log makes of foreign ones.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "base/peer_id.hpp"
#include "tests/fuzz/property.hpp"

using namespace p2pd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  const std::string_view text = base::as_text(input);
  base::Bytes out;
  if (base::from_base64(text, out)) P2PD_ASSERT(base::to_base64(out) == text);
  if (base::from_base32(text, out)) P2PD_ASSERT(base::to_base32(out) == text);
  P2PD_ASSERT(base::from_base64(base::to_base64(input), out) && std::ranges::equal(out, input));
  P2PD_ASSERT(base::from_base32(base::to_base32(input), out) && std::ranges::equal(out, input));
  const auto id = base::PeerId::parse(text);
  if (id) P2PD_ASSERT(id->text() == text);
  const std::string escaped = base::log::escape(text);
  P2PD_ASSERT(std::ranges::all_of(escaped, [](char c) { return c >= ' ' && c < 0x7f; }));
  return 0;
}
