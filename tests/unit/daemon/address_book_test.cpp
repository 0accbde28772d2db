#include "daemon/address_book.hpp"

#include <gtest/gtest.h>

namespace p2pd::daemon {
namespace {

base::PeerId id_of(std::uint8_t first, std::uint8_t second = 0) {
  std::array<std::uint8_t, base::PeerId::kSize> key{};
  key[0] = first;
  key[1] = second;
  return base::PeerId(key);
}

KnownPeer peer(const base::PeerId& id, std::string name) {
  KnownPeer out;
  out.id = id;
  out.name = std::move(name);
  return out;
}

int code_of(const base::Error& error) {
  return to_api_error(error).code == ErrorCode::internal_error ? 0 : error.code.value();
}

class AddressBookTest : public testing::Test {
 protected:
  AddressBookTest() : book(id_of(1)) {
    book.put(peer(id_of(2, 1), "bob"));
    book.put(peer(id_of(2, 2), "carol"));
    book.put(peer(id_of(9), "a"));
  }
  AddressBook book;
};

TEST_F(AddressBookTest, FindsByNameByIdAndByPrefix) {
  EXPECT_EQ((*book.find("bob"))->id, id_of(2, 1));
  EXPECT_EQ((*book.find(id_of(2, 2).text()))->name, "carol");
  EXPECT_EQ((*book.find(id_of(9).text().substr(0, 3)))->name, "a");
}

TEST_F(AddressBookTest, ANameWinsOverAPrefix) {
  ASSERT_TRUE(id_of(2, 1).text().starts_with("a"));
  EXPECT_EQ((*book.find("a"))->id, id_of(9));
}

TEST_F(AddressBookTest, AnAmbiguousPrefixNamesBothPeers) {
  const auto found = book.find("ai");
  ASSERT_FALSE(found);
  EXPECT_EQ(code_of(found.error()), 1002);
  EXPECT_NE(found.error().context.find("bob"), std::string::npos);
  EXPECT_NE(found.error().context.find("carol"), std::string::npos);
}

TEST_F(AddressBookTest, UnknownOwnAndMalformedIdsAreToldApart) {
  EXPECT_EQ(code_of(book.find("dave").error()), 1001);
  EXPECT_EQ(code_of(book.find("").error()), 1001);
  EXPECT_EQ(code_of(book.find(id_of(7).text()).error()), 1001);
  EXPECT_EQ(code_of(book.find(id_of(1).text()).error()), 1003);
  std::string other_spelling = id_of(2, 1).text();
  other_spelling.back() = 'b';  // bits set past the key's end
  EXPECT_EQ(code_of(book.find(other_spelling).error()), 1004);
  EXPECT_EQ(code_of(book.find(id_of(2, 1).text() + "a").error()), 1004);
}

TEST_F(AddressBookTest, NamesAreCheckedAndUnique) {
  EXPECT_TRUE(book.check_name("work-laptop_2.home", id_of(3)));
  EXPECT_TRUE(book.check_name("bob", id_of(2, 1)));
  EXPECT_EQ(code_of(book.check_name("bob", id_of(3)).error()), 1009);
  for (const std::string& bad : {std::string(), std::string("-x"), std::string("a b"), std::string("a\nb"),
                                 std::string(64, 'a'), std::string(52, 'a'), std::string("\xc3\xbc")}) {
    EXPECT_EQ(code_of(book.check_name(bad, id_of(3)).error()), 1018) << bad;
  }
}

TEST_F(AddressBookTest, ATakenNameGetsTheFirstFreeNumber) {
  EXPECT_EQ(book.free_name("dave", id_of(3)), "dave");
  EXPECT_EQ(book.free_name("bob", id_of(2, 1)), "bob");
  EXPECT_EQ(book.free_name("bob", id_of(3)), "bob-2");
  book.put(peer(id_of(4), "bob-2"));
  EXPECT_EQ(book.free_name("bob", id_of(3)), "bob-3");
  book.put(peer(id_of(5), std::string(63, 'n')));
  EXPECT_EQ(book.free_name(std::string(63, 'n'), id_of(3)), std::string(61, 'n') + "-2");
}

TEST_F(AddressBookTest, TheOwnIdCannotBeListed) { EXPECT_EQ(code_of(book.check_id(id_of(1)).error()), 1003); }

}  // namespace
}  // namespace p2pd::daemon
