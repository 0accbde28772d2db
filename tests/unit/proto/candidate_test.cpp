#include "proto/candidate.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace p2pd::proto {
namespace {

using enum CandidateRefusal;

Endpoint at(std::string_view address, std::uint16_t port = 4'000) {
  const auto endpoint = Endpoint::from_text(address, port);
  EXPECT_TRUE(endpoint) << address;
  return endpoint.value_or(Endpoint{});
}

Candidate candidate(std::string_view address, std::uint16_t port = 4'000) {
  return {.type = CandidateType::host, .foundation = "1", .priority = 1, .endpoint = at(address, port)};
}

CandidateRefusal verdict(std::string_view address, const CandidatePolicy& policy = {}) {
  return judge(candidate(address), policy);
}

std::string plain(std::string_view address) { return canonical(at(address)).address_text(); }

// One IPv4 address in all its IPv6 disguises.
std::vector<std::string> disguises(std::string_view ipv4) {
  const auto bytes = at(ipv4).address;
  const auto hex = base::to_hex(base::ByteView(bytes).first(4));
  const std::string high = hex.substr(0, 4);
  const std::string low = hex.substr(4, 4);
  const std::string groups = high + ":" + low;
  return {"::ffff:" + groups,
          "::" + groups,
          "::ffff:0:" + groups,
          "2002:" + groups + "::1",
          "2002:" + groups + ":1:2:3:4:5",
          "64:ff9b::" + groups,
          "64:ff9b:1::" + groups,
          "2001:db8:1:2:0:5efe:" + groups,
          "2001:db8:1:2:200:5efe:" + groups,
          "fe80::5efe:" + groups,
          "fe80::200:5efe:" + groups};
}

struct Case {
  const char* address;
  CandidateRefusal refusal;
};

constexpr Case kIpv4Cases[] = {{"0.0.0.0", unspecified},
                               {"0.0.0.2", unspecified},
                               {"0.255.255.255", unspecified},
                               {"127.0.0.1", loopback},
                               {"127.255.255.254", loopback},
                               {"169.254.0.1", link_local},
                               {"169.254.255.255", link_local},
                               {"169.254.169.254", metadata_service},
                               {"100.100.100.200", metadata_service},
                               {"192.0.0.192", metadata_service},
                               {"168.63.129.16", metadata_service},
                               {"192.0.0.1", reserved},
                               {"224.0.0.1", multicast},
                               {"239.255.255.255", multicast},
                               {"240.0.0.1", reserved},
                               {"255.255.255.254", reserved},
                               {"255.255.255.255", broadcast},
                               {"1.0.0.1", none},
                               {"126.255.255.255", none},
                               {"128.0.0.1", none},
                               {"169.253.255.255", none},
                               {"169.255.0.1", none},
                               {"223.255.255.255", none},
                               {"10.0.0.1", none},
                               {"172.16.0.1", none},
                               {"192.168.0.1", none},
                               {"100.64.0.1", none},
                               {"100.100.100.201", none},
                               {"192.0.2.1", none},
                               {"198.18.0.1", none},
                               {"198.51.100.1", none},
                               {"203.0.113.1", none}};

TEST(CandidateRules, JudgeIpv4) {
  for (const auto& [address, refusal] : kIpv4Cases) EXPECT_EQ(verdict(address), refusal) << address;
}

TEST(CandidateRules, JudgeTheIpv4AddressBehindEveryDisguise) {
  for (const auto& [address, refusal] : kIpv4Cases) {
    for (const std::string& disguise : disguises(address)) {
      // :: and ::1 are not disguises of 0.0.0.0 and 0.0.0.1, and are judged below.
      if (std::string_view(address) == "0.0.0.0" && disguise == "::0000:0000") continue;
      EXPECT_EQ(plain(disguise), address) << disguise;
      EXPECT_EQ(verdict(disguise), refusal) << disguise << " of " << address;
    }
  }
}

TEST(CandidateRules, JudgeIpv6) {
  constexpr Case kCases[] = {{"::", unspecified},
                             {"::1", loopback},
                             {"fe80::1", link_local},
                             {"febf:ffff::1", link_local},
                             {"fec0::1", reserved},
                             {"feff::1", reserved},
                             {"ff02::1", multicast},
                             {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", multicast},
                             {"2001::1", reserved},
                             {"2001:0:4136:e378:8000:63bf:3fff:fdd2", reserved},
                             {"2001:1f::1", reserved},
                             {"2001:2f::1", reserved},
                             {"100::1", reserved},
                             {"64:ff9b:1:1::7f00:1", reserved},
                             {"64:ff9b:1:7f00:0:100::", reserved},
                             {"64:ff9c::1", reserved},
                             {"::1:0:0:1", reserved},
                             {"5f00::1", reserved},
                             {"fd00:ec2::254", metadata_service},
                             {"fd00:ec2::23", metadata_service},
                             {"fd20:ce::254", metadata_service},
                             {"fd00:c1::a9fe:a9fe", metadata_service},
                             {"2001:db8::1", none},
                             {"2001:4860:4860::8888", none},
                             {"2606:4700::1", none},
                             {"2003::1", none},
                             {"fc00::1", none},
                             {"fd12:3456:789a::1", none},
                             {"2001:1::1", none},
                             {"2001:db8::5efe", none}};
  for (const auto& [address, refusal] : kCases) EXPECT_EQ(verdict(address), refusal) << address;
}

TEST(CandidateRules, LoopbackIsAllowedOnlyByPolicyAndThenOnlyLoopback) {
  const CandidatePolicy policy{.allow_loopback = true, .own_listeners = {}};
  for (const char* address : {"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"}) {
    EXPECT_EQ(verdict(address), loopback) << address;
    EXPECT_EQ(verdict(address, policy), none) << address;
  }
  for (const auto& [address, refusal] : kIpv4Cases) {
    if (refusal == loopback) continue;
    EXPECT_EQ(verdict(address, policy), refusal) << address;
  }
  EXPECT_EQ(verdict("::", policy), unspecified);
  EXPECT_EQ(verdict("fe80::1", policy), link_local);
}

TEST(CandidateRules, OwnListenersAreRefusedInAnySpelling) {
  const CandidatePolicy policy{
      .allow_loopback = true,
      .own_listeners = {at("192.0.2.1", 443), at("::ffff:127.0.0.1", 80), at("2001:db8::1", 9)}};
  const auto judged = [&](std::string_view address, std::uint16_t port) {
    return judge(candidate(address, port), policy);
  };
  EXPECT_EQ(judged("192.0.2.1", 443), own_listener);
  EXPECT_EQ(judged("::ffff:192.0.2.1", 443), own_listener);
  EXPECT_EQ(judged("127.0.0.1", 80), own_listener);
  EXPECT_EQ(judged("2001:db8::1", 9), own_listener);
  EXPECT_EQ(judged("192.0.2.1", 444), none);
  EXPECT_EQ(judged("192.0.2.2", 443), none);
}

TEST(CandidateRules, JudgePortPriorityAndFoundation) {
  const auto with = [](auto change) {
    Candidate changed = candidate("192.0.2.1");
    change(changed);
    return judge(changed, {});
  };
  EXPECT_EQ(with([](Candidate& c) { c.endpoint.port = 0; }), port_zero);
  EXPECT_EQ(with([](Candidate& c) { c.endpoint.port = 65'535; }), none);
  EXPECT_EQ(with([](Candidate& c) { c.priority = 0; }), priority_zero);
  EXPECT_EQ(with([](Candidate& c) { c.priority = 0x7fff'ffff; }), none);
  EXPECT_EQ(with([](Candidate& c) { c.priority = 0x8000'0000; }), priority_too_high);
  EXPECT_EQ(with([](Candidate& c) { c.foundation = ""; }), malformed);
  EXPECT_EQ(with([](Candidate& c) { c.foundation = std::string(32, 'a'); }), none);
  EXPECT_EQ(with([](Candidate& c) { c.foundation = std::string(33, 'a'); }), malformed);
  EXPECT_EQ(with([](Candidate& c) { c.foundation = "a b"; }), malformed);
  EXPECT_EQ(with([](Candidate& c) { c.foundation = std::string("a\0b", 3); }), malformed);
  EXPECT_EQ(with([](Candidate& c) { c.type = static_cast<CandidateType>(4); }), malformed);
}

TEST(CandidateRules, TheRelatedAddressIsNotJudged) {
  Candidate srflx = candidate("203.0.113.1");
  srflx.type = CandidateType::srflx;
  srflx.related = at("127.0.0.1", 0);
  EXPECT_EQ(judge(srflx, {}), none);
}

TEST(Canonical, KeepsWhatIsPlainAndThePort) {
  for (const char* address : {"192.0.2.1", "::", "::1", "2001:db8::1", "fe80::1", "2001::1", "64:ff9b:1:1::1",
                              "::1:ffff:7f00:1", "2001:db8::5eff:7f00:1"}) {
    EXPECT_EQ(canonical(at(address, 7)), at(address, 7)) << address;
  }
  EXPECT_EQ(canonical(at("::ffff:192.0.2.1", 7)), at("192.0.2.1", 7));
}

TEST(Canonical, DropsBytesBehindAnIpv4Address) {
  Endpoint dirty = at("192.0.2.1");
  dirty.address[9] = 1;
  EXPECT_EQ(canonical(dirty), at("192.0.2.1"));
}

TEST(Canonical, IsReachedInOneStep) {
  for (const auto& [address, refusal] : kIpv4Cases) {
    for (const std::string& disguise : disguises(address)) {
      const Endpoint once = canonical(at(disguise));
      EXPECT_EQ(canonical(once), once) << disguise;
    }
  }
}

TEST(Endpoint, ReadsNumericFormsOnly) {
  for (const char* text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", " 1.2.3.4", "1.2.3.4 ", "0x7f.1",
        "2130706433", "::g", "fe80::1%eth0", "[::1]", "1:2:3:4:5:6:7:8:9"}) {
    EXPECT_FALSE(Endpoint::from_text(text, 1)) << text;
  }
  EXPECT_FALSE(Endpoint::from_text(std::string_view("1.2.3.4\0x", 9), 1));
}

TEST(Endpoint, WritesWhatItReads) {
  EXPECT_EQ(at("192.0.2.1", 7).text(), "192.0.2.1:7");
  EXPECT_EQ(at("2001:DB8:0::1", 7).text(), "[2001:db8::1]:7");
  EXPECT_EQ(candidate("192.0.2.1").text(), "host 192.0.2.1:4000");
}

TEST(RemoteCandidates, KeepTheCanonicalForm) {
  RemoteCandidates remote({});
  Candidate mapped = candidate("::ffff:192.0.2.1");
  mapped.related = at("::ffff:10.0.0.1", 9);
  const auto verdict = remote.offer(mapped);
  EXPECT_EQ(verdict.refusal, none);
  EXPECT_EQ(verdict.candidate.endpoint, at("192.0.2.1"));
  EXPECT_EQ(verdict.candidate.related, at("10.0.0.1", 9));
  EXPECT_EQ(remote.accepted(), std::vector{verdict.candidate});
}

TEST(RemoteCandidates, RefuseTheSameAddressInAnotherSpelling) {
  RemoteCandidates remote({});
  EXPECT_EQ(remote.offer(candidate("192.0.2.1")).refusal, none);
  EXPECT_EQ(remote.offer(candidate("192.0.2.1")).refusal, duplicate);
  for (const std::string& disguise : disguises("192.0.2.1")) {
    EXPECT_EQ(remote.offer(candidate(disguise)).refusal, duplicate) << disguise;
  }
  EXPECT_EQ(remote.offer(candidate("192.0.2.1", 4'001)).refusal, none);
}

TEST(RemoteCandidates, AcceptTwentyFiveAGeneration) {
  RemoteCandidates remote({});
  for (std::uint16_t port = 1; port <= kMaxRemoteCandidates; ++port) {
    EXPECT_EQ(remote.offer(candidate("127.0.0.1", port)).refusal, loopback) << "refused ones do not count";
    EXPECT_EQ(remote.offer(candidate("192.0.2.1", port)).refusal, none);
  }
  EXPECT_EQ(remote.offer(candidate("192.0.2.2")).refusal, too_many);
  EXPECT_EQ(remote.offer(candidate("192.0.2.1", 1)).refusal, duplicate);
  EXPECT_EQ(remote.accepted().size(), kMaxRemoteCandidates);
  remote.start_generation();
  EXPECT_EQ(remote.offer(candidate("192.0.2.2")).refusal, none);
}

TEST(CandidateWords, AreDistinct) {
  std::vector<std::string_view> words;
  for (int value = 0; value <= static_cast<int>(duplicate); ++value) {
    const std::string_view word = to_string(static_cast<CandidateRefusal>(value));
    EXPECT_EQ(std::count(words.begin(), words.end(), word), 0) << word;
    EXPECT_NE(word, "unknown");
    words.push_back(word);
  }
}

}  // namespace
}  // namespace p2pd::proto
