// invite, accept: pairing two machines by a ticket.
#include <charconv>
#include <istream>
#include <ostream>

#include <nlohmann/json.hpp>

#include "base/utf8.hpp"
#include "ctl/command.hpp"
#include "ctl/qr.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

// Longer than any ticket: the rest of the input is not of interest.
constexpr std::size_t kMaxLine = 4096;

Failure usage(std::string message) { return {ExitCode::usage, std::move(message)}; }

// "90s", "10m", "2h", "7d" as milliseconds.
CtlResult<std::int64_t> parse_lifetime(const std::string& text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  std::int64_t unit = 0;
  if (end - stop == 1) {
    if (*stop == 's') unit = 1'000;
    if (*stop == 'm') unit = 60'000;
    if (*stop == 'h') unit = 3'600'000;
    if (*stop == 'd') unit = 86'400'000;
  }
  if (error != std::errc() || unit == 0 || value < 1 || value > 2'592'000'000 / unit) {
    return usage("--expires takes a number and its unit, from 1s to 30d (90s, 10m, 2h, 7d), not '" +
                 escape_line(text) + "'");
  }
  return value * unit;
}

CtlResult<ExitCode> create(Context& context, const Arguments& arguments) {
  json params = json::object();
  if (const auto name = arguments.value("--name")) params["name"] = *name;
  if (const auto expires = arguments.value("--expires")) {
    const CtlResult<std::int64_t> lifetime = parse_lifetime(*expires);
    if (!lifetime) return lifetime.error();
    params["expires_ms"] = *lifetime;
  }
  const CtlResult<JsonPtr> result = context.call("invite.create", params);
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
    return ExitCode::done;
  }
  const std::string ticket = field(**result, "ticket");
  context.out() << ticket << "\n" << std::flush;
  if (arguments.has("--qr")) {
    const auto code = draw_qr(ticket, context.paint().enabled());
    if (!code) return Failure{ExitCode::refused, "the ticket does not fit a QR code: pass on the text"};
    context.err() << *code;
  }
  context.err() << "until " << field(**result, "expires")
                << " the one machine that accepts this ticket becomes a peer: there, type `p2pctl accept -` "
                   "and paste it\n";
  return ExitCode::done;
}

CtlResult<ExitCode> list_invitations(Context& context) {
  const CtlResult<JsonPtr> result = context.call("invite.list", json::object());
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
    return ExitCode::done;
  }
  std::vector<std::vector<std::string>> rows{{"ID", "STATE", "NAME", "EXPIRES", "USED BY"}};
  for (const json& invitation : member(**result, "invitations")) {
    const json& name = member(invitation, "peer_name");
    rows.push_back({field(invitation, "id"), field(invitation, "state"), field(invitation, "name"),
                    field(invitation, "expires"), name.is_string() ? word(name) : field(invitation, "peer")});
  }
  if (rows.size() == 1) {
    context.err() << "no invitation: make one with `p2pctl invite`\n";
  } else {
    print_table(context.out(), rows, context.paint());
  }
  return ExitCode::done;
}

// The first line that is not blank: a ticket that is pasted ends with Enter.
CtlResult<std::string> read_ticket(std::istream& in) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::string line;
  char c = 0;
  while (line.size() < kMaxLine && in.get(c)) {
    if (c != '\n') {
      line += c;
    } else if (line.find_first_not_of(kBlanks) != std::string::npos) {
      break;
    } else {
      line.clear();
    }
  }
  const std::size_t begin = line.find_first_not_of(kBlanks);
  if (begin == std::string::npos) {
    return usage("standard input holds no ticket: paste what `p2pctl invite` printed on the other machine");
  }
  return line.substr(begin, line.find_last_not_of(kBlanks) - begin + 1);
}

CtlResult<ExitCode> revoke(Context& context, std::string invitation) {
  if (invitation == "-") {
    CtlResult<std::string> read = read_ticket(context.environment().in);
    if (!read) return read.error();
    invitation = std::move(*read);
  }
  const CtlResult<JsonPtr> result = context.call("invite.revoke", {{"id", invitation}});
  if (!result) return result.error();
  return context.done(**result, "revoked " + field(**result, "id"));
}

}  // namespace

CtlResult<ExitCode> run_invite(Context& context, const Arguments& arguments) {
  const bool making = arguments.has("--name") || arguments.has("--expires") || arguments.has("--qr");
  const auto revoked = arguments.value("--revoke");
  if ((making && (arguments.has("--list") || revoked)) || (arguments.has("--list") && revoked)) {
    return usage(
        "--list and --revoke go alone: one invitation is made, or all are listed, or one is revoked");
  }
  if (arguments.has("--qr") && context.json()) return usage("--qr draws for people: leave out --json");
  if (arguments.has("--list")) return list_invitations(context);
  if (revoked) return revoke(context, *revoked);
  return create(context, arguments);
}

CtlResult<ExitCode> run_accept(Context& context, const Arguments& arguments) {
  std::string ticket = arguments.operand(0);
  if (ticket == "-") {
    CtlResult<std::string> read = read_ticket(context.environment().in);
    if (!read) return read.error();
    ticket = std::move(*read);
  }
  if (!base::is_utf8(ticket))
    return Failure{ExitCode::refused, "this is no ticket: it has characters of none"};
  json params = {{"ticket", ticket}};
  if (const auto name = arguments.value("--name")) params["name"] = *name;
  const base::Duration wait = context.timeout_or(std::chrono::seconds(30));
  const CtlResult<JsonPtr> result = context.call_waiting("invite.accept", std::move(params), wait);
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
    return ExitCode::done;
  }
  const json& peer = member(**result, "peer");
  const std::string name = field(peer, "name");
  context.out() << "paired with " << name << " (" << field(peer, "id") << ")\n";
  context.err() << "try `p2pctl connect " << name << "`\n";
  return ExitCode::done;
}

}  // namespace p2pd::ctl
