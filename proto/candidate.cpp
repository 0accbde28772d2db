#include "proto/candidate.hpp"

#include <algorithm>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/assert.hpp"
#include "proto/address_rules.hpp"
#include "proto/control_messages.hpp"

namespace p2pd::proto {
namespace {

constexpr std::uint32_t kMaxPriority = 0x7fff'ffff;

using Address = std::array<std::uint8_t, 16>;

template <std::size_t N>
bool has_at(const Address& address, std::size_t offset, const std::array<std::uint8_t, N>& bytes) {
  return std::equal(bytes.begin(), bytes.end(), address.begin() + static_cast<std::ptrdiff_t>(offset));
}

bool is_zero(const Address& address, std::size_t from, std::size_t to) {
  return std::all_of(address.begin() + static_cast<std::ptrdiff_t>(from),
                     address.begin() + static_cast<std::ptrdiff_t>(to),
                     [](std::uint8_t byte) { return byte == 0; });
}

// Where an IPv6 address holds the IPv4 address that packets to it end at; nothing for a plain one.
std::optional<std::size_t> embedded_ipv4(const Address& address) {
  constexpr std::size_t kLast = 12;
  if (has_at<2>(address, 0, {0x20, 0x02})) return 2;  // 6to4, 2002:AABB:CCDD::/48
  if (is_zero(address, 0, 8)) {
    const bool mapped = has_at<4>(address, 8, {0, 0, 0xff, 0xff});
    const bool translated = has_at<4>(address, 8, {0xff, 0xff, 0, 0});
    // ::/96 is v4-compatible, but :: and ::1 mean themselves.
    const bool compatible = is_zero(address, 8, kLast) && !(is_zero(address, kLast, 15) && address[15] <= 1);
    if (mapped || translated || compatible) return kLast;
  }
  const bool nat64 = has_at<4>(address, 0, {0, 0x64, 0xff, 0x9b}) && is_zero(address, 4, kLast);
  const bool nat64_local = has_at<6>(address, 0, {0, 0x64, 0xff, 0x9b, 0, 1}) && is_zero(address, 6, kLast);
  const bool isatap = has_at<4>(address, 8, {0, 0, 0x5e, 0xfe}) || has_at<4>(address, 8, {2, 0, 0x5e, 0xfe});
  if (nat64 || nat64_local || isatap) return kLast;
  return std::nullopt;
}

}  // namespace

std::optional<Endpoint> Endpoint::from_text(std::string_view address, std::uint16_t port) {
  if (address.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string text(address);
  Endpoint out;
  out.port = port;
  out.v6 = text.find(':') != std::string::npos;
  if (inet_pton(out.v6 ? AF_INET6 : AF_INET, text.c_str(), out.address.data()) != 1) return std::nullopt;
  return out;
}

std::string Endpoint::address_text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  P2PD_ASSERT(inet_ntop(v6 ? AF_INET6 : AF_INET, address.data(), text.data(), text.size()) != nullptr);
  return text.data();
}

std::string Endpoint::text() const {
  return v6 ? fmt::format("[{}]:{}", address_text(), port) : fmt::format("{}:{}", address_text(), port);
}

std::string_view to_string(CandidateType type) {
  switch (type) {
    case CandidateType::host:
      return "host";
    case CandidateType::srflx:
      return "srflx";
    case CandidateType::prflx:
      return "prflx";
    case CandidateType::relay:
      return "relay";
  }
  return "unknown";
}

std::string Candidate::text() const { return fmt::format("{} {}", to_string(type), endpoint.text()); }

std::string_view to_string(CandidateRefusal refusal) {
  switch (refusal) {
    case CandidateRefusal::none:
      return "none";
    case CandidateRefusal::malformed:
      return "malformed";
    case CandidateRefusal::priority_zero:
      return "priority_zero";
    case CandidateRefusal::priority_too_high:
      return "priority_too_high";
    case CandidateRefusal::port_zero:
      return "port_zero";
    case CandidateRefusal::unspecified:
      return "unspecified";
    case CandidateRefusal::loopback:
      return "loopback";
    case CandidateRefusal::link_local:
      return "link_local";
    case CandidateRefusal::multicast:
      return "multicast";
    case CandidateRefusal::broadcast:
      return "broadcast";
    case CandidateRefusal::metadata_service:
      return "metadata_service";
    case CandidateRefusal::own_listener:
      return "own_listener";
    case CandidateRefusal::reserved:
      return "reserved";
    case CandidateRefusal::too_many:
      return "too_many";
    case CandidateRefusal::duplicate:
      return "duplicate";
  }
  return "unknown";
}

Endpoint canonical(const Endpoint& endpoint) {
  const std::optional<std::size_t> offset = endpoint.v6 ? embedded_ipv4(endpoint.address) : 0;
  if (!offset) return endpoint;
  Endpoint out;
  out.port = endpoint.port;
  std::copy_n(endpoint.address.begin() + static_cast<std::ptrdiff_t>(*offset), 4, out.address.begin());
  return out;
}

CandidateRefusal judge(const Candidate& candidate, const CandidatePolicy& policy) {
  if (candidate.type > CandidateType::relay || candidate.foundation.empty() ||
      candidate.foundation.size() > kMaxFoundation || !is_ice_chars(candidate.foundation)) {
    return CandidateRefusal::malformed;
  }
  if (candidate.priority == 0) return CandidateRefusal::priority_zero;
  if (candidate.priority > kMaxPriority) return CandidateRefusal::priority_too_high;
  // Whoever forgot to canonicalise is not let through for it.
  const Endpoint endpoint = canonical(candidate.endpoint);
  if (endpoint.port == 0) return CandidateRefusal::port_zero;
  const CandidateRefusal refusal = judge_address(endpoint);
  const bool permitted_loopback = refusal == CandidateRefusal::loopback && policy.allow_loopback;
  if (refusal != CandidateRefusal::none && !permitted_loopback) return refusal;
  const bool own = std::any_of(policy.own_listeners.begin(), policy.own_listeners.end(),
                               [&](const Endpoint& listener) { return canonical(listener) == endpoint; });
  return own ? CandidateRefusal::own_listener : CandidateRefusal::none;
}

RemoteCandidates::Verdict RemoteCandidates::offer(const Candidate& candidate) {
  Verdict verdict{CandidateRefusal::none, candidate};
  verdict.candidate.endpoint = canonical(candidate.endpoint);
  if (candidate.related) verdict.candidate.related = canonical(*candidate.related);
  verdict.refusal = judge(verdict.candidate, policy_);
  if (verdict.refusal != CandidateRefusal::none) return verdict;
  const auto same = [&](const Candidate& other) { return other.endpoint == verdict.candidate.endpoint; };
  if (std::any_of(accepted_.begin(), accepted_.end(), same)) {
    verdict.refusal = CandidateRefusal::duplicate;
  } else if (accepted_.size() >= kMaxRemoteCandidates) {
    verdict.refusal = CandidateRefusal::too_many;
  } else {
    accepted_.push_back(verdict.candidate);
  }
  return verdict;
}

}  // namespace p2pd::proto
