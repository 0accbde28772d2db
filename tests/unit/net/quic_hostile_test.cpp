// A client that keeps to TLS and packet protection but to nothing else, against a QuicConnection.
#include <array>
#include <cstring>

#include <gnutls/crypto.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include "net/gnutls_handles.hpp"
#include "net/quic_connection.hpp"
#include "tests/unit/net/quic_test_pair.hpp"

namespace p2pd::net::test {
namespace {

// Frames in wire form (RFC 9000 19).
class Frames {
 public:
  Frames& number(std::uint64_t value) {  // RFC 9000 16
    const int size = value < 64 ? 1 : value < 16'384 ? 2 : value < 1'073'741'824 ? 4 : 8;
    const int prefix = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
    for (int i = size - 1; i >= 0; --i) {
      auto byte = static_cast<std::uint8_t>(value >> (8 * i));
      if (i == size - 1) byte = static_cast<std::uint8_t>(byte | (prefix << 6));
      data_.push_back(byte);
    }
    return *this;
  }
  Frames& raw(std::size_t count, std::uint8_t byte) {
    data_.insert(data_.end(), count, byte);
    return *this;
  }
  [[nodiscard]] const Bytes& data() const { return data_; }

 private:
  Bytes data_;
};

class HostileClient {
 public:
  struct Options {
    bool certificate = true;
    std::string protocol = "p2pd/1";
  };

  explicit HostileClient(Options options) : options_(std::move(options)) {
    server.config.identity = QuicPair::identity(1);
    server.config.peer = QuicPair::identity(0)->id();
    server.config.max_streams = 64;
    make_session();
    make_connection();
  }
  ~HostileClient() { ngtcp2_conn_del(connection_); }
  HostileClient(const HostileClient&) = delete;
  HostileClient& operator=(const HostileClient&) = delete;

  // Lets packets pass both ways until neither has any.
  void exchange() {
    for (bool moved = true; moved;) {
      moved = pump_client(-1, 0);
      moved = pump_server() || moved;
      now += 1ms;
    }
  }
  [[nodiscard]] bool connect() {
    exchange();
    return server.events.confirmed == 1 && ngtcp2_conn_get_handshake_completed(connection_) != 0;
  }
  // One packet that holds `frames` instead of what ngtcp2 put there.
  void send(const Frames& frames) {
    injected_ = &frames.data();
    if (stream_ < 0) ngtcp2_conn_open_bidi_stream(connection_, &stream_, nullptr);
    ASSERT_TRUE(pump_client(stream_, frames.data().size() + 20));
    injected_ = nullptr;
    now += 1ms;
  }
  void answer() { pump_server(); }
  [[nodiscard]] bool alive() const { return server.connection && !server.connection->closed(); }
  // The server's only CloseReason.
  [[nodiscard]] CloseReason end() const {
    return server.events.ends.size() == 1 ? server.events.ends[0] : CloseReason{};
  }

  QuicPair::End server;
  TimePoint now{1h};
  std::size_t client_bytes = 0;

 private:
  static ngtcp2_tstamp stamp(TimePoint time) {
    return static_cast<ngtcp2_tstamp>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
  }

  static int encrypt(uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
                     const uint8_t* plaintext, size_t size, const uint8_t* nonce, size_t nonce_size,
                     const uint8_t* aad, size_t aad_size) {
    Bytes replaced(plaintext, plaintext + size);
    if (injected_ != nullptr && (aad[0] & 0x80) == 0) {
      EXPECT_LE(injected_->size(), size);
      std::fill(replaced.begin(), replaced.end(), std::uint8_t{0});
      std::copy(injected_->begin(), injected_->end(), replaced.begin());
    }
    return ngtcp2_crypto_encrypt_cb(dest, aead, context, replaced.data(), size, nonce, nonce_size, aad,
                                    aad_size);
  }

