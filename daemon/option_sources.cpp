#include "daemon/option_sources.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "base/line_file.hpp"
#include "base/log.hpp"
#include "base/nearest.hpp"
#include "daemon/folders.hpp"
#include "daemon/options.hpp"

namespace p2pd::daemon {
namespace {

namespace po = boost::program_options;
using Values = std::map<std::string, std::vector<OptionValue>, std::less<>>;
using Errors = std::vector<std::string>;

constexpr std::string_view kBlank = " \t\r";

const OptionRow* find_row(std::string_view name) {
  const auto table = option_table();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const auto& row) { return row.name == name; });
  return found == table.end() ? nullptr : &*found;
}

// The end of a sentence about a name that is no option's.
std::string meant(std::string_view name, bool in_file) {
  std::vector<std::string_view> names;
  for (const OptionRow& row : option_table()) {
    if (!in_file || !row.command_line_only) names.push_back(row.name);
  }
  return base::did_you_mean(name, names, in_file ? "" : "--");
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

void add(const OptionRow& row, OptionValue value, Values& values, Errors& errors) {
  auto& list = values[std::string(row.name)];
  if (!row.repeatable && !list.empty()) {
    errors.push_back(fmt::format("{}: '{}' is given twice, it can be given once", value.place, row.name));
    return;
  }
  list.push_back(std::move(value));
}

void replace(Values& values, Values stronger) {
  for (auto& [name, list] : stronger) values[name] = std::move(list);
}

Values read_command_line(int argc, const char* const* argv, Errors& errors) {
  po::options_description known;
  for (const OptionRow& row : option_table()) {
    auto* value = po::value<std::vector<std::string>>();
    if (row.argument.empty()) value->zero_tokens()->implicit_value({"on"}, "on");
    known.add_options()(std::string(row.name).c_str(), value);
  }
  Values values;
  const std::string place = "command line";
  try {
    const auto style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const auto parsed = po::command_line_parser(argc, argv).options(known).style(style).run();
    for (const auto& option : parsed.options) {
      const OptionRow* row = find_row(option.string_key);
      if (row == nullptr || option.position_key >= 0) {
        for (const std::string& word : option.value)
          errors.push_back(fmt::format("command line: '{}' is not an option; see p2pd --help", word));
        continue;
      }
      // A switch has no value of its own.
      if (option.value.empty()) add(*row, {"on", place}, values, errors);
      for (const std::string& text : option.value) add(*row, {text, place}, values, errors);
    }
  } catch (const po::unknown_option& error) {
    const std::string name = error.get_option_name();
    const std::string bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
    errors.push_back(fmt::format("command line: {} is not an option{}; see p2pd --help",
                                 base::log::escape(name), meant(bare.substr(0, bare.find('=')), false)));
  } catch (const po::error& error) {
    errors.push_back(fmt::format("command line: {}; see p2pd --help", error.what()));
  }
  return values;
}

Values read_environment() {
  Values values;
  for (const OptionRow& row : option_table()) {
    if (row.command_line_only && row.name != "config") continue;
    std::string name = "P2PD_";
    for (const char c : row.name) name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(c)));
    const char* text = std::getenv(name.c_str());
    if (text == nullptr) continue;
    auto& list = values[std::string(row.name)];
    if (!row.repeatable) {
      list.push_back({text, name});
      continue;
    }
    // Repeatable ones are separated by blanks.
    std::istringstream words{std::string(text)};
    for (std::string word; words >> word;) list.push_back({word, name});
  }
  return values;
}

// `name = value` a line; what is wrong with one line does not hide the next.
Values read_file(const std::filesystem::path& file, Errors& errors) {
  Values values;
  const auto lines = base::read_line_file(file.string());
  if (!lines) {
    errors.push_back(
        fmt::format("cannot read the configuration file {}: {}", file.string(), lines.error().message()));
    return values;
  }
  for (const base::LineEntry& line : *lines) {
    const std::string place = fmt::format("{}:{}", file.string(), line.line);
    const std::string_view text = line.text;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) {
      errors.push_back(fmt::format("{}: {} is not a line of the form NAME = VALUE{}", place,
                                   base::log::escape(text),
                                   text.starts_with('[') ? "; there are no sections" : ""));
      continue;
    }
    const std::string_view name = trimmed(text.substr(0, equals));
    const OptionRow* row = find_row(name);
    if (row == nullptr) {
      errors.push_back(fmt::format("{}: {} is not an option{}; p2pd --help lists them", place,
                                   base::log::escape(name), meant(name, true)));
    } else if (row->command_line_only) {
      errors.push_back(fmt::format("{}: '{}' belongs on the command line", place, name));
    } else {
      add(*row, {std::string(trimmed(text.substr(equals + 1))), place}, values, errors);
    }
  }
  return values;
}

std::optional<std::string> named_file(const OptionSources& sources, const Values& environment) {
  for (const Values* values : {&sources.command_line, &environment}) {
    const auto found = values->find("config");
    if (found != values->end() && !found->second.front().text.empty()) return found->second.front().text;
  }
  return std::nullopt;
}

}  // namespace

OptionSources read_option_sources(int argc, const char* const* argv) {
  OptionSources out;
  out.command_line = read_command_line(argc, argv, out.errors);
  Values environment = read_environment();
  auto files = config_files(named_file(out, environment));
  if (files) {
    out.files = std::move(*files);
  } else {
    out.errors.push_back(files.error().message());
  }
  for (const auto& file : out.files) replace(out.values, read_file(file, out.errors));
  replace(out.values, std::move(environment));
  replace(out.values, out.command_line);
  return out;
}

}  // namespace p2pd::daemon
