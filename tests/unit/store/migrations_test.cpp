#include "store/migrations.hpp"

#include <fstream>

#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

class Migrations : public StoreTest {
 protected:
  Database make() {
    std::ofstream(folder_.file(), std::ios::app).flush();
    return Database::open(folder_.file(), "").value();
  }
};

// What a user of schema `version` had: each entry is run on a database of that version and must be there
// afterwards.
struct Sample {
  std::size_t version;
  const char* sql;
};
constexpr Sample kSamples[] = {
    {1,
     "INSERT INTO peers VALUES (x'0000111111111111111111111111111111111111111111111111111111111111', 'old', "
     "'ws://a/', 1, 0, 1, 5);"
     "INSERT INTO mailboxes VALUES (x'0000111111111111111111111111111111111111111111111111111111111111', 9, "
     "1, 2, 1, 3);"
     "INSERT INTO outbox VALUES (1, x'0000111111111111111111111111111111111111111111111111111111111111', 9, "
     "'aa', 6, "
     "'text/plain', '', x'0102');"
     "INSERT INTO inbox VALUES (4, x'0000111111111111111111111111111111111111111111111111111111111111', 3, "
     "'bb', 7, 8, "
     "'text/plain', '', x'010203');"
     "INSERT INTO inbox_marks VALUES (1, "
     "x'0000111111111111111111111111111111111111111111111111111111111111', 77, 3);"
     "INSERT INTO meta VALUES ('message_epoch', 1234);"},
    {2,
     "INSERT INTO attempts VALUES (5, x'0000111111111111111111111111111111111111111111111111111111111111', "
     "10, 20, "
     "'closed', 'why', 30, NULL);"
     "INSERT INTO candidates VALUES (1, 5, 'local', 1, 'host', '192.0.2.1:1', 'sent', '', 11);"
     "INSERT INTO paths VALUES (1, 5, 12, '', 'relay', 'in_progress', '', '', '');"},
    {3,
     "INSERT INTO invitations VALUES (x'0102030405060708', x'000102030405060708090a0b0c0d0e0f', 'guest', 13, "
     "14, NULL, 15, x'0000111111111111111111111111111111111111111111111111111111111111');"},
    {4,
     "INSERT INTO transfers VALUES (1, '00', "
     "x'0000111111111111111111111111111111111111111111111111111111111111', 1, 0, '', 'a.txt', 9, 9, -1, 5, "
     "416, "
     "16, NULL, 0, 0, 1, 1, '/files', 4, '');"},
    {5, "INSERT INTO qualities VALUES (5, 1200, NULL, 9, 10, 1, 2, 11, 12, 13, 14, 15, 16, 17, 18, 19);"},
    {6,
     "INSERT INTO services VALUES ('ssh', 'tcp:127.0.0.1:22', 1000);"
     "INSERT INTO service_peers VALUES ('ssh', "
     "x'0000111111111111111111111111111111111111111111111111111111111111');"},
    {7,
     "INSERT INTO worked VALUES (x'0000111111111111111111111111111111111111111111111111111111111111', "
     "'192.0.2.1', 'host 192.0.2.1:4', 'host 192.0.2.2:5', 17);"},
};

class MigrationsFrom : public Migrations, public testing::WithParamInterface<std::size_t> {};

