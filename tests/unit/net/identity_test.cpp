#include "net/identity.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/descriptor.hpp"
#include "net/gnutls_handles.hpp"
#include "net/key_file.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace p2pd::net {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// RFC 8032 7.1, test 2, as `openssl genpkey` would write it.
constexpr std::string_view kRfcKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
    "-----END PRIVATE KEY-----\n";

class IdentityFile : public testing::Test {
 protected:
  void write(std::string_view contents, mode_t mode = 0600) {
    std::ofstream(file_, std::ios::binary) << contents;
    ASSERT_EQ(::chmod(file_.c_str(), mode), 0);
  }
  [[nodiscard]] std::string read() const {
    std::ifstream stream(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  [[nodiscard]] std::size_t names() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_.path()), {}));
  }
  void expect_refused(IdentityError why, std::string_view advice) {
    const auto loaded = Identity::load_or_create(file_);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, why) << loaded.error().message();
    EXPECT_THAT(loaded.error().message(), HasSubstr(file_.string()));
    EXPECT_THAT(loaded.error().message(), HasSubstr(std::string(advice)));
  }

  fakes::TempFolder folder_;
  const fs::path file_ = folder_ / "identity.key";
};

TEST_F(IdentityFile, IsMadeAtTheFirstStartAndKept) {
  const auto first = Identity::load_or_create(file_).value();
  const std::string contents = read();
  EXPECT_THAT(contents, HasSubstr("-----BEGIN PRIVATE KEY-----"));
  const auto second = Identity::load_or_create(file_).value();
  EXPECT_EQ(first->id(), second->id());
  EXPECT_EQ(read(), contents);
  EXPECT_EQ(names(), 1U) << "no temporary file is left";
}

