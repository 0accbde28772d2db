#include "net/nat_behaviour.hpp"

#include <algorithm>
#include <map>

namespace p2pd::net {
namespace {

using proto::NatFiltering;
using proto::NatMapping;
using proto::PortAllocation;

constexpr std::size_t kFewestSamples = 3;
// Other machines behind the NAT take ports between two of ours.
constexpr int kLargestStep = 64;

}  // namespace

NatMapping classify_mapping(const MappingSamples& samples, bool own) {
  if (!samples.first) return NatMapping::unknown;
  if (own) return NatMapping::none;
  const auto& first = samples.first;
  if (samples.other_address) {
    if (samples.other_address == first) return NatMapping::endpoint_independent;
    // RFC 5780 4.3: the third test tells whether the port counts too.
    if (samples.other_both && samples.other_both == samples.other_address)
      return NatMapping::address_dependent;
    return NatMapping::address_and_port_dependent;
  }
  if (samples.other_both) {
    return samples.other_both == first ? NatMapping::endpoint_independent
                                       : NatMapping::address_and_port_dependent;
  }
  if (samples.elsewhere.empty()) return NatMapping::unknown;
  const bool same = std::all_of(samples.elsewhere.begin(), samples.elsewhere.end(),
                                [&](const proto::Endpoint& seen) { return seen == *first; });
  return same ? NatMapping::endpoint_independent : NatMapping::address_and_port_dependent;
}

NatFiltering classify_filtering(const FilteringSamples& samples) {
  if (!samples.asked) return NatFiltering::unknown;
  if (samples.other_both) return NatFiltering::endpoint_independent;
  if (samples.other_port) return NatFiltering::address_dependent;
  return NatFiltering::address_and_port_dependent;
}

AllocationPattern classify_allocation(std::span<const PortSample> samples) {
  if (samples.size() < kFewestSamples) return {};
  const auto preserved = std::count_if(samples.begin(), samples.end(),
                                       [](const PortSample& one) { return one.inside == one.outside; });
  if (static_cast<std::size_t>(preserved) + 1 >= samples.size()) return {PortAllocation::preserving, 0};
  std::map<int, std::size_t> steps;
  std::size_t up = 0;
  std::size_t down = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const int step = samples[i].outside - samples[i - 1].outside;
    if (step == 0 || std::abs(step) > kLargestStep) continue;
    ++(step > 0 ? up : down);
    ++steps[step];
  }
  // All steps but one, which may be the wrap at the end of the range.
  if (std::max(up, down) + 2 < samples.size() || std::max(up, down) < 2) return {PortAllocation::random, 0};
  const bool rising = up >= down;
  const auto better = [rising](const auto& a, const auto& b) {
    const bool a_fits = (a.first > 0) == rising;
    const bool b_fits = (b.first > 0) == rising;
    if (a_fits != b_fits) return b_fits;
    // Of equally common ones the smaller: larger ones have others' ports in between.
    return a.second != b.second ? a.second < b.second : std::abs(a.first) > std::abs(b.first);
  };
  const auto commonest = std::max_element(steps.begin(), steps.end(), better);
  return {PortAllocation::sequential, static_cast<std::int16_t>(commonest->first)};
}

}  // namespace p2pd::net
