// echo_client PEER: sends its input over a byte stream to echo_server at the peer, and prints what comes
// back.
#include <cstdio>
#include <exception>
#include <string>
#include <thread>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

#include "p2pd_api.hpp"

using p2pd_api::Api;

namespace {

void talk(const std::string& peer) {
  Api api;
  api.call("stream.open", {{"peer", peer}, {"service", "echo"}});
  p2pd_api::Stream stream = api.take_stream();
  std::thread sender([socket = stream.socket] {
    for (std::string data = p2pd_api::read_some(STDIN_FILENO); !data.empty();
         data = p2pd_api::read_some(STDIN_FILENO)) {
      if (!p2pd_api::write_all(socket, data)) break;
    }
    ::shutdown(socket, SHUT_WR);  // no more from here; what is on its way back still comes
  });
  std::string data = std::move(stream.early);
  if (data.empty()) data = p2pd_api::read_some(stream.socket);
  for (; !data.empty(); data = p2pd_api::read_some(stream.socket))
    std::fwrite(data.data(), 1, data.size(), stdout);
  std::fflush(stdout);
  sender.detach();  // it may wait for input that nobody wants any more
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: echo_client PEER\n", stderr);
    return 2;
  }
  try {
    talk(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "echo_client: %s\n", error.what());
    return 1;
  }
  return 0;
}