TEST_F(IdentityFile, IsForItsOwnerOnlyWhateverTheUmask) {
  for (const mode_t mask : {mode_t{0}, mode_t{0777}}) {
    const mode_t before = ::umask(mask);
    const auto made = Identity::load_or_create(file_);
    ::umask(before);
    ASSERT_TRUE(made) << made.error().message();
    struct stat status {};
    ASSERT_EQ(::stat(file_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600U);
    fs::remove(file_);
  }
}

TEST_F(IdentityFile, OfOtherProgramsIsRead) {
  write(kRfcKey);
  const auto identity = Identity::load_or_create(file_).value();
  EXPECT_EQ(base::to_hex(identity->id().bytes()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  EXPECT_EQ(base::to_hex(identity->sign(base::Bytes{0x72})),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

TEST_F(IdentityFile, ReadableByTheOwnerAloneMayBeReadOnly) {
  write(kRfcKey, 0400);
  EXPECT_TRUE(Identity::load_or_create(file_));
}

TEST_F(IdentityFile, ThatIsALinkIsRefused) {
  write(kRfcKey);
  fs::rename(file_, folder_ / "elsewhere");
  fs::create_symlink(folder_ / "elsewhere", file_);
  expect_refused(IdentityError::link, "delete the link");
  fs::remove(folder_ / "elsewhere");
  expect_refused(IdentityError::link, "delete the link");
  EXPECT_FALSE(fs::exists(folder_ / "elsewhere")) << "nothing is made through a dangling link";
}

TEST_F(IdentityFile, ThatIsNoRegularFileIsRefused) {
  fs::create_directory(file_);
  expect_refused(IdentityError::not_regular, "move it away");
  fs::remove(file_);
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  expect_refused(IdentityError::not_regular, "move it away");
  fs::remove(file_);
  const base::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  file_.string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  expect_refused(IdentityError::not_regular, "move it away");
}

TEST_F(IdentityFile, OfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  write(kRfcKey);
  ASSERT_EQ(::chown(file_.c_str(), 1, 1), 0);
  expect_refused(IdentityError::other_owner, "chown");
}

TEST_F(IdentityFile, ThatOthersCanReachIsRefusedWithTheCommandThatRepairsIt) {
  for (const mode_t mode : {0640U, 0620U, 0610U, 0604U, 0602U, 0601U, 0644U, 0666U, 0777U}) {
    write(kRfcKey, mode);
    expect_refused(IdentityError::exposed, "chmod 600");
    EXPECT_EQ(read(), kRfcKey) << "left as it is";
  }
}

TEST_F(IdentityFile, ThatIsEmptyIsRefused) {
  write("");
  expect_refused(IdentityError::empty, "restore it from a backup");
  EXPECT_EQ(read(), "") << "an ID is never replaced silently";
}

TEST_F(IdentityFile, ThatIsCutAnywhereIsRefusedAsDamaged) {
  // Up to the end of the footer's name; the last dashes and the line end carry nothing.
  for (std::size_t size = 1; size < kRfcKey.find("END PRIVATE"); ++size) {
    write(kRfcKey.substr(0, size));
    const auto loaded = Identity::load_or_create(file_);
    ASSERT_FALSE(loaded) << size;
    EXPECT_EQ(loaded.error().code, IdentityError::damaged);
  }
}

TEST_F(IdentityFile, ThatHoldsSomethingElseIsRefusedAsDamaged) {
  gnutls_x509_privkey_t raw = nullptr;
  ASSERT_EQ(gnutls_x509_privkey_init(&raw), 0);
  const GnutlsX509Key other(raw);
  ASSERT_EQ(gnutls_x509_privkey_generate2(raw, GNUTLS_PK_ECDSA,
                                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0, nullptr, 0),
            0);
  gnutls_datum_t pem{nullptr, 0};
  ASSERT_EQ(gnutls_x509_privkey_export2_pkcs8(raw, GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, &pem), 0);
  const std::string ecdsa(reinterpret_cast<const char*>(pem.data), pem.size);
  gnutls_free(pem.data);
  for (const std::string& contents :
       {ecdsa, std::string("hello\n"), std::string(119, '\0'), std::string(20'000, 'x'),
        std::string(kRfcKey).replace(60, 4, "!!!!")}) {
    write(contents);
    expect_refused(IdentityError::damaged, "restore it from a backup");
  }
}

TEST_F(IdentityFile, InAFolderThatIsNotThereNamesTheFolder) {
  const auto loaded = Identity::load_or_create(folder_ / "missing" / "identity.key");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, boost::system::errc::no_such_file_or_directory);
  EXPECT_THAT(loaded.error().message(), HasSubstr((folder_ / "missing").string()));
}

TEST_F(IdentityFile, InAFolderThatCannotBeWrittenSaysSo) {
  if (::geteuid() == 0) GTEST_SKIP() << "root writes everywhere";
  fs::permissions(folder_.path(), fs::perms::owner_read | fs::perms::owner_exec);
  const auto loaded = Identity::load_or_create(file_);
  fs::permissions(folder_.path(), fs::perms::owner_all);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, boost::system::errc::permission_denied);
}

TEST_F(IdentityFile, IsOneEvenWhenManyStartAtOnce) {
  constexpr int kStarts = 8;
  std::vector<base::PeerId> ids(kStarts);
  std::atomic<int> ready{0};
  std::vector<std::thread> starts;
  starts.reserve(kStarts);
  for (int i = 0; i < kStarts; ++i) {
    starts.emplace_back([&, i] {
      ++ready;
      while (ready < kStarts) std::this_thread::yield();
      const auto identity = Identity::load_or_create(file_);
      ASSERT_TRUE(identity) << identity.error().message();
      ids[static_cast<std::size_t>(i)] = (*identity)->id();
    });
  }
  for (std::thread& start : starts) start.join();
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), 1U);
  EXPECT_FALSE(ids[0].empty());
  EXPECT_EQ(names(), 1U);
}

TEST_F(IdentityFile, ThatIsThereIsNotReplacedByALaterCreation) {
  write("first");
  EXPECT_FALSE(create_key_file(file_, base::as_bytes("second")).value());
  EXPECT_EQ(read(), "first");
  EXPECT_EQ(names(), 1U);
}

TEST(Identity, SignsWhatItsIdVerifies) {
  const auto identity = Identity::generate();
  const auto other = Identity::generate();
  EXPECT_NE(identity->id(), other->id());
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{200}, std::size_t{100'000}}) {
    const base::Bytes message(size, 0x5a);
    const Signature signature = identity->sign(message);
    EXPECT_TRUE(verify_signature(identity->id(), message, signature));
    EXPECT_FALSE(verify_signature(other->id(), message, signature));
    base::Bytes longer = message;
    longer.push_back(0);
    EXPECT_FALSE(verify_signature(identity->id(), longer, signature));
  }
}

TEST(Identity, AnyFlippedBitOfASignatureIsNoticed) {
  const auto identity = Identity::generate();
  const base::Bytes message{1, 2, 3};
  const Signature good = identity->sign(message);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Signature bad = good;
    bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(verify_signature(identity->id(), message, bad)) << bit;
  }
}

TEST(Identity, KeysThatAreNoPointsVerifyNothing) {
  const auto identity = Identity::generate();
  const Signature signature = identity->sign({});
  EXPECT_FALSE(verify_signature(base::PeerId(), {}, signature));
  // y = 2 is not on the curve.
  std::array<std::uint8_t, 32> not_a_point{2};
  EXPECT_FALSE(verify_signature(base::PeerId(not_a_point), {}, signature));
  // The point of order 4 that is spelt as all zeros, with R of small order and S = 0.
  EXPECT_FALSE(verify_signature(base::PeerId(), {}, Signature{}));
}

TEST(Identity, CertificateIsSelfSignedNamesTheIdAndDoesNotExpire) {
  const auto identity = Identity::generate();
  gnutls_x509_crt_t certificate = identity->handles().certificate.get();
  std::array<char, 128> name{};
  std::size_t size = name.size();
  ASSERT_EQ(gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name.data(), &size),
            0);
  EXPECT_EQ(std::string(name.data()), identity->id().text());
  EXPECT_EQ(gnutls_x509_crt_get_activation_time(certificate), 0);
  // RFC 5280 4.1.2.5: 99991231235959Z, which GnuTLS reads back as this.
  EXPECT_EQ(gnutls_x509_crt_get_expiration_time(certificate), GNUTLS_X509_NO_WELL_DEFINED_EXPIRATION);
  unsigned status = 0;
  gnutls_x509_crt_t issuer = certificate;
  EXPECT_EQ(gnutls_x509_crt_verify(certificate, &issuer, 1, GNUTLS_VERIFY_ALLOW_X509_V1_CA_CRT, &status), 0);
  EXPECT_EQ(status & GNUTLS_CERT_SIGNATURE_FAILURE, 0U);
  EXPECT_EQ(certified_key(certificate).value(), identity->id());
}

TEST(Identity, MaySignOnManyThreadsAtOnce) {
  const auto identity = Identity::generate();
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const base::Bytes message(100, static_cast<std::uint8_t>(i));
      for (int round = 0; round < 50; ++round) {
        EXPECT_TRUE(verify_signature(identity->id(), message, identity->sign(message)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace p2pd::net