  void make_session() {
    gnutls_session_t session = nullptr;
    gnutls_certificate_credentials_t credentials = nullptr;
    ASSERT_EQ(gnutls_init(&session, GNUTLS_CLIENT), 0);
    session_.reset(session);
    ASSERT_EQ(gnutls_certificate_allocate_credentials(&credentials), 0);
    credentials_.reset(credentials);
    const Identity::Handles& own = QuicPair::identity(0)->handles();
    gnutls_x509_crt_t certificate = own.certificate.get();
    if (options_.certificate) {
      ASSERT_EQ(gnutls_certificate_set_x509_key(credentials, &certificate, 1, own.x509_key.get()), 0);
    }
    gnutls_priority_set_direct(
        session, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:%DISABLE_TLS13_COMPAT_MODE",
        nullptr);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    if (!options_.protocol.empty()) {
      const gnutls_datum_t protocol{reinterpret_cast<unsigned char*>(options_.protocol.data()),
                                    static_cast<unsigned>(options_.protocol.size())};
      gnutls_alpn_set_protocols(session, &protocol, 1, 0);
    }
    reference_.user_data = this;
    reference_.get_conn = [](ngtcp2_crypto_conn_ref* reference) {
      return static_cast<HostileClient*>(reference->user_data)->connection_;
    };
    gnutls_session_set_ptr(session, &reference_);
    ASSERT_EQ(ngtcp2_crypto_gnutls_configure_client_session(session), 0);
  }

  void make_connection() {
    address_.sin_family = AF_INET;
    path_.local = path_.remote = {reinterpret_cast<sockaddr*>(&address_), sizeof address_};
    ngtcp2_callbacks table{};
    table.client_initial = ngtcp2_crypto_client_initial_cb;
    table.recv_retry = ngtcp2_crypto_recv_retry_cb;
    table.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
    table.encrypt = encrypt;
    table.decrypt = ngtcp2_crypto_decrypt_cb;
    table.hp_mask = ngtcp2_crypto_hp_mask_cb;
    table.update_key = ngtcp2_crypto_update_key_cb;
    table.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    table.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    table.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    table.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
    table.rand = [](uint8_t* out, size_t size, const ngtcp2_rand_ctx*) {
      gnutls_rnd(GNUTLS_RND_NONCE, out, size);
    };
    table.get_new_connection_id = [](ngtcp2_conn*, ngtcp2_cid* id, uint8_t* token, size_t size, void*) {
      id->datalen = size;
      gnutls_rnd(GNUTLS_RND_NONCE, id->data, size);
      gnutls_rnd(GNUTLS_RND_NONCE, token, NGTCP2_STATELESS_RESET_TOKENLEN);
      return 0;
    };
    ngtcp2_settings settings;
    ngtcp2_settings_default(&settings);
    settings.initial_ts = stamp(now);
    settings.initial_rtt = NGTCP2_MILLISECONDS;
    ngtcp2_transport_params params;
    ngtcp2_transport_params_default(&params);
    params.initial_max_data = params.initial_max_stream_data_bidi_local =
        params.initial_max_stream_data_bidi_remote = 1 << 20;
    params.initial_max_streams_bidi = 100;
    ngtcp2_cid first{8, {1, 2, 3, 4, 5, 6, 7, 8}};
    ngtcp2_cid own{8, {9, 9, 9, 9, 9, 9, 9, 9}};
    ASSERT_EQ(ngtcp2_conn_client_new(&connection_, &first, &own, &path_, NGTCP2_PROTO_VER_V1, &table,
                                     &settings, &params, nullptr, nullptr),
              0);
    ngtcp2_conn_set_tls_native_handle(connection_, session_.get());
  }

  bool pump_client(std::int64_t stream, std::size_t size) {
    bool moved = false;
    if (ngtcp2_conn_get_expiry(connection_) <= stamp(now)) ngtcp2_conn_handle_expiry(connection_, stamp(now));
    for (;;) {
      std::array<std::uint8_t, 1'200> buffer;
      const Bytes filler(size, 0x55);
      ngtcp2_vec vector{const_cast<std::uint8_t*>(filler.data()), filler.size()};
      ngtcp2_pkt_info info{};
      ngtcp2_ssize taken = -1;
      const ngtcp2_ssize written =
          ngtcp2_conn_writev_stream(connection_, nullptr, &info, buffer.data(), buffer.size(), &taken, 0,
                                    moved ? -1 : stream, &vector, moved || stream < 0 ? 0 : 1, stamp(now));
      ngtcp2_conn_update_pkt_tx_time(connection_, stamp(now));
      if (written <= 0) return moved;
      moved = true;
      client_bytes += static_cast<std::size_t>(written);
      receive({buffer.data(), static_cast<std::size_t>(written)});
      if (stream >= 0) return true;
    }
  }

