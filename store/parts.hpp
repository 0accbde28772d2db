// What the files of Store share: its parts, and call(), which makes a Job of a function over the database.
// Included by store/*.cpp only.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "store/store.hpp"
#include "store/writer.hpp"

namespace p2pd::store {

struct Store::Parts {
  Parts(OpenReport opened, std::uint64_t epoch, Database database, std::string path, Options options)
      : report(std::move(opened)),
        message_epoch(epoch),
        writer(std::move(database), std::move(path), std::move(options)) {}

  const OpenReport report;
  const std::uint64_t message_epoch;
  Writer writer;
};

// `Work`: Result<T>(Session&), const, since it may run twice.
template <class T, class Work>
class Call final : public Job {
 public:
  Call(JobKind kind, std::size_t size, Post post, Done<T> done, Work work)
      : Job(kind, size), post_(std::move(post)), done_(std::move(done)), work_(std::move(work)) {}

  base::Result<void> execute(Session& session) override {
    result_.emplace(std::as_const(work_)(session));
    if (!*result_) return result_->error();
    return {};
  }
  void complete() override { deliver(std::move(*result_)); }
  void fail(const base::Error& error) override { deliver(error); }

 private:
  void deliver(base::Result<T> result) {
    if (!done_) return;
    if (!post_) return done_(std::move(result));
    post_([done = std::move(done_), result = std::move(result)]() mutable { done(std::move(result)); });
  }

  Post post_;
  Done<T> done_;
  const Work work_;
  std::optional<base::Result<T>> result_;
};

// `size`: about how many bytes the work holds beyond its fixed part.
template <class T, class Work>
void call(Writer& writer, JobKind kind, std::size_t size, Post post, Done<T> done, Work work) {
  writer.push(std::make_unique<Call<T, Work>>(kind, size + sizeof(Call<T, Work>), std::move(post),
                                              std::move(done), std::move(work)));
}

template <class Work>
void record(Writer& writer, std::size_t size, Work work) {
  call<void>(writer, JobKind::record, size, {}, {}, std::move(work));
}

}  // namespace p2pd::store
