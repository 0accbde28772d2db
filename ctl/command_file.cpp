// send --file, file: transfers. The daemon does the work, and goes on without us; we pass the open file, show
// how it goes, and pass it again when the daemon was restarted.
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <istream>
#include <ostream>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.hpp"
#include "base/utf8.hpp"
#include "ctl/command.hpp"
#include "ctl/progress_bar.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

// A daemon that is restarted is back in far less.
constexpr base::Duration kDaemonGone = std::chrono::minutes(5);
constexpr base::Duration kRetry = std::chrono::milliseconds(200);
constexpr std::size_t kSpool = 256 * 1024;

Failure system_failure(const std::string& doing) {
  return {ExitCode::refused, doing + ": " + std::strerror(errno)};
}

CtlResult<base::Descriptor> open_file(const std::string& path) {
  if (path.empty())
    return Failure{ExitCode::usage, "--file needs the path of a file, or - for standard input"};
  // Not blocking: a FIFO without a writer would hold us here.
  base::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file && errno == ENXIO)
    return Failure{ExitCode::refused, escape_line(path) + " is not a regular file"};
  if (!file) return system_failure("cannot open " + escape_line(path));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_failure("cannot use " + escape_line(path));
  if (S_ISDIR(info.st_mode)) {
    return Failure{ExitCode::refused, escape_line(path) + " is a folder: pack it, as in `tar -c " +
                                          escape_line(path) + " | p2pctl send P --file - --name x.tar`"};
  }
  if (!S_ISREG(info.st_mode)) {
    return Failure{ExitCode::refused,
                   escape_line(path) +
                       " is not a regular file: to send what comes out of it, use --file - < " +
                       escape_line(path)};
  }
  return file;
}

// Standard input as a file without a name, so that any part of it can be sent again. It ends with its last
// user: the daemon, which goes on when we are killed.
CtlResult<base::Descriptor> spool(Context& context) {
  std::string folder = context.environment().variable("TMPDIR").value_or("");
  if (folder.empty()) folder = "/var/tmp";
  std::string path = folder + "/p2pctl-XXXXXX";
  base::Descriptor file(::mkostemp(path.data(), O_CLOEXEC));
  if (!file) return system_failure("cannot keep standard input in " + escape_line(folder) + " (see TMPDIR)");
  ::unlink(path.c_str());
  std::string buffer(kSpool, '\0');
  std::istream& in = context.environment().in;
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const auto count = static_cast<std::size_t>(in.gcount());
    for (std::size_t done = 0; done < count;) {
      const ssize_t wrote = ::write(file.get(), buffer.data() + done, count - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return system_failure("cannot keep standard input in " + escape_line(folder));
      done += static_cast<std::size_t>(wrote);
    }
  }
  if (in.bad()) return Failure{ExitCode::refused, "standard input cannot be read"};
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(file.get(), 0666 & ~mask);
  return file;
}

class FileSending {
 public:
  FileSending(Context& context, base::Descriptor file, json params)
      : context_(context),
        file_(std::move(file)),
        peer_(params.at("peer").get<std::string>()),
        params_(std::move(params)),
        bar_(context.err(), context.environment().err_is_terminal && !context.json()) {}

  // The transfer as it ended.
  CtlResult<json> run() {
    for (;;) {
      CtlResult<json> transfer = begin();
      if (transfer && !is_over(*transfer)) transfer = follow();
      if (transfer || transfer.error().code != ExitCode::no_daemon) return transfer;
      bar_.clear();
      const CtlResult<void> back = wait_for_daemon();
      if (!back) return back.error();
    }
  }

 private:
  static bool is_over(const json& transfer) {
    const json& state = member(transfer, "state");
    return state == "done" || state == "failed" || state == "cancelled";
  }

  // Subscribed first, so that nothing happens unseen.
  CtlResult<json> begin() {
    const CtlResult<void> subscribed = context_.subscribe({"file"}, peer_);
    if (!subscribed) return subscribed.error();
    json params = params_;
    if (!id_.empty()) params["id"] = id_;
    const CtlResult<JsonPtr> sent = context_.call("file.send", params, {}, file_.get());
    if (!sent) return sent.error();
    const json& transfer = **sent;
    if (id_.empty()) {
      id_ = member(transfer, "id").get<std::string>();
      if (!context_.json()) context_.out() << id_ << "\n" << std::flush;
    }
    bar_.draw(progress_line(transfer));
    return transfer;
  }

  CtlResult<json> follow() {
    for (;;) {
      const CtlResult<JsonPtr> event = context_.next_event(context_.end());
      if (!event && event.error().code == ExitCode::timeout) {
        bar_.clear();
        return Failure{ExitCode::timeout,
                       "not there in time; the transfer goes on, see `p2pctl file`, or end it "
                       "with `p2pctl file cancel " +
                           id_ + "`"};
      }
      if (!event) return event.error();
      const json& told = **event;
      if (member(told, "type") == "overflow") {
        CtlResult<json> transfer = begin();
        if (!transfer || is_over(*transfer)) return transfer;
      }
      if (member(told, "topic") != "file" || member(told, "id") != id_) continue;
      if (is_over(told)) {
        bar_.clear();
        return without_envelope(told);
      }
      bar_.draw(progress_line(told));
    }
  }

