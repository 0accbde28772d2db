// A self-signed certificate with its key, written as PEM files into a temporary folder that goes with it.
#pragma once

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/fakes/temp_folder.hpp"

namespace p2pd::relay::test {

class TestCertificate {
 public:
  // `names` as in subjectAltName: "DNS:localhost,IP:127.0.0.1"; valid until `seconds` from now.
  // With a passphrase the key is encrypted.
  explicit TestCertificate(const std::string& names, long seconds = 3600,
                           const std::string& passphrase = "") {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), static_cast<long>(std::time(nullptr)));
    X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
    X509_gmtime_adj(X509_getm_notAfter(certificate), seconds);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("p2pd test"),
                               -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(certificate, key, EVP_sha256());
    std::FILE* out = std::fopen(certificate_file().c_str(), "w");
    EXPECT_EQ(PEM_write_X509(out, certificate), 1);
    std::fclose(out);
    out = std::fopen(key_file().c_str(), "w");
    const EVP_CIPHER* cipher = passphrase.empty() ? nullptr : EVP_aes_128_cbc();
    EXPECT_EQ(PEM_write_PKCS8PrivateKey(out, key, cipher, passphrase.data(),
                                        static_cast<int>(passphrase.size()), nullptr, nullptr),
              1);
    std::fclose(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  TestCertificate(const TestCertificate&) = delete;
  TestCertificate& operator=(const TestCertificate&) = delete;

  [[nodiscard]] std::string certificate_file() const { return (folder_ / "certificate.pem").string(); }
  [[nodiscard]] std::string key_file() const { return (folder_ / "key.pem").string(); }

 private:
  fakes::TempFolder folder_;
};

}  // namespace p2pd::relay::test
