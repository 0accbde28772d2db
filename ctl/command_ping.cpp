// ping: each reply names its path.
#include <ostream>

#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {

CtlResult<ExitCode> run_ping(Context& context, const Arguments& arguments) {
  const bool until_direct = arguments.has("--until-direct");
  long count = until_direct ? 0 : 4;  // 0: no limit but the time
  if (const auto text = arguments.value("-c")) {
    const CtlResult<long> parsed = parse_positive("-c", *text);
    if (!parsed) return parsed.error();
    count = *parsed;
  }
  const std::string& peer = arguments.operand(0);
  const base::Duration wait = context.timeout_or(std::chrono::seconds(10));
  const base::TimePoint end = base::Clock::now() + wait;
  for (long sent = 1;; ++sent) {
    const CtlResult<JsonPtr> reply = context.call_waiting("peer.ping", {{"peer", peer}}, wait);
    if (!reply) return reply.error();
    const nlohmann::json& path = member(**reply, "path");
    if (context.json()) {
      context.print_json(**reply);
    } else {
      context.out() << "reply from " << escape_line(peer) << " via " << context.paint().state(word(path))
                    << " in " << format_ms(member(**reply, "rtt_ms")) << "\n"
                    << std::flush;
    }
    if (until_direct && path == "direct") return ExitCode::done;
    if (sent == count || (until_direct && base::Clock::now() >= end)) break;
    // Towards a direct path every moment counts, otherwise one reply a second can be read.
    context.environment().pause(until_direct ? std::chrono::milliseconds(100)
                                             : std::chrono::milliseconds(1000));
  }
  if (!until_direct) return ExitCode::done;
  return Failure{ExitCode::not_direct,
                 "no reply came directly: `p2pctl status " + escape_line(peer) + "` says why"};
}

}  // namespace p2pd::ctl
