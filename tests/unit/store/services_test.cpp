#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

class StoreServices : public StoreTest {
 protected:
  void SetUp() override {
    open();
    ASSERT_TRUE(add_peer(1));
    ASSERT_TRUE(add_peer(2));
  }

  base::Result<void> put(ServiceRow row) {
    return wait<void>([&](auto done) { store_->put_service(std::move(row), {}, done); });
  }
  base::Result<void> remove(const std::string& name) {
    return wait<void>([&](auto done) { store_->remove_service(name, {}, done); });
  }
  std::vector<ServiceRow> services() {
    return wait<std::vector<ServiceRow>>([&](auto done) { store_->load_services({}, done); }).value();
  }
  ServiceRow row(const std::string& name) {
    return {name, "tcp:127.0.0.1:22", 4'000'000'000, {peer_id(1), peer_id(2)}};
  }
};

TEST_F(StoreServices, ComeBackAsTheyWereStored) {
  ASSERT_TRUE(put(row("ssh")));
  ServiceRow closed = row("closed");
  closed.allow.clear();
  ASSERT_TRUE(put(closed));
  reopen();
  const auto rows = services();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].name, "closed");
  EXPECT_TRUE(rows[0].allow.empty());
  EXPECT_EQ(rows[1].name, "ssh");
  EXPECT_EQ(rows[1].target, "tcp:127.0.0.1:22");
  EXPECT_EQ(rows[1].owner, 4'000'000'000);
  EXPECT_EQ(rows[1].allow.size(), 2U);
}

TEST_F(StoreServices, AreReplacedWithTheirPeers) {
  ASSERT_TRUE(put(row("ssh")));
  ServiceRow changed = row("ssh");
  changed.target = "unix:/run/x";
  changed.allow = {peer_id(2)};
  ASSERT_TRUE(put(changed));
  const auto rows = services();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].target, "unix:/run/x");
  EXPECT_EQ(rows[0].allow, std::vector<base::PeerId>{peer_id(2)});
}

TEST_F(StoreServices, AFailedReplacementChangesNothing) {
  ASSERT_TRUE(put(row("ssh")));
  ServiceRow changed = row("ssh");
  changed.allow = {peer_id(2), peer_id(9)};
  const auto failed = put(changed);
  ASSERT_FALSE(failed);
  EXPECT_TRUE(is(failed.error(), StoreError::not_found));
  ASSERT_EQ(services().size(), 1U);
  EXPECT_EQ(services()[0].allow.size(), 2U);
}

TEST_F(StoreServices, ForgetAPeerThatIsRemoved) {
  ASSERT_TRUE(put(row("ssh")));
  ASSERT_TRUE(wait<void>([&](auto done) { store_->remove_peer(peer_id(1), {}, done); }));
  ASSERT_EQ(services().size(), 1U);
  EXPECT_EQ(services()[0].allow, std::vector<base::PeerId>{peer_id(2)});
}

TEST_F(StoreServices, AreRemovedOnce) {
  ASSERT_TRUE(put(row("ssh")));
  EXPECT_TRUE(remove("ssh"));
  EXPECT_TRUE(services().empty());
  const auto again = remove("ssh");
  ASSERT_FALSE(again);
  EXPECT_TRUE(is(again.error(), StoreError::not_found));
}

}  // namespace
}  // namespace p2pd::store
