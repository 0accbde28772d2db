// answer: a service for all peers. A message of numbers, from ask, is answered with their sum. An answer
// names its question (`reply_to`). Questions that came while this did not run are answered when it runs
// again.
#include <cstdio>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>

#include "p2pd_api.hpp"

using nlohmann::json;
using p2pd_api::Api;

namespace {

constexpr const char* kQuestion = "text/x-sum-question";
constexpr const char* kAnswer = "text/x-sum-answer";

std::string sum_of(const std::string& text) {
  std::istringstream words(text);
  long long sum = 0;
  for (long long number = 0; words >> number;) sum += number;
  return words.eof() ? std::to_string(sum) : "these are not all numbers";
}

void serve() {
  Api api;
  const json all = {{"topics", {"message"}}};
  api.call("events.subscribe", all);
  for (;;) {
    p2pd_api::receive(api, "", [&api](const json& message) {
      if (message.at("content_type") != kQuestion) return true;
      const std::string question = message.at("text");
      // Stored safely before the question is removed: it may be answered twice, but never not at all.
      api.call("message.send", {{"peer", message.at("peer")},
                                {"text", sum_of(question)},
                                {"content_type", kAnswer},
                                {"reply_to", message.at("id")}});
      std::cout << message.at("name").get<std::string>() << " asked: " << question << std::endl;
      return true;
    });
    if (api.next_event().at("type") == "overflow") api.call("events.subscribe", all);
  }
}

}  // namespace

int main() {
  try {
    serve();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "answer: %s\n", error.what());
  }
  return 1;
}
