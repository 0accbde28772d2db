#include <cstddef>
#include <cstdint>
#include <string>

#include "proto/candidate.hpp"
#include "tests/fuzz/property.hpp"

namespace {

using namespace p2pd;

proto::Endpoint read_endpoint(base::ByteReader& reader) {
  proto::Endpoint endpoint;
  endpoint.v6 = (reader.u8() & 1) != 0;
  endpoint.address = reader.array<16>();
  endpoint.port = reader.u16();
  return endpoint;
}

void check_endpoint(const proto::Endpoint& endpoint) {
  const proto::Endpoint plain = proto::canonical(endpoint);
  P2PD_ASSERT(proto::canonical(plain) == plain);
  P2PD_ASSERT(proto::Endpoint::from_text(plain.address_text(), plain.port) == plain);
}

void check_rules(const proto::Candidate& candidate) {
  proto::Candidate plain = candidate;
  plain.endpoint = proto::canonical(candidate.endpoint);
  P2PD_ASSERT(proto::judge(candidate, {}) == proto::judge(plain, {}));
  proto::RemoteCandidates remote({});
  const auto verdict = remote.offer(candidate);
  if (verdict.refusal != proto::CandidateRefusal::none) return;
  // Said again here, in other words than the rules': nothing accepted may lead to this machine or its link.
  const proto::Endpoint& to = verdict.candidate.endpoint;
  P2PD_ASSERT(to.port != 0);
  const auto first = to.address[0];
  if (to.v6) {
    P2PD_ASSERT(first > 1 && first != 0xff && !(first == 0xfe && to.address[1] >= 0x80));
  } else {
    P2PD_ASSERT(first != 0 && first != 127 && first < 224 && !(first == 169 && to.address[1] == 254));
  }
  P2PD_ASSERT(remote.offer(candidate).refusal == proto::CandidateRefusal::duplicate);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  if (const auto endpoint = proto::Endpoint::from_text(base::as_text(input), 7)) {
    P2PD_ASSERT(proto::Endpoint::from_text(endpoint->address_text(), 7) == endpoint);
  }
  base::ByteReader reader(input);
  proto::Candidate candidate;
  candidate.type = static_cast<proto::CandidateType>(reader.u8());
  candidate.endpoint = read_endpoint(reader);
  candidate.priority = reader.u32();
  if ((reader.u8() & 1) != 0) candidate.related = read_endpoint(reader);
  candidate.foundation = std::string(base::as_text(reader.rest()));
  check_endpoint(candidate.endpoint);
  check_rules(candidate);
  P2PD_ASSERT(!candidate.text().empty());
  return 0;
}