  void receive(ByteView packet) {
    if (!server.connection) {
      server.connection = QuicConnection::accept(server.config, server.events, packet, now).value();
      server.events.connection = server.connection.get();
    }
    (void)server.connection->receive(packet, now);
  }

  bool pump_server() {
    if (!server.connection) return false;
    Bytes buffer(1'200);
    bool moved = false;
    if (server.connection->deadline() <= now) server.connection->on_time(now);
    while (const std::size_t size = server.connection->write_packet(buffer, now)) {
      moved = true;
      server.bytes += size;
      const ngtcp2_pkt_info info{};
      (void)ngtcp2_conn_read_pkt(connection_, &path_, &info, buffer.data(), size, stamp(now));
    }
    return moved;
  }

  // What the next 1-RTT packets hold; the callback gets no context.
  static inline thread_local const Bytes* injected_ = nullptr;

  Options options_;
  GnutlsCredentials credentials_;
  std::unique_ptr<std::remove_pointer_t<gnutls_session_t>, GnutlsDelete<&gnutls_deinit>> session_;
  ngtcp2_crypto_conn_ref reference_{};
  sockaddr_in address_{};
  ngtcp2_path path_{};
  ngtcp2_conn* connection_ = nullptr;
  std::int64_t stream_ = -1;
};

TEST(QuicHostile, IsConfirmedWhenItBehaves) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  client.send(Frames().number(0x01));  // PING
  EXPECT_TRUE(client.alive());
}

TEST(QuicHostile, IsRejectedWithoutACertificate) {
  HostileClient client({.certificate = false});
  client.exchange();
  EXPECT_EQ(client.server.events.confirmed, 0);
  EXPECT_TRUE(client.end().authentication_failed) << client.end().text;
}

TEST(QuicHostile, IsRejectedWithAnotherProtocolOrNone) {
  for (const char* protocol : {"h3", ""}) {
    HostileClient client({.protocol = protocol});
    client.exchange();
    EXPECT_EQ(client.server.events.confirmed, 0) << protocol;
    EXPECT_EQ(client.server.events.ends.size(), 1u);
    EXPECT_FALSE(client.end().authentication_failed);
    EXPECT_FALSE(client.end().text.empty());
  }
}

TEST(QuicHostile, EndsItsConnectionByTooManyConnectionIds) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  for (std::uint64_t sequence = 1; sequence <= 40 && client.alive(); ++sequence) {
    Frames frames;
    frames.number(0x18).number(sequence + 1).number(0).raw(1, 8).raw(8, static_cast<std::uint8_t>(sequence));
    frames.raw(16, static_cast<std::uint8_t>(sequence));
    client.send(frames);
  }
  EXPECT_FALSE(client.alive());
  EXPECT_EQ(client.end().by, CloseReason::By::error);
}

TEST(QuicHostile, EndsItsConnectionByRetiringIdsWithoutEnd) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  for (std::uint64_t sequence = 2; sequence <= 2'000 && client.alive(); ++sequence) {
    Frames frames;
    frames.number(0x18).number(sequence).number(sequence).raw(1, 8);
    for (int i = 0; i < 8; ++i) frames.raw(1, static_cast<std::uint8_t>(sequence >> (8 * i)));
    frames.raw(16, static_cast<std::uint8_t>(sequence));
    client.send(frames);  // and the RETIRE_CONNECTION_IDs are never acknowledged
  }
  EXPECT_FALSE(client.alive());
}

TEST(QuicHostile, MayResetEveryStreamItIsAllowedAndNoMore) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  std::uint64_t id = 0;
  for (int packet = 0; packet < 100; ++packet) {
    Frames frames;
    for (int i = 0; i < 16; ++i, id += 4) frames.number(0x04).number(id).number(7).number(0);
    client.send(frames);
    ASSERT_TRUE(client.alive()) << id;
    client.answer();  // grants as many again
  }
  EXPECT_TRUE(client.server.events.opened.empty());
  client.send(Frames().number(0x04).number(id + 4 * 64).number(7).number(0));
  EXPECT_FALSE(client.alive());
}

