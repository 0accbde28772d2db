#include "relay/authentication.hpp"

#include <algorithm>
#include <variant>

#include "base/random.hpp"
#include "base/within.hpp"
#include "net/relay_error.hpp"
#include "proto/error.hpp"

namespace p2pd::relay {
namespace {

namespace asio = boost::asio;
using net::RelayError;
using proto::RelayGoodbyeCode;

RelayError error_of(RelayGoodbyeCode code) {
  switch (code) {
    case RelayGoodbyeCode::not_permitted:
      return RelayError::not_permitted;
    case RelayGoodbyeCode::limit:
      return RelayError::limit;
    case RelayGoodbyeCode::protocol_error:
      return RelayError::bad_frame;
    case RelayGoodbyeCode::draining:
      return RelayError::draining;
    default:
      return RelayError::authentication_failed;
  }
}

asio::awaitable<bool> say(net::RelayTransport& transport, base::Bytes frame) {
  const auto written = co_await transport.write(frame);
  if (written) co_await transport.close();
  co_return true;
}

asio::awaitable<base::Error> refuse(net::RelayTransport& transport, proto::RelayGoodbye goodbye,
                                    std::chrono::milliseconds farewell) {
  co_await base::within(farewell, say(transport, proto::encode(goodbye)));
  co_return base::Error(make_error_code(error_of(goodbye.code)), goodbye.text);
}

bool signature_holds(const proto::RelayHello& hello, const proto::RelayChallenge& challenge,
                     const net::RelayTransport& transport, const std::vector<std::string>& ours) {
  proto::RelayExporter exporter{};
  if (hello.binding == proto::RelayBinding::tls_exporter) {
    if (!transport.encrypted()) return false;
    exporter = transport.exporter();
  } else if (transport.encrypted()) {
    return false;  // unbound where it could be bound: someone stands in between
  }
  const auto authorities = authorities_of(transport.host_header(), transport.encrypted());
  return std::any_of(authorities.begin(), authorities.end(), [&](const std::string& authority) {
    // Who was dialled instead of us and passes the hello on could write the Host header as it was signed.
    if (!ours.empty() && std::find(ours.begin(), ours.end(), authority) == ours.end()) return false;
    return net::verify_signature(hello.client, proto::signed_bytes(hello, challenge, authority, exporter),
                                 hello.signature);
  });
}

}  // namespace

std::vector<std::string> authorities_of(std::string_view host_header, bool encrypted) {
  if (host_header.empty() || host_header.size() > proto::kRelayMaxAuthority) return {};
  std::string host(host_header);
  std::transform(host.begin(), host.end(), host.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const auto bracket = host.rfind(']');
  const auto colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  if (has_port) return {host};
  if (encrypted) return {host + ":443"};
  return {host + ":80", host + ":443"};
}

asio::awaitable<base::Result<base::PeerId>> authenticate_client(net::RelayTransport& transport,
                                                                Authentication authentication) {
  proto::RelayChallenge challenge;
  challenge.relay = authentication.identity->id();
  challenge.nonce = base::random_array<32>();
  const base::Bytes challenge_frame = proto::encode(challenge);
  const auto challenged = co_await transport.write(challenge_frame);
  if (!challenged) co_return challenged.error();

  const auto message = co_await transport.read();
  if (!message) co_return message.error();
  const auto frame = proto::parse_client_frame(*message);
  const auto* hello = frame ? std::get_if<proto::RelayHello>(&*frame) : nullptr;
  std::optional<proto::RelayGoodbye> refusal;
  if (!frame && frame.error().code == make_error_code(proto::FrameError::version)) {
    refusal = proto::RelayGoodbye{RelayGoodbyeCode::protocol_error, "only protocol version 1 is spoken here"};
  } else if (hello == nullptr) {
    refusal = proto::RelayGoodbye{RelayGoodbyeCode::protocol_error, "a hello must come first"};
  } else if (!signature_holds(*hello, challenge, transport, authentication.authorities)) {
    refusal = proto::RelayGoodbye{RelayGoodbyeCode::authentication_failed,
                                  "the signature does not fit this relay, URL and TLS session"};
  } else {
    refusal = authentication.judge(hello->client, hello->token);
  }
  if (refusal) {
    const base::Error error = co_await refuse(transport, std::move(*refusal), authentication.farewell);
    co_return error;
  }

  proto::RelayWelcome welcome = authentication.welcome;
  welcome.signature = authentication.identity->sign(proto::signed_bytes(welcome, challenge, *hello));
  const base::Bytes welcome_frame = proto::encode(welcome);
  const auto welcomed = co_await transport.write(welcome_frame);
  if (!welcomed) co_return welcomed.error();
  const base::Bytes limits_frame = proto::encode(authentication.limits);
  const auto told = co_await transport.write(limits_frame);
  if (!told) co_return told.error();
  co_return hello->client;
}

}  // namespace p2pd::relay
