#include "base/peer_id.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace p2pd::base {
namespace {

Error invalid(std::string why) {
  return {make_error_code(boost::system::errc::invalid_argument), std::move(why)};
}

}  // namespace

Result<PeerId> PeerId::parse(std::string_view text) {
  if (text.size() != kTextSize) {
    return invalid(fmt::format("a peer ID has {} characters, this has {}", kTextSize, text.size()));
  }
  if (text.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") != std::string_view::npos) {
    return invalid("a peer ID is written with a-z and 2-7 only, in lower case");
  }
  Bytes key;
  if (!from_base32(text, key)) return invalid("this peer ID is not in its canonical form; copy it again");
  return from_bytes(key);
}

Result<PeerId> PeerId::from_bytes(ByteView bytes) {
  if (bytes.size() != kSize) return invalid(fmt::format("a peer ID is {} bytes", kSize));
  std::array<std::uint8_t, kSize> key;
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return PeerId(key);
}

}  // namespace p2pd::base

std::size_t std::hash<p2pd::base::PeerId>::operator()(const p2pd::base::PeerId& id) const noexcept {
  // A public key is as good as random: its first word is the hash.
  std::size_t word = 0;
  std::memcpy(&word, id.bytes().data(), sizeof word);
  return word;
}
