// recv: the inbox. A message is acknowledged only after it was printed, so that a kill in between repeats it
// rather than losing it.
#include <algorithm>
#include <cstdint>
#include <ostream>

#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

// A page in memory: the daemon bounds its bytes too.
constexpr int kPage = 100;

void print_message(Context& context, const json& message) {
  if (context.json()) {
    context.print_json(message);
    return;
  }
  const json& name = member(message, "name");
  context.out() << context.paint()(Colour::faint, field(message, "received")) << " "
                << (name.is_string() ? word(name) : field(message, "peer")) << ": ";
  const json& text = member(message, "text");
  if (text.is_string()) {
    context.out() << escape_block(text.get_ref<const std::string&>()) << "\n";
  } else {
    context.out() << "(" << field(message, "content_type") << ", not text: --json shows it as base64)\n";
  }
}

class Inbox {
 public:
  Inbox(Context& context, std::optional<std::string> peer, bool acknowledge)
      : context_(context), peer_(std::move(peer)), acknowledge_(acknowledge) {}

  // Everything that is there now.
  CtlResult<void> drain() {
    for (;;) {
      json params = {{"after", after_}, {"limit", kPage}};
      if (peer_) params["peer"] = *peer_;
      const CtlResult<JsonPtr> page = context_.call("message.list", params);
      if (!page) return page.error();
      const json& messages = member(**page, "messages");
      if (messages.empty()) return {};
      for (const json& message : messages) {
        print_message(context_, message);
        after_ = std::max(after_, member(message, "cursor").get<std::uint64_t>());
      }
      context_.out().flush();
      if (!context_.out())
        return Failure{ExitCode::refused, "cannot write to standard output: nothing is removed"};
      if (!acknowledge_) continue;
      json up_to = {{"up_to", after_}};
      if (peer_) up_to["peer"] = *peer_;
      const CtlResult<JsonPtr> removed = context_.call("message.ack", up_to);
      if (!removed) return removed.error();
    }
  }

 private:
  Context& context_;
  const std::optional<std::string> peer_;
  const bool acknowledge_;
  std::uint64_t after_ = 0;
};

// Subscribed before the first look, so that nothing comes in unseen between the two.
Failure follow(Context& context, Inbox& inbox, const std::optional<std::string>& peer) {
  const std::vector<std::string> topics{"message"};
  CtlResult<void> subscribed = context.subscribe(topics, peer);
  if (!subscribed) return subscribed.error();
  for (;;) {
    const CtlResult<JsonPtr> event = context.next_event(context.end());
    if (!event) return event.error();
    const json& type = member(**event, "type");
    if (type == "overflow") {
      subscribed = context.subscribe(topics, peer);
      if (!subscribed) return subscribed.error();
    }
    if (type != "snapshot" && type != "received") continue;
    const CtlResult<void> drained = inbox.drain();
    if (!drained) return drained.error();
  }
}

}  // namespace

CtlResult<ExitCode> run_recv(Context& context, const Arguments& arguments) {
  std::optional<std::string> peer;
  if (!arguments.operands().empty()) peer = arguments.operand(0);
  Inbox inbox(context, peer, arguments.has("--ack"));
  if (arguments.has("--follow")) return follow(context, inbox, peer);
  const CtlResult<void> drained = inbox.drain();
  if (!drained) return drained.error();
  return ExitCode::done;
}

}  // namespace p2pd::ctl
