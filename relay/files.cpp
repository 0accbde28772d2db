#include "relay/files.hpp"

#include <chrono>

#include "base/log.hpp"

namespace p2pd::relay {

Files::Files(std::string access, std::string certificate, std::string key)
    : access_rule_(std::move(access)), certificate_(std::move(certificate)), key_(std::move(key)) {}

base::Result<> Files::load() {
  auto access = Access::load(access_rule_);
  if (!access) return access.error();
  auto tls = load_tls();
  if (!tls) return tls.error();
  access_ = std::move(*access);
  tls_ = std::move(*tls);
  return {};
}

base::Result<> Files::reload() {
  auto access = Access::load(access_rule_);
  auto tls = load_tls();
  if (access) access_ = std::move(*access);
  if (tls) tls_ = std::move(*tls);
  if (!access && !tls) {
    return base::Error(boost::system::error_code(), access.error().message() + "; " + tls.error().message());
  }
  if (!access) return access.error();
  if (!tls) return tls.error();
  return {};
}

base::Result<std::shared_ptr<const net::TlsContext>> Files::load_tls() const {
  if (certificate_.empty()) return std::shared_ptr<const net::TlsContext>();
  auto tls = net::TlsContext::server(certificate_, key_);
  if (tls && (*tls)->not_after() < std::chrono::system_clock::now()) {
    base::log::warn("relay",
                    "the certificate has expired, so clients refuse it; put a renewed one in its place",
                    {{"file", certificate_}});
  }
  return tls;
}

}  // namespace p2pd::relay
