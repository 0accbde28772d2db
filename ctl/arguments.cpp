#include "ctl/arguments.hpp"

#include <algorithm>
#include <charconv>

#include "base/nearest.hpp"
#include "ctl/command.hpp"
#include "ctl/text.hpp"

namespace p2pd::ctl {
namespace {

Failure usage(std::string message) { return {ExitCode::usage, std::move(message)}; }

std::string usage_of(const Command& command) {
  std::string out = "usage: p2pctl " + std::string(command.name);
  if (!command.usage.empty()) out.append(" ").append(command.usage);
  return out;
}

const Option* find_option(std::span<const Option> options, std::string_view name) {
  const auto found =
      std::find_if(options.begin(), options.end(), [&](const Option& o) { return o.name == name; });
  return found == options.end() ? nullptr : &*found;
}

// "relay|direct" allows these words; anything without a | allows all.
bool allowed(std::string_view choices, std::string_view value) {
  if (choices.find('|') == std::string_view::npos) return true;
  while (!choices.empty()) {
    const std::size_t bar = std::min(choices.find('|'), choices.size());
    if (choices.substr(0, bar) == value) return true;
    choices.remove_prefix(std::min(bar + 1, choices.size()));
  }
  return false;
}

}  // namespace

std::optional<std::string> Arguments::value(std::string_view option) const {
  const auto found = options_.find(option);
  if (found == options_.end()) return std::nullopt;
  return found->second.back();
}

std::vector<std::string> Arguments::values(std::string_view option) const {
  const auto found = options_.find(option);
  return found == options_.end() ? std::vector<std::string>() : found->second;
}

CtlResult<long> parse_positive(std::string_view option, const std::string& text) {
  long value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < 1) {
    return usage(std::string(option) + " takes a whole number of at least 1, not '" + escape_line(text) +
                 "'");
  }
  return value;
}

class ArgumentReader {
 public:
  ArgumentReader(const std::vector<std::string>& words, std::span<const Option> global_options,
                 std::span<const Command> commands)
      : words_(words), global_options_(global_options), commands_(commands) {}

  CtlResult<CommandLine> read() {
    bool options_over = false;
    while (next_ < words_.size()) {
      const std::string& word = words_[next_++];
      if (!options_over && word == "--") {
        options_over = true;
        continue;
      }
      const bool is_option = !options_over && word.size() > 1 && word.front() == '-';
      const CtlResult<void> taken = is_option ? take_option(word) : take_operand(word);
      if (!taken) return taken.error();
    }
    const CtlResult<void> counted = count_operands();
    if (!counted) return counted.error();
    return std::move(line_);
  }

 private:
  CtlResult<void> take_option(const std::string& word) {
    const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    const std::string name = word.substr(0, equals);
    Arguments* into = &line_.global;
    const Option* option = find_option(global_options_, name);
    if (option == nullptr && line_.command != nullptr) {
      into = &line_.arguments;
      option = find_option(line_.command->options, name);
    }
    if (option == nullptr) return unknown_option(name);
    std::string value;
    if (option->argument.empty()) {
      if (equals != std::string::npos) return usage("the option " + name + " takes no value");
    } else if (equals != std::string::npos) {
      value = word.substr(equals + 1);
    } else if (next_ < words_.size()) {
      value = words_[next_++];
    } else {
      return usage("the option " + name + " needs a value: " + name + " " + std::string(option->argument));
    }
    if (!allowed(option->argument, value)) {
      return usage("the option " + name + " can be " + std::string(option->argument) + ", not '" +
                   escape_line(value) + "'");
    }
    std::vector<std::string>& values = into->options_[name];
    if (!values.empty() && !option->repeatable && !option->argument.empty()) {
      return usage("the option " + name + " is given twice: give it once");
    }
    values.push_back(std::move(value));
    return {};
  }

  [[nodiscard]] Failure unknown_option(const std::string& name) const {
    std::vector<std::string_view> known;
    for (const Option& option : global_options_) known.push_back(option.name);
    if (line_.command == nullptr) {
      return usage("there is no option " + escape_line(name) + base::did_you_mean(name, known) +
                   ": try `p2pctl help`");
    }
    for (const Option& option : line_.command->options) known.push_back(option.name);
    return usage(std::string(line_.command->name) + " has no option " + escape_line(name) +
                 base::did_you_mean(name, known) + " (to give it as text, put -- before it); " +
                 usage_of(*line_.command));
  }

  CtlResult<void> take_operand(const std::string& word) {
    if (line_.command != nullptr) {
      line_.arguments.operands_.push_back(word);
      return {};
    }
    const auto found =
        std::find_if(commands_.begin(), commands_.end(), [&](const Command& c) { return c.name == word; });
    if (found == commands_.end()) {
      std::vector<std::string_view> known;
      for (const Command& command : commands_) known.push_back(command.name);
      return usage("there is no command '" + escape_line(word) + "'" + base::did_you_mean(word, known) +
                   ": `p2pctl help` lists all");
    }
    line_.command = &*found;
    return {};
  }

  [[nodiscard]] CtlResult<void> count_operands() const {
    if (line_.command == nullptr || line_.global.has("--help") || line_.global.has("-h")) return {};
    const std::size_t count = line_.arguments.operands().size();
    if (count < line_.command->min_operands) {
      return usage(std::string(line_.command->name) + " needs more than that; " + usage_of(*line_.command));
    }
    if (count > line_.command->max_operands) {
      return usage(std::string(line_.command->name) + " takes less than that (quote text with blanks); " +
                   usage_of(*line_.command));
    }
    return {};
  }

  const std::vector<std::string>& words_;
  const std::span<const Option> global_options_;
  const std::span<const Command> commands_;
  std::size_t next_ = 0;
  CommandLine line_;
};

CtlResult<CommandLine> parse_command_line(const std::vector<std::string>& words,
                                          std::span<const Option> global_options,
                                          std::span<const Command> commands) {
  return ArgumentReader(words, global_options, commands).read();
}

}  // namespace p2pd::ctl