TEST(QuicHostile, MayOpenNoMoreStreamsThanTheLimit) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  for (std::uint64_t i = 0; i < 64; ++i)
    client.send(Frames().number(0x0a).number(4 * i).number(1).raw(1, 'x'));
  EXPECT_TRUE(client.alive());
  EXPECT_EQ(client.server.events.opened.size(), 64u);
  client.send(Frames().number(0x0a).number(4 * 64).number(1).raw(1, 'x'));
  EXPECT_FALSE(client.alive());
}

TEST(QuicHostile, MayOpenNoUnidirectionalStream) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  client.send(Frames().number(0x0a).number(2).number(1).raw(1, 'x'));
  EXPECT_FALSE(client.alive());
}

// A ticket, a second handshake: p2pd/1 has neither.
TEST(QuicHostile, MaySayNothingToTlsWhenTheHandshakeIsForgotten) {
  HostileClient client({});
  client.server.events.when_confirmed = [&] { client.server.connection->forget_handshake(); };
  ASSERT_TRUE(client.connect());
  client.send(Frames().number(0x06).number(0).number(5).raw(1, 4).raw(4, 0));
  EXPECT_FALSE(client.alive());
  EXPECT_FALSE(client.end().authentication_failed);
}

TEST(QuicHostile, MayNotSendBeyondTheWindow) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  const std::uint64_t window = client.server.config.stream_window;
  const auto overrun = Frames().number(0x0e).number(0).number(window).number(1).raw(1, 'x');
  client.send(overrun);
  EXPECT_TRUE(client.alive());  // dropped, see overrun_excused()
  client.now += 6s;
  client.send(overrun);
  EXPECT_FALSE(client.alive());
  EXPECT_TRUE(client.server.events.streams[StreamId{0}].data.empty());
}

TEST(QuicHostile, GetsLittleBackForPathChallenges) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  const std::size_t sent = client.client_bytes;
  const std::size_t got = client.server.bytes;
  for (int packet = 0; packet < 200; ++packet) {
    Frames frames;
    for (int i = 0; i < 20; ++i) frames.number(0x1a).raw(8, static_cast<std::uint8_t>(i));  // PATH_CHALLENGE
    client.send(frames);
    client.answer();
  }
  EXPECT_TRUE(client.alive());
  EXPECT_LE(client.server.bytes - got, 6 * (client.client_bytes - sent));
}

TEST(QuicHostile, SendsDatagramsIntoTheVoid) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  for (int i = 0; i < 100; ++i) client.send(Frames().number(0x31).number(100).raw(100, 'd'));
  EXPECT_TRUE(client.alive());
  EXPECT_TRUE(client.server.events.streams.empty());
}

TEST(QuicHostile, EndsItsConnectionByAFrameThatDoesNotExist) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  client.send(Frames().number(0x21));
  EXPECT_FALSE(client.alive());
  EXPECT_EQ(client.end().by, CloseReason::By::error);
  EXPECT_FALSE(client.end().authentication_failed);
}

TEST(QuicHostile, StopsAWriterWithoutAReset) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  const StreamId id = client.server.connection->open_stream().value();
  client.server.connection->write(id, base::as_bytes("one"));
  client.answer();
  client.send(Frames().number(0x05).number(static_cast<std::uint64_t>(id)).number(9));
  EXPECT_FALSE(client.server.events.streams[id].stopped);
  client.server.connection->write(id, base::as_bytes("two"));
  client.answer();
  EXPECT_TRUE(client.server.events.streams[id].stopped);
  EXPECT_EQ(client.server.connection->write(id, base::as_bytes("three")), 0u);
  EXPECT_TRUE(client.alive());
}

TEST(QuicHostile, ClosesWithALongReasonThatIsCut) {
  HostileClient client({});
  ASSERT_TRUE(client.connect());
  client.send(Frames().number(0x1d).number(77).number(900).raw(900, '\n'));
  EXPECT_EQ(client.end().by, CloseReason::By::peer);
  EXPECT_EQ(client.end().code, 77u);
  EXPECT_EQ(client.end().text.size(), 200u);
}

}  // namespace
}  // namespace p2pd::net::test
