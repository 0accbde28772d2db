#include "man/sections.hpp"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "base/service_manager.hpp"
#include "ctl/command.hpp"
#include "daemon/node.hpp"
#include "daemon/options.hpp"
#include "man/roff.hpp"
#include "relay/options.hpp"

namespace p2pd::man {
namespace {

// A row of daemon::option_table() or relay::option_table().
template <class Row>
std::string program_options(const Row& rows) {
  std::string out;
  for (const auto& row : rows) {
    out += ".TP\n" + bold("--" + std::string(row.name));
    if (!row.argument.empty()) out += " " + argument(row.argument);
    if (row.repeatable) out += " ...";
    out += "\n" + prose(row.help) + "\n";
    if (!row.default_text.empty()) out += "(default: " + literal(row.default_text) + ")\n";
  }
  return out;
}

std::string file_settings() {
  std::string out;
  for (const daemon::OptionRow& row : daemon::option_table()) {
    if (row.command_line_only) continue;
    out += ".TP\n" + bold(row.name) + " = " +
           (row.argument.empty() ? bold("on") + "|" + bold("off") : argument(row.argument)) + "\n" +
           prose(row.help) + "\n";
    if (row.repeatable) out += "(may stand on several lines)\n";
    if (!row.live) out += "[restart]\n";
    if (!row.default_text.empty()) out += "(default: " + literal(row.default_text) + ")\n";
  }
  return out;
}

std::string ctl_options(std::span<const ctl::Option> options) {
  std::string out;
  for (const ctl::Option& option : options) {
    out += ".TP\n" + bold(option.name);
    if (!option.argument.empty()) out += " " + argument(option.argument);
    out += "\n" + prose(option.help) + "\n";
  }
  return out;
}

std::string ctl_commands() {
  std::string out;
  for (const ctl::Command& command : ctl::commands()) {
    out += ".TP\n" + bold(command.name);
    if (!command.usage.empty()) out += " " + argument(command.usage);
    out += "\n" + prose(command.summary) + "\n";
    if (!command.options.empty()) out += ".RS\n" + ctl_options(command.options) + ".RE\n";
  }
  return out;
}

std::string parameters(const ipc::Method& method) {
  std::string out;
  for (const ipc::Param& param : method.params) {
    out += ".TP\n" + bold(param.name) + " (" + ipc::describe(param.type) +
           (param.presence == ipc::Presence::optional ? ", may be left out" : "") + ")\n" +
           prose(param.description) + "\n";
  }
  return out;
}

std::string describe(const ipc::Method& method) {
  std::string out = ".SS " + literal(method.name) + "\n" + prose(method.summary) + "\n";
  out += "Tier: " + std::string(to_string(method.tier)) + ".\n" + parameters(method);
  out += ".PP\nResult: " + prose(method.result) + ".\n";
  for (const ipc::ResultField& field : method.fields) {
    out += ".TP\n" + bold(field.name) + " (" + ipc::describe(field.type) + ")\n" + prose(field.description) +
           "\n";
  }
  return out;
}

// The table is made by the daemon's own code: a node that is opened in a folder of its own and never started.
std::string from_table(const std::function<std::string(const ipc::MethodTable&)>& write) {
  namespace fs = std::filesystem;
  std::string pattern = (fs::temp_directory_path() / "p2pd-manual-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  const fs::path folder = pattern;
  std::string out;
  {
    boost::asio::io_context io{1};
    daemon::Options options;
    options.state_dir = folder / "state";
    options.socket = folder / "socket";
    const base::ServiceManager nobody;
    const auto node = daemon::Node::open(io, options, {nobody, {}});
    if (node) out = write((*node)->methods());
  }
  fs::remove_all(folder);
  if (out.empty()) throw std::runtime_error("the daemon's method table cannot be had");
  return out;
}

std::string api_methods() {
  return from_table([](const ipc::MethodTable& table) {
    std::string out;
    for (const ipc::Method& method : table.methods()) out += describe(method);
    return out;
  });
}

std::string open_rpc() {
  return from_table([](const ipc::MethodTable& table) { return table.discover().dump(2) + "\n"; });
}

}  // namespace

const std::map<std::string, std::function<std::string()>, std::less<>>& sections() {
  static const std::map<std::string, std::function<std::string()>, std::less<>> all{
      {"P2PD_OPTIONS", [] { return program_options(daemon::option_table()); }},
      {"P2PD_SETTINGS", file_settings},
      {"RELAY_OPTIONS", [] { return program_options(relay::option_table()); }},
      {"CTL_OPTIONS", [] { return ctl_options(ctl::global_options()); }},
      {"CTL_COMMANDS", ctl_commands},
      {"API_METHODS", api_methods},
      {"OPEN_RPC", open_rpc},
  };
  return all;
}

}  // namespace p2pd::man
