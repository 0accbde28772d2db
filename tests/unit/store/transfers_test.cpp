#include <gtest/gtest.h>

#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

class TransfersTest : public StoreTest {
 protected:
  void SetUp() override {
    open();
    ASSERT_TRUE(add_peer(1));
    ASSERT_TRUE(add_peer(2));
  }

  static TransferRow row(std::uint64_t number, int peer = 1,
                         TransferDirection direction = TransferDirection::outgoing) {
    TransferRow out;
    out.id = message_id(number);
    out.peer = peer_id(peer);
    out.direction = direction;
    out.name = "file" + std::to_string(number);
    out.size = 1000 + number;
    out.data_size = 900;
    out.mtime = -7;
    out.mtime_ns = 123;
    out.mode = 0640;
    out.created = at(10'000'000'000 + static_cast<std::int64_t>(number));
    out.device = ~std::uint64_t{0};
    out.inode = 5;
    out.folder = "/somewhere";
    return out;
  }
  base::Result<void> add(const TransferRow& transfer) {
    return wait<void>([&](auto done) { store_->add_transfer(transfer, {}, done); });
  }
  base::Result<void> change(std::uint64_t number, const TransferChange& to) {
    return wait<void>([&](auto done) { store_->change_transfer(message_id(number), to, {}, done); });
  }
  base::Result<void> end(std::uint64_t number, TransferState state, bool settled = true) {
    TransferChange to;
    to.state = state;
    to.settled = settled;
    to.ended = at(10'000'000'500);
    return change(number, to);
  }
  std::vector<std::string> loaded() {
    std::vector<std::string> out;
    const auto rows =
        wait<std::vector<TransferRow>>([&](auto done) { store_->load_transfers({}, done); }).value();
    for (const TransferRow& found : rows) out.push_back(found.name);
    return out;
  }
  std::optional<TransferRow> find(std::uint64_t number) {
    return wait<std::optional<TransferRow>>(
               [&](auto done) { store_->find_transfer(message_id(number), {}, done); })
        .value();
  }
  std::optional<TransferRow> sent(const FileIdentity& file, int peer = 1) {
    return wait<std::optional<TransferRow>>(
               [&](auto done) { store_->find_sent(peer_id(peer), file, {}, done); })
        .value();
  }
  std::uint64_t incoming(int peer, std::int64_t since = 0) {
    return wait<std::uint64_t>([&](auto done) { store_->incoming_bytes(peer_id(peer), at(since), {}, done); })
        .value();
  }
};

TEST_F(TransfersTest, ComeBackAsTheyWereAfterARestart) {
  const TransferRow before = row(1);
  ASSERT_TRUE(add(before));
  TransferChange to;
  to.durable = 77;
  to.stored_name = "there";
  to.reason = "word";
  to.collected = true;
  ASSERT_TRUE(change(1, to));
  reopen();
  const auto after = find(1);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->id, before.id);
  EXPECT_EQ(after->peer, before.peer);
  EXPECT_EQ(after->name, before.name);
  EXPECT_EQ(after->size, before.size);
  EXPECT_EQ(after->data_size, before.data_size);
  EXPECT_EQ(after->mtime, before.mtime);
  EXPECT_EQ(after->mtime_ns, before.mtime_ns);
  EXPECT_EQ(after->mode, before.mode);
  EXPECT_EQ(after->created, before.created);
  EXPECT_EQ(after->device, before.device);
  EXPECT_EQ(after->folder, before.folder);
  EXPECT_EQ(after->state, TransferState::running);
  EXPECT_FALSE(after->ended);
  EXPECT_EQ(after->durable, 77U);
  EXPECT_EQ(after->stored_name, "there");
  EXPECT_EQ(after->reason, "word");
  EXPECT_TRUE(after->collected);
  EXPECT_FALSE(after->settled);
  EXPECT_FALSE(find(2));
}

TEST_F(TransfersTest, LoadsWhatIsNotOverAndWhatThePeerDoesNotKnow) {
  for (std::uint64_t number = 1; number <= 6; ++number) ASSERT_TRUE(add(row(number)));
  ASSERT_TRUE(add(row(7, 1, TransferDirection::incoming)));
  ASSERT_TRUE(end(2, TransferState::done, false));
  ASSERT_TRUE(end(3, TransferState::cancelled, false));
  ASSERT_TRUE(end(4, TransferState::failed, true));
  ASSERT_TRUE(end(5, TransferState::storing));
  ASSERT_TRUE(end(7, TransferState::failed, false));
  EXPECT_EQ(loaded(), (std::vector<std::string>{"file1", "file3", "file5", "file6"}));
}

TEST_F(TransfersTest, RefusesRepeatsStrangersAndNonsense) {
  ASSERT_TRUE(add(row(1)));
  EXPECT_TRUE(is(add(row(1, 2)).error(), StoreError::already_exists));
  EXPECT_TRUE(is(add(row(2, 9)).error(), StoreError::not_found));
  TransferRow large = row(3);
  large.size = ~std::uint64_t{0};
  EXPECT_TRUE(is(add(large).error(), StoreError::invalid));
  EXPECT_TRUE(is(change(4, {}).error(), StoreError::not_found));
}

TEST_F(TransfersTest, FindsASentFileOnlyWhileItIsTheSameAndUncollected) {
  ASSERT_TRUE(add(row(1)));
  const FileIdentity file{"file1", ~std::uint64_t{0}, 5, 1001, -7, 123};
  EXPECT_FALSE(sent(file));
  ASSERT_TRUE(end(1, TransferState::done));
  ASSERT_TRUE(sent(file));
  EXPECT_EQ(sent(file)->id, message_id(1));
  EXPECT_FALSE(sent(file, 2));
  for (auto change_one : std::vector<std::function<void(FileIdentity&)>>{
           [](FileIdentity& f) { f.name = "other"; }, [](FileIdentity& f) { f.device = 1; },
           [](FileIdentity& f) { f.inode = 6; }, [](FileIdentity& f) { f.size = 1; },
           [](FileIdentity& f) { f.mtime = 7; }, [](FileIdentity& f) { f.mtime_ns = 124; }}) {
    FileIdentity other = file;
    change_one(other);
    EXPECT_FALSE(sent(other));
  }
  TransferChange to;
  to.collected = true;
  ASSERT_TRUE(change(1, to));
  EXPECT_FALSE(sent(file));
}

TEST_F(TransfersTest, CountsWhatAPeerSent) {
  ASSERT_TRUE(add(row(1, 1, TransferDirection::incoming)));
  ASSERT_TRUE(add(row(2, 1, TransferDirection::incoming)));
  ASSERT_TRUE(add(row(3, 1, TransferDirection::incoming)));
  ASSERT_TRUE(add(row(4)));
  ASSERT_TRUE(end(2, TransferState::done));
  ASSERT_TRUE(end(3, TransferState::cancelled));
  EXPECT_EQ(incoming(1), 1001U + 1002U);
  EXPECT_EQ(incoming(1, 10'000'000'501), 1001U);
  EXPECT_EQ(incoming(2), 0U);
  // Two of the largest are more than an integer holds.
  for (std::uint64_t number : {5U, 6U, 7U}) {
    TransferRow large = row(number, 1, TransferDirection::incoming);
    large.size = std::uint64_t{1} << 62;
    ASSERT_TRUE(add(large));
  }
  EXPECT_GE(incoming(1), std::uint64_t{3'900'000'000'000'000'000});
}

TEST_F(TransfersTest, GoWithTheirPeer) {
  ASSERT_TRUE(add(row(1)));
  ASSERT_TRUE(remove(1));
  EXPECT_FALSE(find(1));
}

TEST_F(TransfersTest, KeepsOnlyTheLatestOfThoseThatAreOver) {
  Options options;
  options.transfers = 2;
  reopen(options);
  for (std::uint64_t number = 1; number <= 4; ++number) {
    ASSERT_TRUE(add(row(number)));
    ASSERT_TRUE(end(number, TransferState::done));
  }
  ASSERT_TRUE(add(row(5)));
  EXPECT_FALSE(find(1));
  EXPECT_FALSE(find(2));
  EXPECT_TRUE(find(3));
  TransferRow late = row(6);
  late.created = at(10'000'000'000) + options.transfer_age + std::chrono::hours(1);
  ASSERT_TRUE(add(late));
  EXPECT_FALSE(find(4));
  EXPECT_TRUE(find(5));  // not over, however old
}

}  // namespace
}  // namespace p2pd::store
