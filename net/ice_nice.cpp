#include "net/ice_nice.hpp"

#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>

#include "proto/control_messages.hpp"

namespace p2pd::net {

namespace {

std::optional<proto::CandidateType> to_type(NiceCandidateType type) {
  switch (type) {
    case NICE_CANDIDATE_TYPE_HOST:
      return proto::CandidateType::host;
    case NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE:
      return proto::CandidateType::srflx;
    case NICE_CANDIDATE_TYPE_PEER_REFLEXIVE:
      return proto::CandidateType::prflx;
    case NICE_CANDIDATE_TYPE_RELAYED:
      return proto::CandidateType::relay;
  }
  return std::nullopt;
}

NiceCandidateType to_nice(proto::CandidateType type) {
  switch (type) {
    case proto::CandidateType::host:
      return NICE_CANDIDATE_TYPE_HOST;
    case proto::CandidateType::srflx:
      return NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE;
    case proto::CandidateType::prflx:
      return NICE_CANDIDATE_TYPE_PEER_REFLEXIVE;
    case proto::CandidateType::relay:
      return NICE_CANDIDATE_TYPE_RELAYED;
  }
  return NICE_CANDIDATE_TYPE_HOST;
}

}  // namespace

std::optional<proto::Endpoint> to_endpoint(const NiceAddress& address) {
  sockaddr_storage storage{};
  nice_address_copy_to_sockaddr(&address, reinterpret_cast<sockaddr*>(&storage));
  proto::Endpoint endpoint;
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof v4);
    std::memcpy(endpoint.address.data(), &v4.sin_addr, sizeof v4.sin_addr);
    endpoint.port = ntohs(v4.sin_port);
    return endpoint;
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof v6);
    endpoint.v6 = true;
    std::memcpy(endpoint.address.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    endpoint.port = ntohs(v6.sin6_port);
    return endpoint;
  }
  return std::nullopt;
}

NiceAddress to_nice(const proto::Endpoint& endpoint) {
  NiceAddress address;
  nice_address_init(&address);
  if (endpoint.v6) {
    nice_address_set_ipv6(&address, endpoint.address.data());
  } else {
    std::uint32_t v4 = 0;
    std::memcpy(&v4, endpoint.address.data(), sizeof v4);
    nice_address_set_ipv4(&address, ntohl(v4));
  }
  nice_address_set_port(&address, endpoint.port);
  return address;
}

std::optional<proto::Candidate> to_candidate(const NiceCandidate& candidate) {
  if (candidate.transport != NICE_CANDIDATE_TRANSPORT_UDP) return std::nullopt;
  const auto type = to_type(candidate.type);
  const auto endpoint = to_endpoint(candidate.addr);
  if (!type || !endpoint) return std::nullopt;
  proto::Candidate result;
  result.type = *type;
  result.foundation = candidate.foundation;
  result.priority = candidate.priority;
  result.endpoint = proto::canonical(*endpoint);
  if (*type != proto::CandidateType::host) {
    if (const auto base = to_endpoint(candidate.base_addr)) result.related = proto::canonical(*base);
  }
  return result;
}

NiceCandidatePtr to_nice(const proto::Candidate& candidate, guint stream_id) {
  NiceCandidatePtr result(nice_candidate_new(to_nice(candidate.type)));
  result->transport = NICE_CANDIDATE_TRANSPORT_UDP;
  result->addr = to_nice(candidate.endpoint);
  if (candidate.related) result->base_addr = to_nice(*candidate.related);
  result->priority = candidate.priority;
  result->stream_id = stream_id;
  result->component_id = kComponent;
  g_strlcpy(result->foundation, candidate.foundation.c_str(), sizeof result->foundation);
  return result;
}

bool well_formed(const IceCredentials& credentials) {
  const auto within = [](const std::string& text, std::size_t least, std::size_t most) {
    return text.size() >= least && text.size() <= most && proto::is_ice_chars(text);
  };
  return within(credentials.ufrag, 4, 256) && within(credentials.password, 22, 256);
}

}  // namespace p2pd::net
