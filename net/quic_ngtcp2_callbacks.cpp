#include <ngtcp2/ngtcp2_crypto.h>

#include "net/quic_ngtcp2.hpp"

namespace p2pd::net {

// Trampolines: none throws into ngtcp2, none writes a packet.
struct Ngtcp2Connection::Callbacks {
  static Ngtcp2Connection& self(void* user_data) { return *static_cast<Ngtcp2Connection*>(user_data); }

  static int decrypt(uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
                     const uint8_t* ciphertext, size_t ciphertext_size, const uint8_t* nonce,
                     size_t nonce_size, const uint8_t* aad, size_t aad_size) noexcept {
    const int rv = ngtcp2_crypto_decrypt_cb(dest, aead, context, ciphertext, ciphertext_size, nonce,
                                            nonce_size, aad, aad_size);
    if (rv == 0) decrypted() = true;
    return rv;
  }

  // After the handshake TLS has nothing to say in p2pd/1: no tickets, and key updates are QUIC's own (RFC
  // 9001 section 6).
  static int crypto_data(ngtcp2_conn* connection, ngtcp2_crypto_level level, uint64_t offset,
                         const uint8_t* data, size_t size, void* user_data) noexcept {
    if (self(user_data).tls_->session_ended()) {
      ngtcp2_conn_set_tls_alert(connection, GNUTLS_A_UNEXPECTED_MESSAGE);
      return NGTCP2_ERR_CRYPTO;
    }
    return ngtcp2_crypto_recv_crypto_data_cb(connection, level, offset, data, size, user_data);
  }

  static void random(uint8_t* dest, size_t size, const ngtcp2_rand_ctx* context) noexcept {
    self(context->native_handle).fill_random({dest, size});
  }

  static int path_challenge(ngtcp2_conn*, uint8_t* data, void* user_data) noexcept {
    self(user_data).fill_random({data, NGTCP2_PATH_CHALLENGE_DATALEN});
    return 0;
  }

  static int new_connection_id(ngtcp2_conn*, ngtcp2_cid* id, uint8_t* token, size_t,
                               void* user_data) noexcept {
    *id = self(user_data).new_id();
    // No stateless resets are sent: a token that nobody keeps.
    self(user_data).fill_random({token, NGTCP2_STATELESS_RESET_TOKENLEN});
    return 0;
  }

  static int remove_connection_id(ngtcp2_conn*, const ngtcp2_cid* id, void* user_data) noexcept {
    std::erase_if(self(user_data).own_ids_, [&](const ConnectionId& own) {
      return std::equal(own.begin(), own.end(), id->data, id->data + id->datalen);
    });
    return 0;
  }

