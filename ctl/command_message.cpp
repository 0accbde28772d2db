// send, outbox: messages on their way out.
#include <istream>
#include <ostream>

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/utf8.hpp"
#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxMessage = 1024 * 1024;
// Text whose control characters make it longer than this as JSON travels as base64: a request has 2 MiB.
constexpr std::size_t kMaxTextAsJson = 1536 * 1024;

Failure too_large() {
  return {ExitCode::refused,
          "a message has at most 1 MiB (1048576 bytes): send it in several, or as a file with --file"};
}

CtlResult<std::string> read_body(std::istream& in) {
  std::string body(kMaxMessage + 1, '\0');
  in.read(body.data(), static_cast<std::streamsize>(body.size()));
  body.resize(static_cast<std::size_t>(in.gcount()));
  if (body.size() > kMaxMessage) return too_large();
  return body;
}

void put_body(json& params, const std::string& body) {
  const bool text = base::is_utf8(body);
  if (text && ipc::to_line(json(body)).size() <= kMaxTextAsJson) {
    params["text"] = body;
    return;
  }
  params["data_base64"] = base::to_base64(base::as_bytes(body));
  if (text) params["content_type"] = "text/plain";
}

CtlResult<ExitCode> list_messages(Context& context) {
  const CtlResult<JsonPtr> result = context.call("outbox.list", json::object());
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
    return ExitCode::done;
  }
  std::vector<std::vector<std::string>> rows{{"ID", "TO", "CREATED", "SIZE", "TYPE"}};
  for (const json& message : member(**result, "messages")) {
    const json& name = member(message, "name");
    rows.push_back({field(message, "id"), name.is_string() ? word(name) : field(message, "peer"),
                    field(message, "created"), format_bytes(member(message, "size")),
                    field(message, "content_type")});
  }
  if (rows.size() == 1) {
    context.err() << "nothing waits: every message was delivered\n";
  } else {
    print_table(context.out(), rows, context.paint());
  }
  return ExitCode::done;
}

CtlResult<ExitCode> cancel_message(Context& context, const std::string& id) {
  const CtlResult<JsonPtr> result = context.call("outbox.cancel", {{"id", id}});
  if (!result) return result.error();
  return context.done(**result, "cancelled " + escape_line(id));
}

}  // namespace

CtlResult<ExitCode> run_send(Context& context, const Arguments& arguments) {
  if (arguments.has("--file")) return run_send_file(context, arguments);
  if (arguments.has("--name")) return Failure{ExitCode::usage, "--name goes with --file"};
  if (arguments.operands().size() != 2) {
    return Failure{ExitCode::usage, "usage: p2pctl send P TEXT|- or p2pctl send P --file PATH|-"};
  }
  std::string body = arguments.operand(1);
  if (body == "-") {
    CtlResult<std::string> read = read_body(context.environment().in);
    if (!read) return read.error();
    body = std::move(*read);
  }
  if (body.size() > kMaxMessage) return too_large();
  json params = {{"peer", arguments.operand(0)}};
  put_body(params, body);
  if (arguments.has("--no-direct")) params["direct"] = false;
  const CtlResult<JsonPtr> result = context.call("message.send", params);
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
  } else {
    context.out() << field(**result, "id") << "\n";
  }
  return ExitCode::done;
}

CtlResult<ExitCode> run_outbox(Context& context, const Arguments& arguments) {
  const std::vector<std::string>& operands = arguments.operands();
  if (operands.empty() || (operands[0] == "list" && operands.size() == 1)) return list_messages(context);
  if (operands[0] == "cancel" && operands.size() == 2) return cancel_message(context, operands[1]);
  return Failure{ExitCode::usage, "usage: p2pctl outbox [list | cancel ID]"};
}

}  // namespace p2pd::ctl
