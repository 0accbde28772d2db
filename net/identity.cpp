#include "net/identity.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/random.hpp"
#include "net/gnutls_handles.hpp"
#include "net/key_file.hpp"

namespace p2pd::net {
namespace {

class IdentityCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "p2pd.identity"; }
  std::string message(int value) const override {
    switch (static_cast<IdentityError>(value)) {
      case IdentityError::link:
        return "it is a symbolic link; put the key file itself there, or delete the link to start with a new "
               "peer ID";
      case IdentityError::not_regular:
        return "it is not a regular file; move it away to start with a new peer ID, or choose another state "
               "folder";
      case IdentityError::other_owner:
        return "it belongs to another user; start the program as that user, or give the file to yourself "
               "with "
               "chown";
      case IdentityError::exposed:
        return "other users can read or change it; run chmod 600 on it, and delete it for a new peer ID if "
               "someone may have copied it";
      case IdentityError::empty:
        return "it is empty; restore it from a backup, or delete it to start with a new peer ID";
      case IdentityError::damaged:
        return "it does not hold an Ed25519 private key (PEM, PKCS #8, not encrypted); restore it from a "
               "backup, or delete it to start with a new peer ID";
    }
    return "unusable key file";
  }
};

// GnuTLS fails here only without memory or with a broken library: start-up ends.
void require(int outcome, const char* what) {
  if (outcome == GNUTLS_E_MEMORY_ERROR) throw std::bad_alloc();
  if (outcome < 0) throw std::runtime_error(fmt::format("GnuTLS: {}: {}", what, gnutls_strerror(outcome)));
}

// gnutls_datum_t allocated by the library, wiped before it is freed.
struct Datum : gnutls_datum_t {
  Datum() : gnutls_datum_t{nullptr, 0} {}
  ~Datum() {
    if (data != nullptr) gnutls_memset(data, 0, size);
    gnutls_free(data);
  }
  Datum(const Datum&) = delete;
  Datum& operator=(const Datum&) = delete;
  [[nodiscard]] base::ByteView view() const { return {data, size}; }
};

gnutls_datum_t borrowed(base::ByteView bytes) {
  // GnuTLS only reads what it takes as const gnutls_datum_t*.
  return {const_cast<unsigned char*>(bytes.data()), static_cast<unsigned>(bytes.size())};
}

GnutlsX509Key new_key() {
  gnutls_x509_privkey_t raw = nullptr;
  require(gnutls_x509_privkey_init(&raw), "private key");
  return GnutlsX509Key(raw);
}

GnutlsX509Key generate_key() {
  GnutlsX509Key key = new_key();
  require(gnutls_x509_privkey_generate2(key.get(), GNUTLS_PK_EDDSA_ED25519, 256, 0, nullptr, 0),
          "key generation");
  return key;
}

// Null when these bytes are no Ed25519 key.
GnutlsX509Key parse_key(base::ByteView pem) {
  GnutlsX509Key key = new_key();
  const gnutls_datum_t datum = borrowed(pem);
  if (gnutls_x509_privkey_import_pkcs8(key.get(), &datum, GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN) <
          0 ||
      gnutls_x509_privkey_get_pk_algorithm(key.get()) != GNUTLS_PK_EDDSA_ED25519) {
    return nullptr;
  }
  return key;
}

base::PeerId public_key(gnutls_x509_privkey_t key) {
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  Datum x;
  require(gnutls_x509_privkey_export_ecc_raw(key, &curve, &x, nullptr, nullptr), "public key");
  return base::PeerId::from_bytes(x.view()).value();
}

base::Result<base::Bytes> read_or_create(const std::filesystem::path& file) {
  base::Result<base::Bytes> existing = read_key_file(file);
  if (existing || existing.error().code != boost::system::errc::no_such_file_or_directory) return existing;
  Datum pem;
  require(gnutls_x509_privkey_export2_pkcs8(generate_key().get(), GNUTLS_X509_FMT_PEM, nullptr,
                                            GNUTLS_PKCS_PLAIN, &pem),
          "key export");
  // Made here or by another daemon a moment earlier: what counts is what stands in the file.
  if (const auto created = create_key_file(file, pem.view()); !created) return created.error();
  return read_key_file(file);
}

