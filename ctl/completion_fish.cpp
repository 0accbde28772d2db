// The script for fish: one `complete` a command, option and place.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ctl/completion.hpp"

namespace p2pd::ctl {
namespace {

constexpr std::string_view kFishHead = R"script(# fish completion for p2pctl

# Where the cursor is: the command, how many operands stand before it, the first of them.
function __p2pctl_place
  set -l command ''
  set -l first ''
  set -l count 0
  set -l value ''
  for word in (commandline -opc)[2..-1]
    if test -n "$value"
      set value ''
      continue
    end
    switch "$command $word"
      case VALUED_OPTIONS
        set value $word
      case '* -*'
      case ' *'
        set command $word
      case '*'
        test $count -eq 0; and set first $word
        set count (math $count + 1)
    end
  end
  echo "$command $count $first"
end

function __p2pctl_at
  string match -q -- $argv[1] (__p2pctl_place)
end

function __p2pctl_peers
  set -l connection
  set -l words (commandline -opc)
  if set -l at (contains -i -- --socket $words)
    set connection --socket $words[(math $at + 1)]
  end
  p2pctl $connection --timeout 3 --json peer list 2>/dev/null | string match -ar '"name":"[^"]*"' | string replace -r '.*:"(.*)"' '$1'
end

complete -c p2pctl -f
)script";

std::string fish_quoted(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped += c == '\\' ? std::string("\\\\") : std::string(1, c);
  return single_quoted(escaped, "\\'");
}

// The -a and -F of what can be typed.
std::string offered(const Choices& choices) {
  std::string out;
  std::string list = fmt::format("{}", fmt::join(choices.words, " "));
  if (choices.commands) {
    for (const Command& command : commands()) list += fmt::format(" {}", command.name);
  }
  if (choices.peers) list += " (__p2pctl_peers)";
  if (!list.empty()) out += " -a " + fish_quoted(list);
  if (choices.files) out += " -F";
  return out;
}

std::string complete(const Option& option, const std::string& condition) {
  std::string out = "complete -c p2pctl" + condition;
  const std::string_view name = option.name;
  out +=
      name.starts_with("--") ? fmt::format(" -l {}", name.substr(2)) : fmt::format(" -s {}", name.substr(1));
  if (!option.argument.empty()) {
    const Choices choices = choices_of(option.argument);
    out += (choices.files ? " -r" : " -x") + offered(choices);
  }
  return out + " -d " + fish_quoted(option.help) + "\n";
}

}  // namespace

std::string fish_completion() {
  std::vector<std::string> patterns;
  for (const ValuedOption& option : valued_options())
    patterns.push_back(fmt::format("'{} {}'", option.command.empty() ? "*" : option.command, option.name));
  std::string rows;
  for (const Option& option : global_options()) rows += complete(option, "");
  for (const Command& command : commands()) {
    rows += fmt::format("complete -c p2pctl -n '__p2pctl_at \" 0 \"' -a {} -d {}\n", command.name,
                        fish_quoted(command.summary));
    for (const Option& option : command.options)
      rows += complete(option, fmt::format(" -n '__p2pctl_at \"{} *\"'", command.name));
    for (const Place& place : places_of(command)) {
      rows += fmt::format("complete -c p2pctl -n '__p2pctl_at \"{} {} {}\"'", command.name, place.before,
                          place.first.empty() ? "*" : place.first) +
              offered(place.choices) + "\n";
    }
  }
  std::string out(kFishHead);
  constexpr std::string_view kName = "VALUED_OPTIONS";
  out.replace(out.find(kName), kName.size(), fmt::format("{}", fmt::join(patterns, " ")));
  return out + rows;
}

}  // namespace p2pd::ctl
