// Machines with the pairing parts of a daemon and a store of their own, joined by imaginary relays under a
// clock that is moved by hand. A test moves frames with run(); nothing happens by itself.
#pragma once

#include <deque>
#include <map>
#include <set>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "daemon/pairings.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::daemon::test {

using namespace std::chrono_literals;

inline const std::string kRelay = "ws://one.example";
inline const std::string kOtherRelay = "ws://two.example";

// Both clocks. Far ahead of the real one, so that no timer fires by itself.
struct Time {
  base::TimePoint now = base::Clock::now() + 1000h;
  base::WallTime wall = base::WallTime(1'700'000'000s);

  void pass(base::Duration time) {
    now += time;
    wall += std::chrono::duration_cast<std::chrono::milliseconds>(time);
  }
};

struct Frame {
  std::string url;
  base::PeerId from;
  base::PeerId to;
  bool knock = false;
  base::Bytes bytes;
};

// The relays of all machines: those in `down` are down, to everyone.
struct Relays {
  std::deque<Frame> frames;
  std::set<std::string> down;

  static base::PeerId key(const std::string& url) {
    std::array<std::uint8_t, base::PeerId::kSize> bytes{};
    std::copy(url.begin(), url.begin() + 10, bytes.begin());
    return base::PeerId(bytes);
  }
};

class Machine final : public PairingRelays {
 public:
  Machine(std::size_t key, Time& time, Relays& relays)
      : identity(identity_of(key)), book(identity->id()), time_(time), relays_(relays) {
    start();
  }
  ~Machine() { stop(); }

  // Making a key is slow: the same ones in all tests.
  static std::shared_ptr<const net::Identity> identity_of(std::size_t index) {
    static std::map<std::size_t, std::shared_ptr<const net::Identity>> made;
    auto& identity = made[index];
    if (!identity) identity = net::Identity::generate();
    return identity;
  }

  void start() {
    store::Options options;
    options.wall_clock = [this] { return time_.wall; };
    store = store::Store::open(folder_.file(), options).value();
    const auto post = [this](std::function<void()> task) { boost::asio::post(io, std::move(task)); };
    Inviting::Config inviting{identity,
                              [this] { return own_relays; },
                              post,
                              [this](const store::PeerRow& row, const std::string&, bool fresh) {
                                book.put(known_peer(row));
                                if (fresh) ++paired;
                              },
                              [this] { return time_.wall; },
                              [this] { return time_.now; }};
    Joining::Config joining{identity,
                            [this] { return own_relays; },
                            post,
                            [this](const KnownPeer& peer, const std::string&) { book.put(peer); },
                            [this] { return time_.wall; },
                            [this] { return time_.now; }};
    pairings.emplace(std::make_unique<Inviting>(io.get_executor(), std::move(inviting), *store, *this),
                     std::make_unique<Joining>(io.get_executor(), std::move(joining), book, *store, *this));
    pairings->inviting().load();
    settle();
  }
  void stop() {
    if (!pairings) return;
    pairings->stop();
    settle();
    pairings.reset();
    store->stop();
    store.reset();
  }
  // Waits for what the store was asked: it answers in order.
  void settle() {
    bool done = false;
    store->load_peers([this](std::function<void()> task) { boost::asio::post(io, std::move(task)); },
                      [&done](const base::Result<std::vector<store::PeerRow>>&) { done = true; });
    while (!done) io.run_one();
    io.poll();
  }

  [[nodiscard]] const base::PeerId& id() const { return identity->id(); }
  std::string invite(std::chrono::milliseconds lifetime = 10min, const std::string& name = "") {
    std::string ticket;
    pairings->inviting().create(name, lifetime,
                                [&](base::Result<Inviting::Created> created) { ticket = created->ticket; });
    settle();
    return ticket;
  }
  // Gets the answer when there is one, at the machine's end at the latest.
  using Answer = std::optional<base::Result<KnownPeer>>;
  Answer& accept(const std::string& ticket, std::chrono::milliseconds timeout = 30s,
                 const std::string& name = "") {
    Answer& answer = answers_.emplace_back();
    pairings->joining().accept(ticket, name, timeout, [&answer](base::Result<KnownPeer> result) {
      answer.emplace(std::move(result));
    });
    return answer;
  }
  void on_time() {
    pairings->inviting().on_time();
    pairings->joining().look();
    settle();
  }

  std::optional<base::PeerId> relay_key(const std::string& url) const override {
    if (relays_.down.contains(url)) return std::nullopt;
    return Relays::key(url);
  }
  bool knock_by(const std::string& url, const base::PeerId& to, base::ByteView payload) override {
    return put(url, to, payload, true);
  }
  bool send_by(const std::string& url, const base::PeerId& to, base::ByteView datagram) override {
    return put(url, to, datagram, false);
  }
  void visit(Visit visit, const std::vector<std::string>& urls) override { visits[visit] = urls; }
  void leave(Visit visit) override { visits.erase(visit); }
  std::string trouble_of(const std::vector<std::string>& urls) const override {
    for (const std::string& url : urls) {
      if (!relays_.down.contains(url)) return "";
    }
    return "all down";
  }

  boost::asio::io_context io{1};
  std::shared_ptr<const net::Identity> identity;
  AddressBook book;
  std::vector<std::string> own_relays{kRelay};
  std::map<Visit, std::vector<std::string>> visits;
  int paired = 0;
  std::unique_ptr<store::Store> store;
  std::optional<Pairings> pairings;

 private:
  bool put(const std::string& url, const base::PeerId& to, base::ByteView bytes, bool knock) {
    if (relays_.down.contains(url)) return false;
    relays_.frames.push_back({url, id(), to, knock, {bytes.begin(), bytes.end()}});
    return true;
  }

  Time& time_;
  Relays& relays_;
  const store::Folder folder_;
  std::deque<Answer> answers_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io.get_executor()};
};

class PairingDesk : public testing::Test {
 protected:
  // Moves frames until none is left.
  void run() {
    while (!relays_.frames.empty()) {
      const Frame frame = std::move(relays_.frames.front());
      relays_.frames.pop_front();
      if (!drop_(frame)) deliver(frame);
    }
  }
  // True: somebody took it.
  bool deliver(const Frame& frame) {
    bool taken = false;
    for (Machine* machine : {&alice_, &bob_, &carol_}) {
      if (machine->id() != frame.to || !machine->pairings) continue;
      if (frame.knock) {
        machine->pairings->on_knock(frame.url, Relays::key(frame.url), frame.from, frame.bytes);
      } else {
        taken = machine->pairings->take_datagram(frame.url, frame.from, frame.bytes);
      }
      machine->settle();
    }
    return taken;
  }
  // In steps shorter than any deadline that matters.
  void pass(base::Duration time) {
    for (base::Duration passed{}; passed < time; passed += 100ms) {
      time_.pass(100ms);
      for (Machine* machine : {&alice_, &bob_, &carol_}) {
        if (machine->pairings) machine->on_time();
      }
      run();
    }
  }
  static ErrorCode code(const Machine::Answer& answer) { return to_api_error(answer.value().error()).code; }

  Time time_;
  Relays relays_;
  std::function<bool(const Frame&)> drop_ = [](const Frame&) { return false; };
  Machine alice_{0, time_, relays_};
  Machine bob_{1, time_, relays_};
  Machine carol_{2, time_, relays_};
};

}  // namespace p2pd::daemon::test