GnutlsCertificate self_signed(gnutls_x509_privkey_t key, const base::PeerId& id) {
  gnutls_x509_crt_t raw = nullptr;
  require(gnutls_x509_crt_init(&raw), "certificate");
  GnutlsCertificate certificate(raw);
  const std::string name = id.text();
  auto serial = base::random_array<16>();
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x7f) | 0x40);  // RFC 5280 4.1.2.2: positive
  require(gnutls_x509_crt_set_version(raw, 3), "certificate version");
  require(gnutls_x509_crt_set_serial(raw, serial.data(), serial.size()), "certificate serial");
  require(gnutls_x509_crt_set_dn_by_oid(raw, GNUTLS_OID_X520_COMMON_NAME, 0, name.data(),
                                        static_cast<unsigned>(name.size())),
          "certificate name");
  // The key is pinned and does not expire; a wrong clock must not cut anyone off.
  require(gnutls_x509_crt_set_activation_time(raw, 0), "certificate validity");
  require(gnutls_x509_crt_set_expiration_time(raw, GNUTLS_X509_NO_WELL_DEFINED_EXPIRATION),
          "certificate validity");
  require(gnutls_x509_crt_set_key_usage(raw, GNUTLS_KEY_DIGITAL_SIGNATURE), "certificate usage");
  require(gnutls_x509_crt_set_key(raw, key), "certificate key");
  require(gnutls_x509_crt_sign2(raw, raw, key, GNUTLS_DIG_SHA512, 0), "certificate signature");
  return certificate;
}

}  // namespace

const boost::system::error_category& identity_category() {
  static const IdentityCategory category;
  return category;
}

boost::system::error_code make_error_code(IdentityError error) {
  return {static_cast<int>(error), identity_category()};
}

Identity::Identity(std::unique_ptr<Handles> handles)
    : id_(public_key(handles->x509_key.get())), handles_(std::move(handles)) {
  gnutls_privkey_t raw = nullptr;
  require(gnutls_privkey_init(&raw), "private key");
  handles_->key.reset(raw);
  require(gnutls_privkey_import_x509(raw, handles_->x509_key.get(), 0), "private key");
  handles_->certificate = self_signed(handles_->x509_key.get(), id_);
}

Identity::~Identity() = default;

base::Result<std::shared_ptr<const Identity>> Identity::load_or_create(const std::filesystem::path& file) {
  auto pem = read_or_create(file);
  if (!pem) return pem.error();
  auto handles = std::make_unique<Handles>();
  handles->x509_key = parse_key(*pem);
  gnutls_memset(pem->data(), 0, pem->size());
  if (!handles->x509_key) {
    return base::Error(IdentityError::damaged, "cannot use the key file " + file.string());
  }
  return std::shared_ptr<const Identity>(new Identity(std::move(handles)));
}

std::shared_ptr<const Identity> Identity::generate() {
  auto handles = std::make_unique<Handles>();
  handles->x509_key = generate_key();
  return std::shared_ptr<const Identity>(new Identity(std::move(handles)));
}

Signature Identity::sign(base::ByteView message) const {
  const gnutls_datum_t data = borrowed(message);
  Datum signature;
  require(gnutls_privkey_sign_data2(handles_->key.get(), GNUTLS_SIGN_EDDSA_ED25519, 0, &data, &signature),
          "signature");
  Signature out;
  P2PD_ASSERT(signature.size == out.size());
  std::copy(signature.view().begin(), signature.view().end(), out.begin());
  return out;
}

bool verify_signature(const base::PeerId& signer, base::ByteView message, const Signature& signature) {
  // All zeros is a point of order 4, for which a signature can be made without a key.
  if (signer.empty()) return false;
  gnutls_pubkey_t raw = nullptr;
  require(gnutls_pubkey_init(&raw), "public key");
  const GnutlsPublicKey key(raw);
  const gnutls_datum_t point = borrowed(signer.bytes());
  if (gnutls_pubkey_import_ecc_raw(raw, GNUTLS_ECC_CURVE_ED25519, &point, nullptr) < 0) return false;
  const gnutls_datum_t data = borrowed(message);
  const gnutls_datum_t given = borrowed(signature);
  return gnutls_pubkey_verify_data2(raw, GNUTLS_SIGN_EDDSA_ED25519, 0, &data, &given) >= 0;
}

base::Result<base::PeerId> certified_key(gnutls_x509_crt_t certificate) {
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  Datum x;
  Datum y;
  if (gnutls_x509_crt_get_pk_algorithm(certificate, nullptr) != GNUTLS_PK_EDDSA_ED25519 ||
      gnutls_x509_crt_get_pk_ecc_raw(certificate, &curve, &x, &y) < 0) {
    return base::Error(make_error_code(boost::system::errc::invalid_argument),
                       "the certificate's key is not Ed25519");
  }
  return base::PeerId::from_bytes(x.view());
}

}  // namespace p2pd::net
