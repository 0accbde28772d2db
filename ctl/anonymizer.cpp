#include "ctl/anonymizer.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include <arpa/inet.h>
#include <nlohmann/json.hpp>

#include "base/log.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

constexpr std::size_t kIdLength = 52;
constexpr std::size_t kBriefLength = 10;  // as the log has IDs

bool is_base32(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); });
}

bool in_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || byte >= 0x80 ||
         std::string_view("._:-\\").find(c) != std::string_view::npos;
}

// What follows `key=` in the log where it is an ID of somebody.
bool is_identity_key(std::string_view text) {
  constexpr std::array<std::string_view, 7> kKeys{"peer",    "relay",  "id",    "peer_id",
                                                  "inviter", "joiner", "client"};
  return std::find(kKeys.begin(), kKeys.end(), text) != kKeys.end();
}

// The class of an IPv4 address (RFC 6890); empty: it names no machine and may stand.
std::string_view v4_class(const std::uint8_t* at) {
  if (at[0] == 127 || at[0] == 0 || at[0] == 255) return "";
  if (at[0] == 10 || (at[0] == 172 && (at[1] & 0xf0) == 16) || (at[0] == 192 && at[1] == 168))
    return "private";
  if (at[0] == 100 && (at[1] & 0xc0) == 64) return "shared";
  if (at[0] == 169 && at[1] == 254) return "linklocal";
  return at[0] >= 224 ? "multicast" : "public";
}

std::string_view v6_class(const std::array<std::uint8_t, 16>& at) {
  if (std::all_of(at.begin(), at.end() - 1, [](std::uint8_t byte) { return byte == 0; }) && at[15] <= 1)
    return "";
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped.begin(), kMapped.end(), at.begin())) return v4_class(&at[12]);
  if ((at[0] & 0xfe) == 0xfc) return "private";
  if (at[0] == 0xfe && (at[1] & 0xc0) == 0x80) return "linklocal";
  return at[0] == 0xff ? "multicast" : "public";
}

// As the log writes it inside a value.
std::string as_logged(std::string_view text) {
  std::string out = base::log::escape(text);
  if (out.starts_with('"')) out = out.substr(1, out.size() - 2);
  return out;
}

bool whole_word(std::string_view text) { return std::all_of(text.begin(), text.end(), in_word); }

}  // namespace

const std::string& Anonymizer::placeholder(std::string_view kind, const std::string& of,
                                           std::string_view ending) {
  auto& known = whole_word(of) ? words_ : literals_;
  const auto [at, fresh] = known.try_emplace(of);
  if (fresh)
    at->second = std::string(kind) + "-" + std::to_string(++counts_[std::string(kind)]) + std::string(ending);
  return at->second;
}

void Anonymizer::learn_peer(std::string_view id) {
  const std::string name = placeholder("peer", std::string(id));
  words_.emplace(id.substr(0, kBriefLength), name);
}

void Anonymizer::learn_name(std::string_view name, std::string_view id) {
  if (name.empty()) return;
  learn_peer(id);
  const std::string& replacement = words_.at(std::string(id));
  for (const std::string& form : {std::string(name), as_logged(name)})
    (whole_word(form) ? words_ : literals_).insert_or_assign(form, replacement);
}

void Anonymizer::learn_host(std::string_view name) {
  std::array<std::uint8_t, 16> bytes{};
  const std::string text(name);
  const bool address = ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
                       ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
  if (!text.empty() && text != "localhost" && !address) placeholder("host", text);
}

void Anonymizer::learn_path(std::string_view path) {
  if (path.size() < 2) return;
  const std::string name = placeholder("path", std::string(path));
  if (const std::string logged = as_logged(path); logged != path) literals_.emplace(logged, name);
}

void Anonymizer::learn_text(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (!in_word(text[at])) {
      ++at;
      continue;
    }
    const auto end = std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), in_word);
    const std::string_view word(&text[at], static_cast<std::size_t>(end - text.begin()) - at);
    if (word.size() == kIdLength && is_base32(word)) learn_peer(word);
    at += word.size();
  }
  for (std::size_t at = 0; (at = text.find("://", at)) != std::string_view::npos;) {
    at += 3;
    learn_host(text.substr(at, std::min(text.find_first_of(":/ \"'", at), text.size()) - at));
  }
}

