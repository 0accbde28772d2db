// ask PEER NUMBER...: asks `answer` at the peer for the sum and prints it. Waits for as long as it takes.
#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>
#include <string>

#include "p2pd_api.hpp"

using nlohmann::json;
using p2pd_api::Api;

namespace {

std::string ask(const std::string& peer, const std::string& numbers) {
  Api api;
  const json news = {{"topics", {"message"}}, {"peers", {peer}}};
  api.call("events.subscribe", news);
  const json question =
      api.call("message.send", {{"peer", peer}, {"text", numbers}, {"content_type", "text/x-sum-question"}})
          .at("id");
  std::optional<std::string> answer;
  for (;;) {
    p2pd_api::receive(api, peer, [&](const json& message) {
      if (message.at("reply_to") == question) answer = message.at("text").get<std::string>();
      return !answer;
    });
    if (answer) return *answer;
    if (api.next_event().at("type") == "overflow") api.call("events.subscribe", news);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: ask PEER NUMBER...\n", stderr);
    return 2;
  }
  std::string numbers = argv[2];
  for (int i = 3; i < argc; ++i) numbers += std::string(" ") + argv[i];
  try {
    std::cout << ask(argv[1], numbers) << "\n";
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ask: %s\n", error.what());
    return 1;
  }
  return 0;
}
