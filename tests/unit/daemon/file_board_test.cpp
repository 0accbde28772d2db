#include "daemon/file_board.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "peer/message_id.hpp"
#include "tests/unit/daemon/file_content_fixture.hpp"

namespace p2pd::daemon {
namespace {

using proto::FileRefusal;
using proto::FileWithdrawal;
using store::TransferState;

class FileBoardTest : public test::FileContentTest, protected FilePeers, protected ipc::EventSource {
 protected:
  void SetUp() override {
    open();
    ASSERT_TRUE(add_peer(1));
    know();
    start();
  }
  void TearDown() override {
    board->stop();
    worker.stop();
    store_->stop();
    io.poll();
  }

  // FilePeers
  void send_file(const base::PeerId&, peer::OutgoingFile file) override {
    offered.push_back(std::move(file));
  }
  void cancel_incoming_file(const base::PeerId&, const proto::TransferId&) override {}
  boost::asio::any_io_executor thread_of(const base::PeerId&) override { return io.get_executor(); }
  // EventSource
  std::variant<std::string, ipc::ApiError> find_peer(std::string_view text) override {
    return std::string(text);
  }
  void snapshot(const std::vector<std::string>&, const std::vector<std::string>&,
                std::function<void(const nlohmann::json&)> done) override {
    done({});
  }

  void know(bool accept_files = true) {
    KnownPeer known;
    known.id = store::peer_id(1);
    known.name = "bob";
    known.accept_files = accept_files;
    book.put(known);
  }
  // As after a restart, with the store's rows.
  void start() {
    board = std::make_unique<FileBoard>(config, io, book, *store_, events, worker,
                                        static_cast<FilePeers&>(*this));
    board->load(store::wait<std::vector<store::TransferRow>>([&](auto done) {
                  store_->load_transfers({}, done);
                }).value());
    board->start();
    // It admits nothing before the folder is clean.
    while (take(offer(255, 0)).refusal == FileRefusal::busy) io.run_one();
  }
  static proto::FileOffer offer(std::uint8_t number, std::uint64_t size = 1000) {
    proto::FileOffer out;
    out.id[0] = number;
    out.size = out.data_size = size;
    out.mode = 0600;
    out.name = "file" + std::to_string(number);
    return out;
  }
  // The answer to an offer; the admission's target is let go of.
  struct Answer {
    std::optional<FileRefusal> refusal;
    std::optional<std::string> name;
  };
  Answer take(const proto::FileOffer& offer) {
    peer::FileAnswer given =
        answer<peer::FileAnswer>([&](auto done) { board->offered(store::peer_id(1), offer, done); });
    Answer out;
    if (const auto* refusal = std::get_if<FileRefusal>(&given)) out.refusal = *refusal;
    if (const auto* name = std::get_if<std::string>(&given)) out.name = *name;
    return out;
  }
  bool admitted(const proto::FileOffer& offer) {
    const Answer out = take(offer);
    return !out.refusal && !out.name;
  }
  bool withdraw(std::uint8_t number) {
    return answer<bool>([&](auto done) {
      board->withdrawn(store::peer_id(1), {offer(number).id, FileWithdrawal::cancelled}, done);
    });
  }
  store::TransferRow row(std::uint8_t number) {
    return store::wait<std::optional<store::TransferRow>>(
               [&](auto done) { store_->find_transfer(peer::message_id_text(offer(number).id), {}, done); })
        .value()
        .value_or(store::TransferRow{});
  }
  std::vector<TransferView> under_way() {
    auto all = board->list({});
    std::erase_if(all, [](const TransferView& view) { return view.row.name == "file255"; });
    return all;
  }
  void until_nothing_is_under_way() {
    while (!under_way().empty()) io.run_one();
  }
  base::Result<TransferView> send(FileBoard::Sending sending) {
    auto shared = std::make_shared<FileBoard::Sending>(std::move(sending));
    return answer<base::Result<TransferView>>([&](auto done) { board->send(std::move(*shared), done); });
  }
  FileBoard::Sending sending(const std::string& name, bool resume = false) {
    FileBoard::Sending out;
    out.peer = store::peer_id(1);
    out.name = name;
    out.file = opened(name);
    out.resume = resume;
    return out;
  }
  [[nodiscard]] bool nothing_left() const {
    return std::none_of(
        std::filesystem::directory_iterator(folder_.file("files")), {}, [](const auto& entry) {
          return !entry.path().filename().string().ends_with("ff" + std::string(30, '0') + ".part");
        });
  }

