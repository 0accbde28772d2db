// What may be typed where, worked out of the command table, and the scripts that tell a shell so. The usage
// of a command is read as its grammar: lower-case words stand for themselves, P for a peer, COMMAND for a
// command, PATH and FILE for a file, other capitals for anything. Pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/command.hpp"

namespace p2pd::ctl {

// What a place on the command line can be completed with.
struct Choices {
  std::vector<std::string> words;
  bool peers = false;
  bool commands = false;
  bool files = false;

  [[nodiscard]] bool empty() const { return words.empty() && !peers && !commands && !files; }
};
// Of "relay|direct", "online|P", "PATH".
[[nodiscard]] Choices choices_of(std::string_view text);

// A place for an operand: so many stand before it, and the first of those is `first` (empty: anything).
struct Place {
  std::size_t before = 0;
  std::string first;
  Choices choices;
};
// Only places that have choices.
[[nodiscard]] std::vector<Place> places_of(const Command& command);

// An option that takes a value: its command (empty: every one) and what the value can be.
struct ValuedOption {
  std::string command;
  std::string name;
  Choices choices;
};
[[nodiscard]] std::vector<ValuedOption> valued_options();

// Text between single quotes; `escaped` is how the shell writes a single quote inside.
[[nodiscard]] std::string single_quoted(std::string_view text, std::string_view escaped);

[[nodiscard]] std::string bash_completion();
[[nodiscard]] std::string zsh_completion();
[[nodiscard]] std::string fish_completion();

}  // namespace p2pd::ctl
