// bundle: what somebody needs who is to find out why something does not work, in one archive without secrets.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <ostream>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "ctl/anonymizer.hpp"
#include "ctl/archive.hpp"
#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

// Attempts of each peer.
constexpr int kHistory = 50;
constexpr int kMaxNames = 100;

// Each with what the daemon answered; the keys are the files' names.
struct Report {
  json about, config, log;
  std::vector<std::pair<std::string, json>> answers;
};

std::string os_name() {
  std::ifstream in("/etc/os-release");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("PRETTY_NAME=")) continue;
    line = line.substr(12);
    std::erase(line, '"');
    return line;
  }
  return "";
}

// Not the machine's name: nobody needs it.
json about(const json& hello) {
  utsname system{};
  ::uname(&system);
  return {{"made", base::to_rfc3339(base::wall_now())},
          {"p2pctl", P2PD_VERSION},
          {"p2pd", member(hello, "version")},
          {"system", os_name()},
          {"kernel", fmt::format("{} {} {}", system.sysname, system.release, system.machine)},
          {"processors", ::sysconf(_SC_NPROCESSORS_ONLN)}};
}

// Those of further methods that look only, where this daemon has them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kFurther{
    std::pair{"net.report", "netcheck.json"}, {"service.list", "services.json"}, {"file.list", "files.json"}};

CtlResult<Report> gather(Context& context) {
  Report out;
  const auto ask = [&](std::string_view method, const json& params) { return context.call(method, params); };
  const auto hello = ask("daemon.hello", {{"client", "p2pctl"}, {"version", P2PD_VERSION}});
  if (!hello) return hello.error();
  out.about = about(**hello);
  for (const auto& [method, into] : {std::pair{"daemon.config", &out.config}, {"daemon.log", &out.log}}) {
    const auto answer = ask(method, json::object());
    if (!answer) return answer.error();
    *into = **answer;
  }
  const auto status = ask("daemon.status", json::object());
  if (!status) return status.error();
  out.answers.emplace_back("status.json", **status);
  for (const json& peer : member(**status, "peers")) {
    const std::string id = member(peer, "id").get<std::string>();
    const auto history = ask("peer.history", {{"peer", id}, {"limit", kHistory}});
    // It may have been removed meanwhile.
    if (history) out.answers.emplace_back("history/" + id + ".json", **history);
  }
  const auto discovered = ask("rpc.discover", json::object());
  if (!discovered) return discovered.error();
  for (const json& method : member(**discovered, "methods")) {
    for (const auto& [name, file] : kFurther) {
      if (field(method, "name") != name) continue;
      // One that fails is not worth the others.
      if (const auto answer = ask(name, json::object())) out.answers.emplace_back(file, **answer);
    }
  }
  return out;
}

void learn(Anonymizer& anonymizer, const Report& report, Environment& environment) {
  for (const auto& [file, answer] : report.answers) anonymizer.learn(answer);
  const json& options = member(report.config, "options");
  anonymizer.learn(options);
  for (const json& server : member(options, "stun")) {
    const auto text = server.get<std::string>();
    anonymizer.learn_host(std::string_view(text).substr(0, text.rfind(':')));
  }
  for (const json& option : options) {
    if (option.is_string() && option.get_ref<const std::string&>().starts_with('/'))
      anonymizer.learn_path(option.get_ref<const std::string&>());
  }
  for (const json& file : member(report.config, "files")) anonymizer.learn_path(file.get<std::string>());
  anonymizer.learn_path(environment.variable("HOME").value_or(""));
  utsname system{};
  if (::uname(&system) == 0) anonymizer.learn_host(system.nodename);
  for (const json& record : member(report.log, "records"))
    anonymizer.learn_text(member(record, "text").get_ref<const std::string&>());
}

