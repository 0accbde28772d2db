#include "store/store.hpp"

#include "store/opening.hpp"
#include "store/parts.hpp"

namespace p2pd::store {

base::Result<std::unique_ptr<Store>> Store::open(const std::string& path, Options options) {
  auto opened = open_database(path, options);
  if (!opened) return opened.error();
  auto parts = std::make_unique<Parts>(std::move(opened->report), opened->message_epoch,
                                       std::move(opened->database), path, std::move(options));
  return std::unique_ptr<Store>(new Store(std::move(parts)));
}

Store::Store(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Store::~Store() = default;

void Store::stop() { parts_->writer.stop(); }
const OpenReport& Store::opened_report() const { return parts_->report; }
std::uint64_t Store::message_epoch() const { return parts_->message_epoch; }
Statistics Store::statistics() const { return parts_->writer.statistics(); }

void Store::ping(Post post, Done<void> done) {
  call<void>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
             [](Session&) -> base::Result<void> { return {}; });
}

}  // namespace p2pd::store
