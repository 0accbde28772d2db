// An ipc::Server on a thread of its own and a socket in a new temporary folder, with whatever methods a test
// puts into its table. Started by the constructor; stopped, joined and removed by the destructor.
#pragma once

#include <functional>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include "ipc/server.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace p2pd::fakes {

class ApiServer {
 public:
  explicit ApiServer(const std::function<void(ipc::MethodTable&)>& add_methods,
                     ipc::ServerOptions options = {})
      : table_("test", "1.2.3") {
    add_methods(table_);
    options.path = path();
    server_ = std::make_unique<ipc::Server>(io_.get_executor(), table_, std::move(options));
    const auto started = server_->start();
    if (!started) throw std::runtime_error(started.error().message());
    thread_ = std::thread([this] { io_.run(); });
  }
  ~ApiServer() {
    stop();
    work_.reset();
    thread_.join();
  }
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  [[nodiscard]] std::string path() const { return folder_ / "p2pd.sock"; }
  [[nodiscard]] boost::asio::any_io_executor executor() { return io_.get_executor(); }

  void stop() {
    if (std::exchange(stopped_, true)) return;
    boost::asio::co_spawn(io_, server_->stop(), boost::asio::use_future).get();
  }

  // Runs `action` on the server's thread and waits for it.
  void run(const std::function<void()>& action) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      action();
      done.set_value();
    });
    done.get_future().wait();
  }

  [[nodiscard]] std::size_t clients() {
    std::size_t count = 0;
    run([&] { count = server_->clients(); });
    return count;
  }

 private:
  TempFolder folder_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  ipc::MethodTable table_;
  std::unique_ptr<ipc::Server> server_;
  std::thread thread_;
  bool stopped_ = false;
};

}  // namespace p2pd::fakes
