// chat PEER: what you type goes to the peer, what it sends is printed. Both may be away: messages wait. Ends
// at the end of its input; what is not delivered by then is delivered later by p2pd.
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include <unistd.h>

#include "p2pd_api.hpp"

using nlohmann::json;
using p2pd_api::Api;

namespace {

void subscribe(Api& api, const std::string& peer) {
  api.call("events.subscribe", {{"topics", {"message"}}, {"peers", {peer}}});
}

void chat(const std::string& peer) {
  Api api;
  std::string typed;
  // First the subscription and then the inbox: no message falls between the two.
  subscribe(api, peer);
  for (;;) {
    p2pd_api::receive(api, peer, [](const json& message) {
      std::cout << message.at("name").get<std::string>() << ": " << message.value("text", "(no text)")
                << std::endl;
      return true;
    });
    if (api.wait(STDIN_FILENO, -1) == Api::Ready::event) {
      // Whatever it says, the inbox is looked at next. After an overflow the subscription is over.
      if (api.next_event().at("type") == "overflow") subscribe(api, peer);
      continue;
    }
    char chunk[4096];
    const ssize_t count = ::read(STDIN_FILENO, chunk, sizeof(chunk));
    if (count <= 0) return;
    typed.append(chunk, static_cast<std::size_t>(count));
    for (std::size_t end = 0; (end = typed.find('\n')) != std::string::npos; typed.erase(0, end + 1))
      api.call("message.send", {{"peer", peer}, {"text", typed.substr(0, end)}});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: chat PEER\n", stderr);
    return 2;
  }
  try {
    chat(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "chat: %s\n", error.what());
    return 1;
  }
  return 0;
}
