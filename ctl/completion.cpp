#include "ctl/completion.hpp"

#include <algorithm>

namespace p2pd::ctl {
namespace {

std::vector<std::string_view> split(std::string_view text, std::string_view at) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t end = text.find(at);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + at.size());
  }
}

bool takes_value(const Command& command, std::string_view option) {
  return std::any_of(command.options.begin(), command.options.end(),
                     [&](const Option& o) { return o.name == option && !o.argument.empty(); });
}

// The operands of one way to use a command: brackets are taken off, options and their values left out.
std::vector<std::string> operands_of(const Command& command, std::string_view way) {
  std::string plain;
  std::copy_if(way.begin(), way.end(), std::back_inserter(plain),
               [](char c) { return c != '[' && c != ']'; });
  std::vector<std::string> out;
  bool value = false;
  for (std::string_view word : split(plain, " ")) {
    if (word.ends_with("...")) word.remove_suffix(3);
    if (word.empty()) continue;
    const bool option = word.size() > 1 && word.front() == '-';
    if (!option && !value) out.emplace_back(word);
    value = option && takes_value(command, word);
  }
  return out;
}

bool is_literal(std::string_view word) {
  return !word.empty() && word.front() >= 'a' && word.front() <= 'z' &&
         word.find('|') == std::string_view::npos;
}

void add(std::vector<Place>& places, Place place) {
  const auto same = std::find_if(places.begin(), places.end(), [&](const Place& p) {
    return p.before == place.before && p.first == place.first;
  });
  if (same == places.end()) {
    places.push_back(std::move(place));
    return;
  }
  Choices& into = same->choices;
  into.words.insert(into.words.end(), place.choices.words.begin(), place.choices.words.end());
  into.peers = into.peers || place.choices.peers;
  into.commands = into.commands || place.choices.commands;
  into.files = into.files || place.choices.files;
}

}  // namespace

Choices choices_of(std::string_view text) {
  Choices out;
  for (const std::string_view word : split(text, "|")) {
    if (word == "P") out.peers = true;
    if (word == "COMMAND") out.commands = true;
    if (word == "PATH" || word == "FILE") out.files = true;
    if (is_literal(word)) out.words.emplace_back(word);
  }
  return out;
}

std::vector<Place> places_of(const Command& command) {
  std::vector<Place> out;
  for (const std::string_view way : split(command.usage, " | ")) {
    const std::vector<std::string> operands = operands_of(command, way);
    for (std::size_t i = 0; i < operands.size(); ++i) {
      Place place{i, i > 0 && is_literal(operands[0]) ? operands[0] : "", choices_of(operands[i])};
      if (!place.choices.empty()) add(out, std::move(place));
    }
  }
  return out;
}

std::vector<ValuedOption> valued_options() {
  std::vector<ValuedOption> out;
  const auto take = [&](std::string_view command, std::span<const Option> options) {
    for (const Option& option : options) {
      if (!option.argument.empty())
        out.push_back({std::string(command), std::string(option.name), choices_of(option.argument)});
    }
  };
  take("", global_options());
  for (const Command& command : commands()) take(command.name, command.options);
  return out;
}

std::string single_quoted(std::string_view text, std::string_view escaped) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + "'";
}

}  // namespace p2pd::ctl
