#include "base/bytes.hpp"

#include "base/assert.hpp"

namespace p2pd::base {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";

// What each character stands for; kNoValue for those that are not in the alphabet.
using Values = std::array<std::uint8_t, 256>;
constexpr std::uint8_t kNoValue = 0xff;

constexpr Values values_of(std::string_view alphabet) {
  Values values{};
  values.fill(kNoValue);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr Values kBase64Values = values_of(kBase64);
constexpr Values kBase32Values = values_of(kBase32);

// Groups of `bits` per character, most significant first (RFC 4648); the last group is filled with zero bits.
std::string encode(ByteView bytes, std::string_view alphabet, unsigned bits) {
  std::string out((bytes.size() * 8 + bits - 1) / bits, '\0');
  auto next = out.begin();
  std::uint32_t pending = 0;
  unsigned held = 0;
  for (const std::uint8_t byte : bytes) {
    pending = (pending << 8) | byte;
    held += 8;
    while (held >= bits) {
      held -= bits;
      *next++ = alphabet[(pending >> held) & ((1U << bits) - 1)];
    }
  }
  if (held > 0) *next = alphabet[(pending << (bits - held)) & ((1U << bits) - 1)];
  return out;
}

bool decode(std::string_view text, const Values& values, unsigned bits, Bytes& out) {
  out.clear();
  out.reserve(text.size() * bits / 8);
  std::uint32_t pending = 0;
  unsigned held = 0;
  for (const char c : text) {
    const std::uint8_t value = values[static_cast<std::uint8_t>(c)];
    if (value == kNoValue) return false;
    pending = (pending << bits) | value;
    held += bits;
    if (held >= 8) {
      held -= 8;
      out.push_back(static_cast<std::uint8_t>(pending >> held));
    }
  }
  // Fewer bits left than one character carries, and all of them zero: the only form encode() produces.
  return held < bits && (pending & ((1U << held) - 1)) == 0;
}

// All of it or zero: a short read must not give the half that was there.
template <class Integer>
Integer integer(ByteReader& reader) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : reader.take(sizeof(Integer))) value = (value << 8) | byte;
  return static_cast<Integer>(value);
}

}  // namespace

ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string to_hex(ByteView bytes) { return encode(bytes, "0123456789abcdef", 4); }

std::string to_base64(ByteView bytes) {
  std::string out = encode(bytes, kBase64, 6);
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

bool from_base64(std::string_view text, Bytes& out) {
  if (text.size() % 4 != 0) return false;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  return decode(text.substr(0, text.size() - padding), kBase64Values, 6, out) &&
         (text.size() / 4 * 3 - padding) == out.size();
}

std::string to_base32(ByteView bytes) { return encode(bytes, kBase32, 5); }

bool from_base32(std::string_view text, Bytes& out) { return decode(text, kBase32Values, 5, out); }

bool equal_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

ByteView ByteReader::take(std::size_t count) {
  if (count > rest_.size()) {
    failed_ = true;
    rest_ = {};
    return {};
  }
  const ByteView out = rest_.first(count);
  rest_ = rest_.subspan(count);
  return out;
}

std::uint8_t ByteReader::u8() { return integer<std::uint8_t>(*this); }

std::uint16_t ByteReader::u16() { return integer<std::uint16_t>(*this); }

std::uint32_t ByteReader::u32() { return integer<std::uint32_t>(*this); }

std::uint64_t ByteReader::u64() { return integer<std::uint64_t>(*this); }

std::string_view ByteReader::text8() { return as_text(take(u8())); }

std::string_view ByteReader::text16() { return as_text(take(u16())); }

ByteView ByteReader::rest() { return take(rest_.size()); }

ByteWriter& ByteWriter::u8(std::uint8_t value) {
  out_.push_back(value);
  return *this;
}

ByteWriter& ByteWriter::u16(std::uint16_t value) {
  return u8(static_cast<std::uint8_t>(value >> 8)).u8(static_cast<std::uint8_t>(value));
}

ByteWriter& ByteWriter::u32(std::uint32_t value) {
  return u16(static_cast<std::uint16_t>(value >> 16)).u16(static_cast<std::uint16_t>(value));
}

ByteWriter& ByteWriter::u64(std::uint64_t value) {
  return u32(static_cast<std::uint32_t>(value >> 32)).u32(static_cast<std::uint32_t>(value));
}

ByteWriter& ByteWriter::bytes(ByteView view) {
  out_.insert(out_.end(), view.begin(), view.end());
  return *this;
}

ByteWriter& ByteWriter::text8(std::string_view text) {
  P2PD_ASSERT(text.size() <= 0xff);
  return u8(static_cast<std::uint8_t>(text.size())).bytes(as_bytes(text));
}

ByteWriter& ByteWriter::text16(std::string_view text) {
  P2PD_ASSERT(text.size() <= 0xffff);
  return u16(static_cast<std::uint16_t>(text.size())).bytes(as_bytes(text));
}

}  // namespace p2pd::base