TEST_P(MigrationsFrom, KeepWhatWasStored) {
  {
    Database database = make();
    ASSERT_TRUE(migrate(database, migrations().first(GetParam())));
    for (const Sample& sample : kSamples) {
      if (sample.version > GetParam()) continue;
      const auto executed = database.execute(sample.sql);
      ASSERT_TRUE(executed) << executed.error().message();
    }
  }
  open();
  EXPECT_FALSE(store_->opened_report().set_aside);
  EXPECT_EQ(store_->message_epoch(), 1234U);
  const auto rows = peers();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].id, peer_id(0));
  EXPECT_EQ(rows[0].name, "old");
  EXPECT_TRUE(rows[0].wanted);
  EXPECT_FALSE(rows[0].direct);
  EXPECT_EQ(outbox(0)[0].data, (base::Bytes{1, 2}));
  EXPECT_EQ(inbox()[0].cursor, 4U);
  EXPECT_EQ(mark(0, 77), 3U);
  EXPECT_EQ(append(0, outbox_row(1))->sequence, 10U);
  EXPECT_EQ(counts()[0].messages, 2U);
  if (GetParam() >= 2) {
    const auto attempts = history(0);
    ASSERT_EQ(attempts.size(), 1U);
    EXPECT_EQ(attempts[0].to_relay, std::chrono::milliseconds(30));
    EXPECT_EQ(attempts[0].candidates.size(), 1U);
    EXPECT_EQ(attempts[0].paths.size(), 1U);
  }
  const auto invitations =
      wait<std::vector<InvitationRow>>([&](auto done) { store_->load_invitations({}, done); }).value();
  ASSERT_EQ(invitations.size(), GetParam() >= 3 ? 1U : 0U);
  if (GetParam() >= 3) {
    EXPECT_EQ(invitations[0].name, "guest");
    EXPECT_EQ(invitations[0].peer, peer_id(0));
  }
  const auto transfers =
      wait<std::vector<TransferRow>>([&](auto done) { store_->load_transfers({}, done); }).value();
  ASSERT_EQ(transfers.size(), GetParam() >= 4 ? 1U : 0U);
  if (GetParam() >= 4) {
    EXPECT_EQ(transfers[0].name, "a.txt");
    EXPECT_EQ(transfers[0].direction, TransferDirection::incoming);
    EXPECT_EQ(transfers[0].mode, 0640U);
    EXPECT_EQ(transfers[0].durable, 4U);
  }
  const auto services =
      wait<std::vector<ServiceRow>>([&](auto done) { store_->load_services({}, done); }).value();
  ASSERT_EQ(services.size(), GetParam() >= 6 ? 1U : 0U);
  if (GetParam() >= 6) {
    EXPECT_EQ(services[0].target, "tcp:127.0.0.1:22");
    EXPECT_EQ(services[0].allow.size(), 1U);
  }
  const auto worked = wait<std::vector<WorkedRow>>([&](auto done) { store_->load_worked({}, done); }).value();
  ASSERT_EQ(worked.size(), GetParam() >= 7 ? 1U : 0U);
  if (GetParam() >= 7) {
    EXPECT_EQ(worked[0].base, "192.0.2.1");
  }
  // The schema works whatever it came from.
  AttemptRow attempt;
  attempt.id = 6;
  attempt.peer = peer_id(0);
  attempt.started = at(50);
  store_->begin_attempt(attempt);
  EXPECT_EQ(history(0)[0].id, 6U);
}

INSTANTIATE_TEST_SUITE_P(Versions, MigrationsFrom, testing::Range<std::size_t>(1, migrations().size() + 1));

TEST_F(Migrations, EveryVersionHasASample) { EXPECT_EQ(std::size(kSamples), migrations().size()); }

TEST_F(Migrations, AFailingStepLeavesTheVersionBeforeIt) {
  const char* const steps[] = {"CREATE TABLE one (a)", "CREATE TABLE two (a); CREATE TABLE one (a)"};
  Database database = make();
  EXPECT_FALSE(migrate(database, steps));
  EXPECT_EQ(schema_version(database).value(), 1);
  EXPECT_EQ(database.value("SELECT count(*) FROM sqlite_master").value(), 1);
  EXPECT_FALSE(database.in_transaction());
  const char* const repaired[] = {"CREATE TABLE one (a)", "CREATE TABLE two (a)"};
  EXPECT_TRUE(migrate(database, repaired));
  EXPECT_EQ(schema_version(database).value(), 2);
  EXPECT_TRUE(check_schema(database, 2));
  EXPECT_FALSE(check_schema(database, 1));
}

TEST_F(Migrations, AnUpToDateSchemaIsNotTouched) {
  Database database = make();
  ASSERT_TRUE(migrate(database, migrations()));
  const std::int64_t before = database.value("PRAGMA schema_version").value().value();
  ASSERT_TRUE(migrate(database, migrations()));
  EXPECT_EQ(database.value("PRAGMA schema_version").value(), before);
}

}  // namespace
}  // namespace p2pd::store
