// The command line, read against tables: which options there are, which take a value, how many operands a
// command wants. Options may stand anywhere before `--`; `-` alone is an operand. Plain values.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/exit_code.hpp"

namespace p2pd::ctl {

struct Option {
  std::string_view name;  // "--wait", "-c"
  std::string_view
      argument;  // "relay|direct", "N", empty for a switch; words with | are the only ones allowed
  std::string_view help;
  bool repeatable = false;
};

class Arguments {
 public:
  [[nodiscard]] bool has(std::string_view option) const { return options_.contains(option); }
  [[nodiscard]] std::optional<std::string> value(std::string_view option) const;
  [[nodiscard]] std::vector<std::string> values(std::string_view option) const;
  [[nodiscard]] const std::vector<std::string>& operands() const { return operands_; }
  [[nodiscard]] const std::string& operand(std::size_t index) const { return operands_.at(index); }

 private:
  friend class ArgumentReader;

  std::map<std::string, std::vector<std::string>, std::less<>> options_;
  std::vector<std::string> operands_;
};

// A whole number of at least 1, or a usage failure that names the option.
[[nodiscard]] CtlResult<long> parse_positive(std::string_view option, const std::string& text);

struct Command;

// A command line split into the program's own options and the command with its arguments.
struct CommandLine {
  const Command* command = nullptr;  // null: none was given
  Arguments global;
  Arguments arguments;
};

// Failures are of the kind usage, with the right usage in the sentence. Operands are counted unless --help is
// there.
[[nodiscard]] CtlResult<CommandLine> parse_command_line(const std::vector<std::string>& words,
                                                        std::span<const Option> global_options,
                                                        std::span<const Command> commands);

}  // namespace p2pd::ctl
