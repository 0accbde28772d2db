// echo_server: a service `echo` for all peers, over byte streams: what comes in goes back. A connection to
// p2pd becomes the next stream that a peer opens; each stream has a thread here.
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <thread>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

#include "p2pd_api.hpp"

using p2pd_api::Api;

namespace {

void echo(p2pd_api::Stream stream) {
  std::string data = std::move(stream.early);
  if (data.empty()) data = p2pd_api::read_some(stream.socket);
  while (!data.empty() && p2pd_api::write_all(stream.socket, data)) data = p2pd_api::read_some(stream.socket);
  ::shutdown(stream.socket, SHUT_WR);  // its end goes back too
  ::close(stream.socket);
}

void serve() {
  std::cout << "listening" << std::endl;
  for (;;) {
    Api api;
    const auto opened = api.call("stream.listen", {{"service", "echo"}});
    std::cout << "a stream from " << opened.at("name").get<std::string>() << std::endl;
    std::thread(echo, api.take_stream()).detach();
  }
}

}  // namespace

int main() {
  try {
    serve();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "echo_server: %s\n", error.what());
  }
  return 1;
}
