#include "net/relay_error.hpp"

#include <string>

namespace p2pd::net {
namespace {

class RelayCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "p2pd.relay"; }

  std::string message(int value) const override {
    switch (static_cast<RelayError>(value)) {
      case RelayError::bad_url:
        return "write it as wss://relay.example.org or ws://192.0.2.1:8080";
      case RelayError::timed_out:
        return "no answer in time; check that the relay runs and that nothing on the way blocks it";
      case RelayError::tls_failed:
        return "no TLS session; check that the relay's port speaks TLS 1.3";
      case RelayError::certificate_refused:
        return "its certificate is not accepted; check the host name in the URL, or name its CA with "
               "relay-ca";
      case RelayError::bad_tls_files:
        return "the file cannot be used for TLS";
      case RelayError::not_a_relay:
        return "what answers there is not a p2p-relay; check host, port and path of the URL";
      case RelayError::bad_frame:
        return "the other end broke the relay protocol";
      case RelayError::wrong_relay_key:
        return "the relay could not prove the key it is known by; do not use it before you know why";
      case RelayError::authentication_failed:
        return "the relay did not accept this machine's signature";
      case RelayError::not_permitted:
        return "the relay does not serve this machine; ask its operator to allow the peer ID or for a token";
      case RelayError::limit:
        return "the relay refused because of a limit";
      case RelayError::draining:
        return "the relay is being stopped or restarted";
      case RelayError::superseded:
        return "another daemon with the same key is connected to this relay; each machine needs a key of its "
               "own";
      case RelayError::joined_already:
        return "this relay is connected under another of its URLs, and one is enough";
      case RelayError::too_slow:
        return "the relay gave up because its data was not read";
      case RelayError::silent:
        return "the relay does not answer any more";
      case RelayError::closed:
        return "the connection was closed";
      case RelayError::http_request:
        return "a plain HTTP request";
      case RelayError::proxy_failed:
        return "no connection through the proxy; check that it runs and may connect to the relay's host and "
               "port";
      case RelayError::proxy_refused:
        return "put USER:PASSWORD@ before the host in the proxy's URL";
      case RelayError::too_much:
        return "too many bytes before authentication";
    }
    return "unknown relay error";
  }
};

}  // namespace

const boost::system::error_category& relay_category() {
  static const RelayCategory category;
  return category;
}

boost::system::error_code make_error_code(RelayError error) {
  return {static_cast<int>(error), relay_category()};
}

}  // namespace p2pd::net
