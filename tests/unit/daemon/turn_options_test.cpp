#include "daemon/turn_options.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/fakes/temp_folder.hpp"

namespace p2pd::daemon {
namespace {

TEST(TurnUri, NamesServerAndTransport) {
  const auto plain = TurnUri::parse("turn:turn.example");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->text(), "turn:turn.example:3478?transport=udp");
  const auto tcp = TurnUri::parse("turn:[2001:db8::1]:443?transport=tcp");
  ASSERT_TRUE(tcp);
  EXPECT_TRUE(tcp->tcp);
  EXPECT_EQ(tcp->server.host, "2001:db8::1");
  EXPECT_EQ(*TurnUri::parse(tcp->text()), *tcp);
}

TEST(TurnUri, RefusesWhatIsNotOne) {
  for (const char* const text :
       {"", "turn.example", "turn:", "turn://turn.example", "turn:host:0", "turn:host:x",
        "turn:host?transport=sctp", "turn:host?x", "stun:host", "turn:a:b:c"}) {
    EXPECT_FALSE(TurnUri::parse(text)) << text;
  }
  EXPECT_NE(TurnUri::parse("turns:host").error().context.find("TLS is not supported"), std::string::npos);
}

class TurnSecretFile : public testing::Test {
 protected:
  base::Result<TurnSecret> read(const std::string& content) {
    std::ofstream(file_) << content;
    return read_turn_secret(file_.string());
  }

  fakes::TempFolder folder_;
  const std::filesystem::path file_ = folder_ / "secret";
};

TEST_F(TurnSecretFile, HoldsASharedSecretOrAUserAndAPassword) {
  EXPECT_EQ(*read("# of our server\ns3cret\n"), (TurnSecret{"", "", "s3cret"}));
  EXPECT_EQ(*read("me  my:password\n"), (TurnSecret{"me", "my:password", ""}));
}

TEST_F(TurnSecretFile, SaysWhatIsWrongAndNothingOfTheSecret) {
  for (const std::string& content : {std::string("\n# nothing\n"), std::string("one two hidden\n"),
                                     std::string("hidden" + std::string(600, 'x') + "\n")}) {
    const auto secret = read(content);
    ASSERT_FALSE(secret);
    EXPECT_NE(secret.error().context.find(file_.string()), std::string::npos);
    EXPECT_EQ(secret.error().context.find("hidden"), std::string::npos);
  }
  EXPECT_FALSE(read_turn_secret("/nowhere/at/all"));
}

}  // namespace
}  // namespace p2pd::daemon
