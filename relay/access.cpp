#include "relay/access.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "base/line_file.hpp"
#include "base/log.hpp"
#include "proto/relay_frames.hpp"

namespace p2pd::relay {
namespace {

// Of 64 possible characters each: 96 bits, which nobody guesses at any rate of handshakes.
constexpr std::size_t kGoodToken = 16;

base::Error wrong(std::string sentence) { return {boost::system::error_code(), std::move(sentence)}; }

void warn_if_others_may_read(const std::string& file) {
  namespace fs = std::filesystem;
  std::error_code unknown;
  const fs::perms mode = fs::status(file, unknown).permissions();
  if (unknown || (mode & fs::perms::others_read) == fs::perms::none) return;
  base::log::warn("relay", "the tokens can be read by every user here; take that away with chmod o-r",
                  {{"file", file}});
}

}  // namespace

Credential Credential::of(const base::PeerId& client, std::string_view token) {
  return {client, net::sha256(base::as_bytes(token))};
}

base::Result<Access> Access::load(std::string_view rule) {
  Access access;
  if (rule == "open") return access;
  const auto colon = rule.find(':');
  const std::string_view kind = rule.substr(0, colon);
  const std::string file(colon == std::string_view::npos ? "" : rule.substr(colon + 1));
  if ((kind != "allow" && kind != "token") || file.empty()) {
    return wrong(fmt::format("access is \"{}\", use open, allow:FILE or token:FILE", rule));
  }
  access.rule_ = kind == "allow" ? Rule::allow : Rule::token;
  const auto entries = base::read_line_file(file);
  if (!entries) return base::Error(entries.error().code, fmt::format("access file \"{}\"", file));
  std::size_t short_tokens = 0;
  for (const base::LineEntry& entry : *entries) {
    const auto added =
        access.rule_ == Rule::allow ? access.add_key(entry.text) : access.add_token(entry.text);
    if (!added) {
      return wrong(fmt::format("access file \"{}\" line {}: {}", file, entry.line, added.error().message()));
    }
    if (access.rule_ == Rule::token && entry.text.size() < kGoodToken) ++short_tokens;
  }
  if (access.rule_ == Rule::token && access.tokens_.empty()) {
    return wrong(
        fmt::format("access file \"{}\" holds no token, so nobody could connect; write one a line", file));
  }
  if (access.rule_ == Rule::allow && access.allowed_.empty()) {
    base::log::warn("relay", "the access file lists no peer ID, so nobody is served", {{"file", file}});
  }
  if (access.rule_ == Rule::token) warn_if_others_may_read(file);
  if (short_tokens > 0) {
    base::log::warn("relay", "tokens under 16 characters can be guessed; make them with openssl rand -hex 16",
                    {{"file", file}, {"tokens", short_tokens}});
  }
  return access;
}

base::Result<> Access::add_key(const std::string& text) {
  const auto id = base::PeerId::parse(text);
  if (!id) return id.error();
  allowed_.insert(*id);
  return {};
}

base::Result<> Access::add_token(const std::string& text) {
  if (text.size() > proto::kRelayMaxToken) {
    return wrong(fmt::format("the token is longer than {} bytes", proto::kRelayMaxToken));
  }
  tokens_.push_back(net::sha256(base::as_bytes(text)));
  return {};
}

bool Access::permits(const Credential& credential) const {
  switch (rule_) {
    case Rule::open:
      return true;
    case Rule::allow:
      return allowed_.contains(credential.client);
    case Rule::token:
      break;
  }
  bool known = false;
  for (const net::Sha256& expected : tokens_) {
    if (base::equal_constant_time(credential.token, expected)) known = true;
  }
  return known;
}

}  // namespace p2pd::relay
