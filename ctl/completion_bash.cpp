// The script for bash. It needs nothing but bash: the words before the cursor are gone through once, then
// tables made from ours say what may come.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ctl/completion.hpp"

namespace p2pd::ctl {
namespace {

constexpr std::string_view kBashHead = R"script(# bash completion for p2pctl

_p2pctl_peers() {
  p2pctl "${connection[@]}" --timeout 3 --json peer list 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d'"' -f4
}

_p2pctl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  # bash takes --option=value apart.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD-2]}
  fi

  local command= first= value= word i
  local -i count=0
  local -a connection=() choices=() options=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    [[ $word == = ]] && continue
    if [[ $value ]]; then
      [[ $value == --socket ]] && connection=(--socket "$word")
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

  local files=
  COMPREPLY=()
  if [[ $value ]]; then
    case "$command $previous" in
)script";
constexpr std::string_view kBashOptions = R"script(    esac
  elif [[ $current == -* ]]; then
    case $command in
)script";
constexpr std::string_view kBashPlaces = R"script(    esac
    choices+=(GLOBAL_OPTIONS)
  else
    case "$command $count $first" in
)script";
constexpr std::string_view kBashTail = R"script(    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "${choices[*]}" -- "$current")
  if [[ $files ]]; then
    compopt -o filenames
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
  fi
}

complete -F _p2pctl p2pctl
)script";

void replace(std::string& text, std::string_view name, const std::string& value) {
  text.replace(text.find(name), name.size(), value);
}

std::vector<std::string_view> command_names() {
  std::vector<std::string_view> out;
  for (const Command& command : commands()) out.push_back(command.name);
  return out;
}

std::vector<std::string_view> option_names(std::span<const Option> options) {
  std::vector<std::string_view> out;
  for (const Option& option : options) out.push_back(option.name);
  return out;
}

std::string bash_branch(const std::string& pattern, const Choices& choices) {
  std::string words = fmt::format("{}", fmt::join(choices.words, " "));
  if (choices.commands) words += fmt::format("{}", fmt::join(command_names(), " "));
  std::string out = "      " + pattern + ")";
  if (!words.empty()) out += " choices+=(" + words + ");";
  if (choices.peers) out += " choices+=($(_p2pctl_peers));";
  if (choices.files) out += " files=1;";
  return out + ";\n";
}

}  // namespace

std::string bash_completion() {
  std::vector<std::string> patterns;
  std::string values;
  std::string options;
  std::string places = bash_branch("\" 0 \"", Choices{{}, false, true, false});
  for (const ValuedOption& option : valued_options()) {
    patterns.push_back(option.command.empty() ? fmt::format("*\" {}\"", option.name)
                                              : fmt::format("\"{} {}\"", option.command, option.name));
    if (!option.choices.empty()) values += bash_branch(patterns.back(), option.choices);
  }
  for (const Command& command : commands()) {
    if (!command.options.empty()) {
      options += fmt::format("      {}) options=({}) ;;\n", command.name,
                             fmt::join(option_names(command.options), " "));
    }
    for (const Place& place : places_of(command)) {
      places += bash_branch(fmt::format("\"{} {} {}\"{}", command.name, place.before, place.first,
                                        place.first.empty() ? "*" : ""),
                            place.choices);
    }
  }
  std::string out(kBashHead);
  replace(out, "VALUED_OPTIONS", fmt::format("{}", fmt::join(patterns, " | ")));
  out += values;
  out += kBashOptions;
  out += options;
  out += kBashPlaces;
  replace(out, "GLOBAL_OPTIONS",
          "\"${options[@]}\" " + fmt::format("{}", fmt::join(option_names(global_options()), " ")));
  out += places;
  return out + std::string(kBashTail);
}

}  // namespace p2pd::ctl