void Anonymizer::learn(const json& value) {
  if (value.is_string()) return learn_text(value.get_ref<const std::string&>());
  if (value.is_object()) {
    for (const char* key : {"id", "peer"}) {
      if (!value.contains("name") || !value.contains(key)) continue;
      const json& name = value["name"];
      const json& id = value[key];
      if (name.is_string() && id.is_string() && id.get_ref<const std::string&>().size() == kIdLength)
        learn_name(name.get_ref<const std::string&>(), id.get_ref<const std::string&>());
    }
  }
  if (value.is_structured()) {
    for (const json& child : value) learn(child);
  }
}

json Anonymizer::apply(const json& value) {
  if (value.is_string()) return apply_text(value.get_ref<const std::string&>());
  json out = value;
  if (out.is_structured()) {
    for (json& child : out) child = apply(child);
  }
  return out;
}

std::string Anonymizer::apply_text(std::string_view text) {
  std::string out(text);
  // The longest first: a path before the folder it lies in.
  std::vector<std::pair<std::string, std::string>> literals(literals_.begin(), literals_.end());
  std::stable_sort(literals.begin(), literals.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  for (const auto& [from, to] : literals) {
    for (std::size_t at = 0; (at = out.find(from, at)) != std::string::npos; at += to.size())
      out.replace(at, from.size(), to);
  }
  return without_words(without_paths(out));
}

// An absolute path begins a word; the path of a URL does not.
std::string Anonymizer::without_paths(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const bool begins = at == 0 || std::string_view(" \"'=([,:").find(text[at - 1]) != std::string_view::npos;
    const char next = at + 1 < text.size() ? text[at + 1] : ' ';
    if (text[at] != '/' || !begins || next == '/' || next == ' ') {
      out.push_back(text[at++]);
      continue;
    }
    const std::size_t end = std::min(text.find_first_of(" \"',;:)]", at), text.size());
    std::string path(text.substr(at, end - at));
    if (const auto known = literals_.find(path); known != literals_.end()) {
      out += known->second;
    } else {
      out += placeholder("path", path);
    }
    at = end;
  }
  return out;
}

std::string Anonymizer::without_words(std::string_view text) {
  std::string out;
  std::string_view before;
  for (std::size_t at = 0; at < text.size();) {
    if (!in_word(text[at])) {
      out.push_back(text[at++]);
      continue;
    }
    const auto end = std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), in_word);
    const std::string one(text.begin() + static_cast<std::ptrdiff_t>(at), end);
    const bool after_key = at > 0 && text[at - 1] == '=' && is_identity_key(before);
    out += word(one, after_key);
    before = text.substr(at, one.size());
    at += one.size();
  }
  return out;
}

std::string Anonymizer::word(const std::string& text, bool after_identity_key) {
  if (const auto known = words_.find(text); known != words_.end()) return known->second;
  if (const std::string replaced = address(text); !replaced.empty()) return replaced;
  // Punctuation at the end of a sentence, and a port, are no part of it.
  if (const auto end = text.find_last_not_of(".:-"); end != std::string::npos && end + 1 < text.size())
    return word(text.substr(0, end + 1), after_identity_key) + text.substr(end + 1);
  if (const auto colon = text.find(':'); colon != std::string::npos)
    return word(text.substr(0, colon), after_identity_key) + ":" + word(text.substr(colon + 1), false);
  const bool identity = text.size() == kIdLength || (after_identity_key && text.size() == kBriefLength);
  if (identity && is_base32(text)) return placeholder("peer", text);
  return text;
}

std::string Anonymizer::address(const std::string& text) {
  std::array<std::uint8_t, 16> bytes{};
  std::string kind;
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) {
    kind = v4_class(bytes.data());
    if (kind.empty()) return text;
    ::inet_ntop(AF_INET, bytes.data(), canonical.data(), canonical.size());
    kind = "-v4-" + kind;
  } else if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) {
    kind = v6_class(bytes);
    if (kind.empty()) return text;
    ::inet_ntop(AF_INET6, bytes.data(), canonical.data(), canonical.size());
    kind = "-v6-" + kind;
  } else {
    return "";
  }
  return placeholder("addr", canonical.data(), kind);
}

}  // namespace p2pd::ctl