  FileBoard::Config config{folder_.file("files"), ".p2pd-test-", 10'000, 0};
  AddressBook book{store::peer_id(99)};
  ipc::EventHub events{static_cast<ipc::EventSource&>(*this), {"file"}};
  std::unique_ptr<FileBoard> board;
  std::vector<peer::OutgoingFile> offered;
};

TEST_F(FileBoardTest, AdmitsWhatIsWithinTheRules) {
  EXPECT_TRUE(admitted(offer(1)));
  ASSERT_EQ(under_way().size(), 1U);
  EXPECT_EQ(row(1).state, TransferState::running);
  EXPECT_EQ(row(1).folder, config.folder);
}

TEST_F(FileBoardTest, RefusesByNamePolicyQuotaAndMismatch) {
  proto::FileOffer bad = offer(1);
  bad.name = "../x";
  EXPECT_EQ(take(bad).refusal, FileRefusal::name);
  EXPECT_EQ(take(offer(1, 10'001)).refusal, FileRefusal::quota);
  EXPECT_TRUE(admitted(offer(1, 6000)));
  EXPECT_EQ(take(offer(2, 4001)).refusal, FileRefusal::quota) << "unfinished ones count";
  proto::FileOffer other = offer(1, 6000);
  other.name = "another";
  EXPECT_EQ(take(other).refusal, FileRefusal::mismatch);
  know(false);
  EXPECT_EQ(take(offer(3)).refusal, FileRefusal::policy);
  EXPECT_EQ(row(3).id, "") << "refused before anything is kept";
}

TEST_F(FileBoardTest, HasSoManyUnfinishedOnesOfAPeer) {
  for (std::uint8_t number = 1; number < FileBoard::kMaxIncoming; ++number)
    EXPECT_TRUE(admitted(offer(number, 1)));
  EXPECT_EQ(take(offer(200, 1)).refusal, FileRefusal::busy);
  EXPECT_TRUE(withdraw(1));
  EXPECT_TRUE(admitted(offer(200, 1)));
}

TEST_F(FileBoardTest, APeerThatIsRefusedLaterLeavesNothingOfWhatItBegan) {
  EXPECT_TRUE(admitted(offer(1)));
  know(false);
  EXPECT_EQ(take(offer(1)).refusal, FileRefusal::policy);
  until_nothing_is_under_way();
  EXPECT_EQ(row(1).state, TransferState::failed);
  EXPECT_EQ(row(1).reason, "refused");
  EXPECT_TRUE(nothing_left());
}

TEST_F(FileBoardTest, AWithdrawalLeavesNothing) {
  EXPECT_TRUE(admitted(offer(1)));
  EXPECT_TRUE(withdraw(1));
  EXPECT_TRUE(under_way().empty());
  EXPECT_EQ(row(1).state, TransferState::cancelled);
  EXPECT_TRUE(nothing_left());
  EXPECT_TRUE(withdraw(1)) << "also the second time";
  EXPECT_TRUE(withdraw(7)) << "and of one that it does not know";
  EXPECT_EQ(take(offer(1)).refusal, FileRefusal::cancelled);
}

// It would come back when the store has answered.
TEST_F(FileBoardTest, AWithdrawalThatOvertakesItsOfferIsToBeSaidAgain) {
  bool answered = false;
  board->offered(store::peer_id(1), offer(1), [&](const peer::FileAnswer&) { answered = true; });
  EXPECT_FALSE(withdraw(1));
  while (!answered) io.run_one();
  EXPECT_TRUE(withdraw(1));
  EXPECT_TRUE(under_way().empty());
  EXPECT_TRUE(nothing_left());
}

TEST_F(FileBoardTest, AnotherPeerCannotTouchATransfer) {
  EXPECT_TRUE(admitted(offer(1)));
  KnownPeer eve;
  eve.id = store::peer_id(2);
  eve.name = "eve";
  book.put(eve);
  const auto given = answer<peer::FileAnswer>([&](auto done) { board->offered(eve.id, offer(1), done); });
  EXPECT_EQ(std::get<FileRefusal>(given), FileRefusal::mismatch);
  EXPECT_TRUE(answer<bool>([&](auto done) {
    board->withdrawn(eve.id, {offer(1).id, FileWithdrawal::cancelled}, done);
  }));
  EXPECT_EQ(under_way().size(), 1U);
}

TEST_F(FileBoardTest, CancelledHereItLeavesNothingAndIsRefusedFromThenOn) {
  EXPECT_TRUE(admitted(offer(1)));
  const std::string id = peer::message_id_text(offer(1).id);
  EXPECT_TRUE(answer<base::Result<void>>([&](auto done) { board->cancel(id, done); }));
  EXPECT_TRUE(nothing_left());
  EXPECT_EQ(take(offer(1)).refusal, FileRefusal::cancelled);
  EXPECT_FALSE(answer<base::Result<void>>([&](auto done) { board->cancel(id, done); }));
}

TEST_F(FileBoardTest, TemporaryFilesThatNoTransferKnowsGoAtTheStart) {
  EXPECT_TRUE(admitted(offer(1)));
  board->stop();
  put("files/.p2pd-test-unknown.part", pattern(10));
  put("files/.p2pd-another-daemons.part", pattern(10));
  put("files/photo.jpg", pattern(10));
  start();
  EXPECT_FALSE(std::filesystem::exists(path("files/.p2pd-test-unknown.part")));
  EXPECT_TRUE(std::filesystem::exists(path("files/.p2pd-another-daemons.part")));
  EXPECT_TRUE(std::filesystem::exists(path("files/photo.jpg")));
  EXPECT_TRUE(std::filesystem::exists(path("files/.p2pd-test-" + row(1).id + ".part")));
  EXPECT_EQ(under_way().size(), 1U);
}

TEST_F(FileBoardTest, WhatItsSenderForgotIsGivenUpAfterMonths) {
  store::TransferRow row;
  row.id = peer::message_id_text(offer(1).id);
  row.peer = store::peer_id(1);
  row.direction = store::TransferDirection::incoming;
  row.name = "forgotten";
  row.size = 1000;
  row.folder = config.folder;
  row.created = base::wall_now() - FileBoard::kUnfinished + std::chrono::hours(1);
  ASSERT_TRUE(store::wait<void>([&](auto done) { store_->add_transfer(row, {}, done); }));
  row.id = peer::message_id_text(offer(2).id);
  row.created -= std::chrono::hours(2);
  ASSERT_TRUE(store::wait<void>([&](auto done) { store_->add_transfer(row, {}, done); }));
  put("files/.p2pd-test-" + row.id + ".part", pattern(10));
  board->stop();
  start();
  while (under_way().size() > 1) io.run_one();
  EXPECT_EQ(this->row(1).state, TransferState::running);
  EXPECT_EQ(this->row(2).state, TransferState::failed);
  EXPECT_EQ(this->row(2).reason, "abandoned");
  EXPECT_TRUE(nothing_left());
}

TEST_F(FileBoardTest, SendsUnderTheGivenNameAndTheSameFileOnceWithResume) {
  put("notes", pattern(100));
  const auto first = send(sending("notes", true));
  ASSERT_TRUE(first) << first.error().message();
  ASSERT_EQ(offered.size(), 1U);
  EXPECT_EQ(offered[0].offer.name, "notes");
  EXPECT_EQ(offered[0].offer.size, 100U);
  const auto second = send(sending("notes", true));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->row.id, first->row.id);
  const auto third = send(sending("notes", false));
  ASSERT_TRUE(third);
  EXPECT_NE(third->row.id, first->row.id);
  put("notes", pattern(101));
  const auto changed = send(sending("notes", true));
  ASSERT_TRUE(changed);
  EXPECT_NE(changed->row.id, first->row.id);
}

TEST_F(FileBoardTest, AfterARestartItWantsTheSameFileAgain) {
  put("notes", pattern(100));
  const std::string id = send(sending("notes"))->row.id;
  board->stop();
  offered.clear();
  start();
  EXPECT_TRUE(offered.empty());
  ASSERT_EQ(under_way().size(), 1U);
  EXPECT_EQ(under_way()[0].stage, TransferStage::needs_file);
  put("other", pattern(99));
  FileBoard::Sending wrong = sending("other");
  wrong.id = id;
  const auto refused = send(std::move(wrong));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("not the file"), std::string::npos) << refused.error().message();
  FileBoard::Sending right = sending("notes");
  right.id = id;
  EXPECT_TRUE(send(std::move(right)));
  ASSERT_EQ(offered.size(), 1U);
  EXPECT_EQ(peer::message_id_text(offered[0].offer.id), id);
}

TEST_F(FileBoardTest, AWithdrawalIsSaidAtEveryStartUntilItWasHeard) {
  put("notes", pattern(100));
  const std::string id = send(sending("notes"))->row.id;
  EXPECT_TRUE(answer<base::Result<void>>([&](auto done) { board->cancel(id, done); }));
  ASSERT_EQ(offered.size(), 2U);
  EXPECT_EQ(offered[1].source, nullptr);
  board->stop();
  offered.clear();
  start();
  ASSERT_EQ(offered.size(), 1U);
  EXPECT_EQ(offered[0].withdrawal, FileWithdrawal::cancelled);
  board->refused(store::peer_id(1), *peer::message_id(id), FileRefusal::cancelled);
  board->stop();
  offered.clear();
  start();
  EXPECT_TRUE(offered.empty());
}

TEST_F(FileBoardTest, AnOutcomeIsToldOnceToTheSameCommandTypedAgain) {
  put("notes", pattern(100));
  const std::string id = send(sending("notes", true))->row.id;
  board->delivered(store::peer_id(1), *peer::message_id(id), "notes (1)");
  until_nothing_is_under_way();
  const auto again = send(sending("notes", true));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->row.id, id);
  EXPECT_EQ(again->stage, TransferStage::done);
  EXPECT_EQ(again->row.stored_name, "notes (1)");
  EXPECT_TRUE(answer<base::Result<void>>([&](auto done) { board->collect(id, done); }));
  EXPECT_NE(send(sending("notes", true))->row.id, id);
}

}  // namespace
}  // namespace p2pd::daemon