  static int handshake_completed(ngtcp2_conn*, void* user_data) noexcept {
    Ngtcp2Connection& me = self(user_data);
    if (!me.tls_->protocol_agreed()) {
      me.wrong_protocol_ = true;
      return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    // The client must still learn whether the server took its certificate.
    if (me.side_ == Side::server) {
      me.confirm();
    } else {
      me.complete();
    }
    return 0;
  }

  static int handshake_confirmed(ngtcp2_conn*, void* user_data) noexcept {
    self(user_data).confirm();
    return 0;
  }

  static int stream_open(ngtcp2_conn*, int64_t id, void* user_data) noexcept {
    Ngtcp2Connection& me = self(user_data);
    // A server opens streams, and writes, when it is content with the client: as good as a HANDSHAKE_DONE,
    // which may have been lost.
    me.confirm();
    if (!me.live()) return 0;
    me.add_stream(id);
    me.events_.on_stream_opened(StreamId{id});
    return 0;
  }

  static int stream_data(ngtcp2_conn* connection, uint32_t flags, int64_t id, uint64_t, const uint8_t* data,
                         size_t size, void* user_data, void*) noexcept {
    // Connection credit on receipt, so that one stopped reader cannot starve the other streams.
    ngtcp2_conn_extend_max_offset(connection, size);
    Ngtcp2Connection& me = self(user_data);
    me.confirm();
    if (me.find_live(id) != nullptr) {
      me.events_.on_stream_data(StreamId{id}, {data, size}, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
    }
    return 0;
  }

  static int stream_acknowledged(ngtcp2_conn*, int64_t id, uint64_t, uint64_t size, void* user_data,
                                 void*) noexcept {
    Ngtcp2Connection& me = self(user_data);
    Stream* stream = me.find(StreamId{id});
    if (stream == nullptr || size == 0) return 0;
    stream->queue.release(static_cast<std::size_t>(size));
    if (me.find_live(id) != nullptr) {
      me.events_.on_stream_acknowledged(StreamId{id}, static_cast<std::size_t>(size));
    }
    return 0;
  }

  static int stream_reset(ngtcp2_conn*, int64_t id, uint64_t, uint64_t code, void* user_data,
                          void*) noexcept {
    Ngtcp2Connection& me = self(user_data);
    Stream* stream = me.find_live(id);
    if (stream == nullptr) return 0;
    stream->peer_code = code;
    me.events_.on_stream_reset(StreamId{id}, code);
    return 0;
  }

  static int stream_close(ngtcp2_conn* connection, uint32_t flags, int64_t id, uint64_t code, void* user_data,
                          void*) noexcept {
    Ngtcp2Connection& me = self(user_data);
    // ngtcp2 grants no new stream for a closed one by itself.
    if (ngtcp2_conn_is_local_stream(connection, id) == 0) ngtcp2_conn_extend_max_streams_bidi(connection, 1);
    const auto found = me.streams_.find(id);
    if (found == me.streams_.end()) return 0;
    const Stream& stream = found->second;
    const bool cut_short = stream.sending == Stream::Sending::open ||
                           stream.sending == Stream::Sending::finishing || stream.queue.size() > 0;
    if (cut_short && stream.sending != Stream::Sending::ended) {
      me.stop_sending(id, (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0 ? code : 0);
    }
    me.grown_ -= stream.window - me.config_.stream_window;
    me.streams_.erase(id);
    if (me.live()) me.events_.on_stream_closed(StreamId{id});
    return 0;
  }
};

bool& Ngtcp2Connection::decrypted() {
  thread_local bool flag = false;
  return flag;
}

const ngtcp2_callbacks& Ngtcp2Connection::callbacks(Side side) {
  static const auto make = [](Side which) {
    ngtcp2_callbacks table{};
    if (which == Side::client) {
      table.client_initial = ngtcp2_crypto_client_initial_cb;
      table.recv_retry = ngtcp2_crypto_recv_retry_cb;
      table.handshake_confirmed = Callbacks::handshake_confirmed;
    } else {
      table.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    }
    table.recv_crypto_data = Callbacks::crypto_data;
    table.handshake_completed = Callbacks::handshake_completed;
    table.encrypt = ngtcp2_crypto_encrypt_cb;
    table.decrypt = Callbacks::decrypt;
    table.hp_mask = ngtcp2_crypto_hp_mask_cb;
    table.update_key = ngtcp2_crypto_update_key_cb;
    table.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    table.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    table.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    table.rand = Callbacks::random;
    table.get_path_challenge_data = Callbacks::path_challenge;
    table.get_new_connection_id = Callbacks::new_connection_id;
    table.remove_connection_id = Callbacks::remove_connection_id;
    table.stream_open = Callbacks::stream_open;
    table.recv_stream_data = Callbacks::stream_data;
    table.acked_stream_data_offset = Callbacks::stream_acknowledged;
    table.stream_reset = Callbacks::stream_reset;
    table.stream_close = Callbacks::stream_close;
    return table;
  };
  static const ngtcp2_callbacks client = make(Side::client);
  static const ngtcp2_callbacks server = make(Side::server);
  return side == Side::client ? client : server;
}

}  // namespace p2pd::net