  static json without_envelope(json event) {
    for (const char* key : {"subscription", "seq", "time", "topic", "type"}) event.erase(key);
    return event;
  }

  CtlResult<void> wait_for_daemon() {
    context_.err() << "p2pd went away; waiting for it to come back\n" << std::flush;
    const base::TimePoint until = std::min(context_.end(), base::Clock::now() + kDaemonGone);
    for (;;) {
      context_.disconnect();
      const CtlResult<JsonPtr> there = context_.call("daemon.hello", json::object());
      if (there) return {};
      if (there.error().code != ExitCode::no_daemon || base::Clock::now() >= until) {
        return Failure{
            there.error().code,
            there.error().message + "; when it runs again, the same command goes on with this transfer"};
      }
      context_.environment().pause(kRetry);
    }
  }

  Context& context_;
  const base::Descriptor file_;
  const std::string peer_;
  const json params_;
  ProgressBar bar_;
  std::string id_;
};

std::string percent(const json& transfer) {
  const json& size = member(transfer, "size");
  const json& bytes = member(transfer, "bytes");
  if (!size.is_number() || !bytes.is_number()) return "-";
  const double whole = size.get<double>();
  return std::to_string(whole > 0 ? static_cast<int>(100 * bytes.get<double>() / whole) : 100) + " %";
}

CtlResult<ExitCode> list_transfers(Context& context, bool all) {
  const CtlResult<JsonPtr> result = context.call("file.list", {{"all", all}});
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
    return ExitCode::done;
  }
  std::vector<std::vector<std::string>> rows{{"ID", "PEER", "FILE", "SIZE", "THERE", "RATE", "STATE"}};
  for (const json& transfer : member(**result, "files")) {
    const json& name = member(transfer, "name");
    const bool out = member(transfer, "direction") == "out";
    const json& rate = member(transfer, "rate");
    const json& reason = member(transfer, "reason");
    rows.push_back({field(transfer, "id"),
                    (out ? "to " : "from ") + (name.is_string() ? word(name) : field(transfer, "peer")),
                    field(transfer, "file"), format_bytes(member(transfer, "size")), percent(transfer),
                    rate.is_number() ? format_bytes(rate) + "/s" : "-",
                    field(transfer, "state") + (reason.is_string() ? ": " + word(reason) : "")});
  }
  if (rows.size() == 1) {
    context.err() << "no file is under way\n";
  } else {
    print_table(context.out(), rows, context.paint());
  }
  return ExitCode::done;
}

CtlResult<ExitCode> cancel_transfer(Context& context, const std::string& id) {
  const CtlResult<JsonPtr> result = context.call("file.cancel", {{"id", id}});
  if (!result) return result.error();
  return context.done(**result, "cancelled " + escape_line(id));
}

}  // namespace

CtlResult<ExitCode> run_send_file(Context& context, const Arguments& arguments) {
  if (arguments.operands().size() != 1) {
    return Failure{ExitCode::usage,
                   "usage: p2pctl send P --file PATH|- (a message and a file are two commands)"};
  }
  const std::string path = *arguments.value("--file");
  const bool standard_input = path == "-";
  std::string name = standard_input ? "stdin" : std::filesystem::path(path).filename().string();
  if (arguments.has("--name")) name = *arguments.value("--name");
  if (!base::is_utf8(name)) {
    return Failure{ExitCode::refused,
                   "the name " + escape_line(name) + " is not UTF-8: give another one with --name"};
  }
  // Before anything is read: a daemon that is not there, a peer that is not known.
  const std::string& peer = arguments.operand(0);
  if (const CtlResult<JsonPtr> known = context.call("peer.status", {{"peer", peer}}); !known) {
    return known.error();
  }
  CtlResult<base::Descriptor> file = standard_input ? spool(context) : open_file(path);
  if (!file) return file.error();
  // Standard input may have taken longer than p2pd keeps an idle connection.
  if (standard_input) context.disconnect();
  json params = {{"peer", peer}, {"name", name}, {"resume", true}};
  if (arguments.has("--no-direct")) params["direct"] = false;
  FileSending sending(context, std::move(*file), std::move(params));
  const CtlResult<json> transfer = sending.run();
  if (!transfer) return transfer.error();
  if (context.json()) context.print_json(*transfer);
  const json acknowledged = {{"id", member(*transfer, "id")}};
  if (member(*transfer, "state") != "done") {
    const json& why = member(*transfer, "explanation");
    return Failure{ExitCode::refused, escape_line(name) + " was not sent: " +
                                          (why.is_string() ? word(why) : field(*transfer, "reason"))};
  }
  if (!context.json()) {
    context.err() << escape_line(peer) << " has it as " << field(*transfer, "stored_as") << "\n";
  }
  // Only now that the user was told: run again after a kill, this command must not send the file twice.
  (void)context.call("file.ack", acknowledged);
  return ExitCode::done;
}

CtlResult<ExitCode> run_file(Context& context, const Arguments& arguments) {
  const std::vector<std::string>& operands = arguments.operands();
  if (operands.empty() || (operands[0] == "list" && operands.size() == 1)) {
    return list_transfers(context, arguments.has("--all"));
  }
  if (operands[0] == "cancel" && operands.size() == 2) return cancel_transfer(context, operands[1]);
  return Failure{ExitCode::usage, "usage: p2pctl file [list [--all] | cancel ID]"};
}

}  // namespace p2pd::ctl
