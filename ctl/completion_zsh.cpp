// The script for zsh: commands and options with what they do.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ctl/completion.hpp"

namespace p2pd::ctl {
namespace {

constexpr std::string_view kZshHead = R"script(#compdef p2pctl

_p2pctl_peers() {
  local names
  local -a peers
  names=$(p2pctl $connection --timeout 3 --json peer list 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d'"' -f4)
  peers=(${(f)names})
  compadd -a peers
}

_p2pctl() {
  local command= first= value= word
  local -i count=0 i
  local -a connection all options
)script";
constexpr std::string_view kWalk = R"script(
  for ((i = 2; i < CURRENT; ++i)); do
    word=$words[i]
    if [[ -n $value ]]; then
      [[ $value == --socket ]] && connection=(--socket $word)
      value=
      continue
    fi
    case "$command $word" in
      VALUED_OPTIONS) value=$word ;;
      *" -"?*) ;;
      " "*) command=$word ;;
      *)
        ((count++ == 0)) && first=$word
        ;;
    esac
  done
  # --option=value is one word here.
  if [[ -z $value && $PREFIX == --*=* ]]; then
    value=${PREFIX%%=*}
    compset -P '*='
  fi

  if [[ -n $value ]]; then
    case "$command $value" in
)script";
constexpr std::string_view kZshOptions = R"script(    esac
  elif [[ $PREFIX == -* ]]; then
    case $command in
)script";
constexpr std::string_view kZshPlaces = R"script(    esac
    _describe -o 'option' options
  else
    case "$command $count $first" in
)script";
constexpr std::string_view kZshTail = R"script(    esac
  fi
}

_p2pctl "$@"
)script";

// 'name:what it does'
std::string described(std::string_view name, std::string_view help) {
  return " " + single_quoted(std::string(name) + ":" + std::string(help), "'\\''");
}

std::string described(std::span<const Option> options) {
  std::string out;
  for (const Option& option : options) out += described(option.name, option.help);
  return out;
}

std::string zsh_branch(const std::string& pattern, const Choices& choices) {
  std::string out = "      " + pattern + ")";
  if (!choices.words.empty()) out += fmt::format(" compadd {};", fmt::join(choices.words, " "));
  if (choices.commands) out += " _describe 'command' all;";
  if (choices.peers) out += " _p2pctl_peers;";
  if (choices.files) out += " _files;";
  return out + ";\n";
}

}  // namespace

std::string zsh_completion() {
  std::vector<std::string> patterns;
  std::string all;
  std::string values;
  std::string options;
  std::string places = zsh_branch("\" 0 \"", Choices{{}, false, true, false});
  for (const ValuedOption& option : valued_options()) {
    patterns.push_back(option.command.empty() ? fmt::format("*\" {}\"", option.name)
                                              : fmt::format("\"{} {}\"", option.command, option.name));
    if (!option.choices.empty()) values += zsh_branch(patterns.back(), option.choices);
  }
  for (const Command& command : commands()) {
    all += described(command.name, command.summary);
    if (!command.options.empty())
      options += fmt::format("      {}) options+=({}) ;;\n", command.name, described(command.options));
    for (const Place& place : places_of(command)) {
      places += zsh_branch(fmt::format("\"{} {} {}\"{}", command.name, place.before, place.first,
                                       place.first.empty() ? "*" : ""),
                           place.choices);
    }
  }
  std::string walk(kWalk);
  constexpr std::string_view kName = "VALUED_OPTIONS";
  walk.replace(walk.find(kName), kName.size(), fmt::format("{}", fmt::join(patterns, " | ")));
  return std::string(kZshHead) + "  all=(" + all + ")\n  options=(" + described(global_options()) + ")\n" +
         walk + values + std::string(kZshOptions) + options + std::string(kZshPlaces) + places +
         std::string(kZshTail);
}

}  // namespace p2pd::ctl
