// Takes out of a report what says who and where: peer IDs, names, addresses, host names and paths become
// placeholders, the same one for the same thing everywhere (peer-1, addr-3-v4-private, host-2, path-1), so
// that the report still shows what happened. First learn() everything that will be written, then apply() it.
// A plain object, one thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace p2pd::ctl {

class Anonymizer {
 public:
  // Names under the keys of the API (`name`), IDs, and the hosts of URLs, wherever they stand.
  void learn(const nlohmann::json& value);
  void learn_text(std::string_view text);
  // What nothing but its meaning gives away; empty text is left alone.
  void learn_host(std::string_view name);
  void learn_path(std::string_view path);

  [[nodiscard]] nlohmann::json apply(const nlohmann::json& value);
  [[nodiscard]] std::string apply_text(std::string_view text);

 private:
  const std::string& placeholder(std::string_view kind, const std::string& of, std::string_view ending = "");
  void learn_peer(std::string_view id);
  void learn_name(std::string_view name, std::string_view id);
  [[nodiscard]] std::string without_paths(std::string_view text);
  [[nodiscard]] std::string without_words(std::string_view text);
  [[nodiscard]] std::string word(const std::string& word, bool after_identity_key);
  // Empty: it is none.
  [[nodiscard]] std::string address(const std::string& text);

  std::map<std::string, std::string, std::less<>> words_;     // whole words that are known
  std::map<std::string, std::string, std::less<>> literals_;  // known text with blanks in it, anywhere
  std::map<std::string, std::size_t, std::less<>> counts_;    // by kind
};

}  // namespace p2pd::ctl
