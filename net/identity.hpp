// This machine's Ed25519 key pair and what is done with it: the peer ID, signatures, and the self-signed
// certificate that both ends of a QUIC connection show. The key file holds the 32-byte seed as PEM (PKCS #8),
// mode 0600, written atomically at the first start. Immutable after loading; shared by all threads.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <type_traits>

#include <boost/system/error_code.hpp>

#include "base/bytes.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"

namespace p2pd::net {

using Signature = std::array<std::uint8_t, 64>;

// Why a key file is refused; each text says what to do.
enum class IdentityError { link = 1, not_regular, other_owner, exposed, empty, damaged };
[[nodiscard]] const boost::system::error_category& identity_category();
[[nodiscard]] boost::system::error_code make_error_code(IdentityError error);

class Identity {
 public:
  // Reads the key at `file`, or makes one when there is no such file (the folder must exist; of two daemons
  // that start at once both get the same one). Errors, each a sentence with what to do: IdentityError, and
  // errno's of a file or folder that cannot be opened, read or written. Throws where GnuTLS itself fails.
  [[nodiscard]] static base::Result<std::shared_ptr<const Identity>> load_or_create(
      const std::filesystem::path& file);
  // A key that is nowhere stored; for tests and for tools that need a throw-away peer.
  [[nodiscard]] static std::shared_ptr<const Identity> generate();

  ~Identity();

  [[nodiscard]] const base::PeerId& id() const { return id_; }
  // Ed25519 (RFC 8032). The caller domain-separates the message.
  [[nodiscard]] Signature sign(base::ByteView message) const;

  // Key and certificate as GnuTLS handles; defined in net/gnutls_handles.hpp, for net/ only.
  struct Handles;
  [[nodiscard]] const Handles& handles() const { return *handles_; }

 private:
  explicit Identity(std::unique_ptr<Handles> handles);

  base::PeerId id_;
  std::unique_ptr<Handles> handles_;
};

// RFC 8032 verification; false for a wrong signature and for a key that is not a curve point.
[[nodiscard]] bool verify_signature(const base::PeerId& signer, base::ByteView message,
                                    const Signature& signature);

}  // namespace p2pd::net

template <>
struct boost::system::is_error_code_enum<p2pd::net::IdentityError> : std::true_type {};
