#include "net/relay_handshake.hpp"

#include <variant>

#include <fmt/format.h>

#include "base/log.hpp"
#include "base/random.hpp"
#include "net/relay_error.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;

RelayError error_of(proto::RelayGoodbyeCode code) {
  switch (code) {
    case proto::RelayGoodbyeCode::draining:
      return RelayError::draining;
    case proto::RelayGoodbyeCode::superseded:
      return RelayError::superseded;
    case proto::RelayGoodbyeCode::protocol_error:
      return RelayError::bad_frame;
    case proto::RelayGoodbyeCode::authentication_failed:
      return RelayError::authentication_failed;
    case proto::RelayGoodbyeCode::too_slow:
      return RelayError::too_slow;
    case proto::RelayGoodbyeCode::limit:
      return RelayError::limit;
    case proto::RelayGoodbyeCode::not_permitted:
      return RelayError::not_permitted;
  }
  return RelayError::closed;
}

// The next frame, which must be a `Frame`.
template <class Frame>
asio::awaitable<base::Result<Frame>> expect(RelayTransport& transport, std::string_view name) {
  const auto message = co_await transport.read();
  if (!message) co_return message.error();
  const auto frame = proto::parse_relay_frame(*message);
  if (!frame) {
    co_return base::Error(make_error_code(RelayError::not_a_relay), frame.error().message());
  }
  if (const auto* goodbye = std::get_if<proto::RelayGoodbye>(&*frame)) co_return goodbye_error(*goodbye);
  if (const auto* expected = std::get_if<Frame>(&*frame)) co_return *expected;
  co_return base::Error(make_error_code(RelayError::not_a_relay), fmt::format("no {} came", name));
}

}  // namespace

base::Error goodbye_error(const proto::RelayGoodbye& goodbye) {
  std::string said;
  if (!goodbye.text.empty()) said = fmt::format("the relay says {}", base::log::escape(goodbye.text));
  return {make_error_code(error_of(goodbye.code)), std::move(said)};
}

asio::awaitable<base::Result<RelayAgreement>> authenticate_to_relay(RelayTransport& transport,
                                                                    RelayHandshake handshake) {
  const auto challenge = co_await expect<proto::RelayChallenge>(transport, "challenge");
  if (!challenge) co_return challenge.error();
  if (handshake.pinned && *handshake.pinned != challenge->relay) {
    co_return base::Error(
        make_error_code(RelayError::wrong_relay_key),
        fmt::format("its key is {}, expected was {}", challenge->relay.text(), handshake.pinned->text()));
  }

  // A second session would throw the first one out.
  if (handshake.joined_already && handshake.joined_already(challenge->relay))
    co_return base::Error(make_error_code(RelayError::joined_already));

  if (handshake.token.size() > proto::kRelayMaxToken) {
    co_return base::Error(make_error_code(RelayError::not_permitted),
                          fmt::format("the token is longer than {} bytes", proto::kRelayMaxToken));
  }
  proto::RelayHello hello;
  hello.client = handshake.identity->id();
  hello.nonce = base::random_array<32>();
  hello.token = std::move(handshake.token);
  proto::RelayExporter exporter{};
  if (transport.encrypted() && handshake.bind_tls) {
    hello.binding = proto::RelayBinding::tls_exporter;
    exporter = transport.exporter();
  }
  hello.signature =
      handshake.identity->sign(proto::signed_bytes(hello, *challenge, handshake.authority, exporter));
  const base::Bytes frame = proto::encode(hello);
  const auto written = co_await transport.write(frame);
  if (!written) co_return written.error();

  const auto welcome = co_await expect<proto::RelayWelcome>(transport, "welcome");
  if (!welcome) co_return welcome.error();
  if (!verify_signature(challenge->relay, proto::signed_bytes(*welcome, *challenge, hello),
                        welcome->signature)) {
    co_return base::Error(make_error_code(RelayError::wrong_relay_key), "its signature is wrong");
  }
  co_return RelayAgreement{challenge->relay, *welcome};
}

}  // namespace p2pd::net
