// What can go wrong between this machine and a relay. The code's text says what to do; the context that goes
// with it says what happened. Plain values; any thread.
#pragma once

#include <boost/system/error_code.hpp>

namespace p2pd::net {

enum class RelayError {
  bad_url = 1,
  timed_out,              // no session within the time a dial may take
  tls_failed,             // no TLS session, for another reason than the certificate
  certificate_refused,    // expired, of another host, of an unknown authority
  bad_tls_files,          // our own certificate, key or CA file
  not_a_relay,            // it answers, but does not speak the relay protocol
  bad_frame,              // it broke the protocol after it had been a relay
  wrong_relay_key,        // its key is not the pinned one, or it could not prove it
  authentication_failed,  // it does not accept our signature
  not_permitted,          // it does not serve our key or token
  limit,                  // it has no room for us now, or we used too much of it
  draining,               // it is being stopped
  superseded,             // another session with our key replaced ours
  joined_already,         // this machine is connected to it under another URL
  too_slow,               // we did not read what it sent
  silent,                 // pings go unanswered
  closed,                 // it closed the connection without a word
  http_request,           // a web browser's request, answered as one (relay's end)
  proxy_failed,           // the proxy did not connect us
  proxy_refused,          // the proxy wants other credentials
  too_much,               // more bytes than an unauthenticated client may send (relay's end)
};

[[nodiscard]] const boost::system::error_category& relay_category();
[[nodiscard]] boost::system::error_code make_error_code(RelayError error);

}  // namespace p2pd::net

template <>
struct boost::system::is_error_code_enum<p2pd::net::RelayError> : std::true_type {};