std::vector<ArchiveFile> to_files(const Report& report, const std::string& folder, Anonymizer* anonymizer) {
  const auto hidden = [&](const std::string& text) {
    return anonymizer == nullptr ? text : anonymizer->apply_text(text);
  };
  const auto pretty = [&](const json& value) {
    return (anonymizer == nullptr ? value : anonymizer->apply(value))
               .dump(2, ' ', false, json::error_handler_t::replace) +
           "\n";
  };
  std::vector<ArchiveFile> out;
  out.push_back({folder + "/about.json", pretty(report.about)});
  out.push_back({folder + "/config.json", pretty(report.config)});
  std::string log;
  for (const json& record : member(report.log, "records")) {
    log += fmt::format("{} {} {}\n", member(record, "time").get<std::string>(),
                       member(record, "level").get<std::string>(),
                       hidden(member(record, "text").get<std::string>()));
  }
  out.push_back({folder + "/log.txt", std::move(log)});
  for (const auto& [file, answer] : report.answers) {
    std::string name = file;
    if (const auto slash = name.find('/'); slash != std::string::npos) {
      const auto stem = name.substr(slash + 1, name.size() - slash - 6);
      name = name.substr(0, slash + 1) + hidden(stem) + ".json";
    }
    out.push_back({folder + "/" + name, pretty(answer)});
  }
  return out;
}

// Into a file that was not there before; its name.
CtlResult<std::string> write_file(const std::string& stem, const std::string& content) {
  const auto failed = [](const std::string& name, int error) {
    return Failure{ExitCode::refused, fmt::format("cannot write {}: {}", name, std::strerror(error))};
  };
  for (int number = 1; number <= kMaxNames; ++number) {
    const std::string name = stem + (number == 1 ? "" : fmt::format("-{}", number)) + ".tar.gz";
    base::Descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file && errno == EEXIST) continue;
    if (!file) return failed(name, errno);
    for (std::size_t at = 0; at < content.size();) {
      const ssize_t written = ::write(file.get(), content.data() + at, content.size() - at);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        const int error = errno;
        ::unlink(name.c_str());
        return failed(name, error);
      }
      at += static_cast<std::size_t>(written);
    }
    return name;
  }
  return failed(stem + ".tar.gz", EEXIST);
}

}  // namespace

CtlResult<ExitCode> run_bundle(Context& context, const Arguments& arguments) {
  const bool to_stdout = !arguments.operands().empty();
  if (to_stdout && arguments.operand(0) != "-")
    return Failure{ExitCode::usage, "bundle writes into the current folder, or with - to standard output"};
  if (to_stdout && context.environment().out_is_terminal)
    return Failure{ExitCode::usage, "an archive does not belong on a terminal: `p2pctl bundle - > FILE`"};
  CtlResult<Report> report = gather(context);
  if (!report) return report.error();
  Anonymizer anonymizer;
  const bool anonymous = arguments.has("--anonymize");
  if (anonymous) learn(anonymizer, *report, context.environment());
  std::string stem = "p2pd-bundle-";
  for (const char c : base::to_rfc3339(base::wall_now()).substr(0, 19)) {
    if (c != '-' && c != ':') stem.push_back(c);
  }
  const auto archive = make_archive(to_files(*report, stem, anonymous ? &anonymizer : nullptr));
  if (!archive) return Failure{ExitCode::refused, archive.error().context};
  if (to_stdout) {
    context.out() << *archive << std::flush;
    if (!context.out()) return Failure{ExitCode::refused, "standard output took only a part of the archive"};
    return ExitCode::done;
  }
  const CtlResult<std::string> name = write_file(stem, *archive);
  if (!name) return name.error();
  if (context.json()) {
    context.print_json({{"file", *name}});
  } else {
    context.out() << *name << "\n";
    if (!anonymous)
      context.err()
          << "it has peers' names, IDs and addresses, no keys and no tokens; --anonymize hides those too\n";
  }
  return ExitCode::done;
}

}  // namespace p2pd::ctl
