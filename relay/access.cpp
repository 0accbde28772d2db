#include "relay/access.hpp"

#include <cerrno>
#include <fstream>

#include <fmt/format.h>

#include "proto/relay_frames.hpp"

namespace p2pd::relay {
namespace {

struct Line {
  std::size_t number;
  std::string text;
};

base::Error usage(std::string sentence) { return {boost::system::error_code(), std::move(sentence)}; }

base::Result<std::vector<Line>> read_lines(const std::string& file) {
  std::ifstream in(file);
  if (!in) return base::errno_error(errno, fmt::format("access file \"{}\"", file));
  std::vector<Line> out;
  std::string text;
  for (std::size_t number = 1; std::getline(in, text); ++number) {
    text.erase(std::min(text.find('#'), text.size()));
    const auto begin = text.find_first_not_of(" \t\r");
    if (begin == std::string::npos) continue;
    out.push_back({number, text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1)});
  }
  if (in.bad()) return base::errno_error(EIO, fmt::format("access file \"{}\"", file));
  return out;
}

net::Sha256 hash(std::string_view token) { return net::sha256(base::as_bytes(token)); }

}  // namespace

base::Result<Access> Access::load(std::string_view rule) {
  Access access;
  if (rule == "open") return access;
  const auto colon = rule.find(':');
  const std::string_view kind = rule.substr(0, colon);
  const std::string file(colon == std::string_view::npos ? "" : rule.substr(colon + 1));
  if ((kind != "allow" && kind != "token") || file.empty()) {
    return usage(fmt::format("access is \"{}\", use open, allow:FILE or token:FILE", rule));
  }
  const auto lines = read_lines(file);
  if (!lines) return lines.error();
  access.rule_ = kind == "allow" ? Rule::allow : Rule::token;
  for (const Line& line : *lines) {
    if (access.rule_ == Rule::allow) {
      const auto id = base::PeerId::parse(line.text);
      if (!id) return usage(fmt::format("{} line {}: {}", file, line.number, id.error().message()));
      access.allowed_.insert(*id);
    } else {
      if (line.text.size() > proto::kRelayMaxToken) {
        return usage(fmt::format("{} line {}: the token is longer than {} bytes", file, line.number,
                                 proto::kRelayMaxToken));
      }
      access.tokens_.push_back(hash(line.text));
    }
  }
  if (access.rule_ == Rule::token && access.tokens_.empty()) {
    return usage(fmt::format("{} holds no token, so nobody could connect", file));
  }
  return access;
}

bool Access::permits(const base::PeerId& client, std::string_view token) const {
  switch (rule_) {
    case Rule::open:
      return true;
    case Rule::allow:
      return allowed_.contains(client);
    case Rule::token:
      break;
  }
  const net::Sha256 given = hash(token);
  bool known = false;
  for (const net::Sha256& expected : tokens_) {
    if (base::equal_constant_time(given, expected)) known = true;
  }
  return known;
}

bool Access::still_permits(const base::PeerId& client) const {
  return rule_ != Rule::allow || allowed_.contains(client);
}

}  // namespace p2pd::relay
