#include <algorithm>
#include <array>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

constexpr std::array kGlobal{
    Option{"--socket", "PATH", "the daemon's socket; else $P2PD_SOCKET, the user's, the system's"},
    Option{"--json", "", "print the method's result and nothing else"},
    Option{"--timeout", "SECONDS", "give up after that long, with status 5"},
    Option{"--help", "", "explain the command"},
    Option{"-h", "", "the same"},
    Option{"--version", "", "print p2pctl's version"},
};

constexpr std::array kPeerOptions{
    Option{"--relay", "URL", "a relay the peer is reached by, beside this daemon's own", true}};
constexpr std::array kInviteOptions{
    Option{"--name", "NAME", "what the machine that accepts will be called here"},
    Option{"--expires", "TIME", "how long the ticket works, 10m by default: 90s, 10m, 2h, 7d; at most 30d"},
    Option{"--qr", "", "draw the ticket as a QR code too"},
    Option{"--list", "", "show the invitations that there are"},
    Option{"--revoke", "T",
           "take the invitation with this ID back; or a ticket, with - from standard input"}};
constexpr std::array kAcceptOptions{
    Option{"--name", "NAME", "what the machine that invited will be called here"}};
constexpr std::array kConnectOptions{
    Option{"--wait", "relay|direct",
           "how far to wait, relay by default; 10 s unless --timeout says otherwise"},
    Option{"--no-direct", "", "this connection stays on the relay"}};
constexpr std::array kStatusOptions{Option{"--watch", "", "again after every change, until interrupted"}};
constexpr std::array kSendOptions{
    Option{"--file", "PATH", "send this file; - is standard input, which is read to its end first"},
    Option{"--name", "NAME", "what the file is called there; as here by default, stdin for -"},
    Option{"--no-direct", "", "a connection this dials stays on the relay"}};
constexpr std::array kFileOptions{Option{"--all", "", "list those that are over, too"}};
constexpr std::array kRecvOptions{
    Option{"--follow", "", "go on with messages as they come, until interrupted"},
    Option{"--ack", "", "remove from the inbox what was printed"}};
constexpr std::array kPingOptions{
    Option{"-c", "N", "how many, 4 by default"},
    Option{"--until-direct", "", "until a reply came directly; 10 s by default"}};
constexpr std::array kBundleOptions{
    Option{"--anonymize", "", "placeholders for IDs, names, addresses, hosts and paths"}};
constexpr std::array kWatchOptions{Option{"--topic", "daemon|relay|peer|message|file|service|net",
                                          "events of this topic only; may be repeated", true}};
constexpr std::array kExposeOptions{
    Option{"--allow", "P", "a peer that may use it; nobody else may, and nobody without", true}};
constexpr std::array kWaitOptions{Option{"--direct", "", "until the path is direct"}};

constexpr std::array kCommands{
    Command{"id", "", "prints this machine's peer ID", {}, 0, 0, run_id},
    Command{
        "peer", "add NAME ID [--relay URL]... | list | set P KEY=VALUE... | remove P",
        "the address book; P is a name, an ID or an unambiguous prefix of one; keys: name, direct=on|off, "
        "files=accept|refuse",
        kPeerOptions, 1, 64, run_peer},
    Command{"invite", "[--name NAME] [--expires TIME] [--qr] | --list | --revoke T",
            "prints a ticket that lets one other machine become a peer, once", kInviteOptions, 0, 0,
            run_invite},
    Command{"accept", "TICKET|- [--name NAME]",
            "takes up an invitation; - reads the ticket from standard input, where no other program sees it",
            kAcceptOptions, 1, 1, run_accept},
    Command{"connect", "P [--wait relay|direct] [--no-direct]",
            "connects to a peer and keeps it connected; prints the path and the time it took",
            kConnectOptions, 1, 1, run_connect},
    Command{"disconnect",
            "P",
            "closes the connection to a peer and dials no more by itself",
            {},
            1,
            1,
            run_disconnect},
    Command{"status", "[P] [--watch]", "relays, peers, paths, round trips, and why a path is not direct",
            kStatusOptions, 0, 1, run_status},
    Command{
        "send", "P TEXT|- | P --file PATH|- [--name NAME] [--no-direct]",
        "queues a message of at most 1 MiB, from the command line or from standard input, and prints its ID; "
        "or sends a file, and waits until the receiver has it under its name. Interrupted, a transfer goes "
        "on without p2pctl; the same command comes back to it",
        kSendOptions, 1, 2, run_send},
    Command{"recv", "[P] [--follow] [--ack]", "prints the inbox, of all peers or of one", kRecvOptions, 0, 1,
            run_recv},
    Command{"outbox", "[list | cancel ID]", "messages that are not delivered yet", {}, 0, 2, run_outbox},
    Command{"file", "[list [--all] | cancel ID]", "file transfers that are under way", kFileOptions, 0, 2,
            run_file},
    Command{"expose", "SERVICE TARGET [--allow P]...",
            "lets peers use a program of this machine, also after a restart; TARGET is tcp:HOST:PORT (an "
            "address or localhost) or unix:PATH. Replaces what the service was before",
            kExposeOptions, 2, 2, run_expose},
    Command{"unexpose", "SERVICE", "ends a service and its streams", {}, 1, 1, run_unexpose},
    Command{"services", "", "lists the services of this machine", {}, 0, 0, run_services},
    Command{"nc",
            "P SERVICE",
            "connects standard input and output to a peer's service; made for ssh -o ProxyCommand='p2pctl nc "
            "%h ssh'. Status 0: both ends have said all they had to say",
            {},
            2,
            2,
            run_nc},
    Command{"forward",
            "LOCAL P SERVICE",
            "listens here and connects each client to a peer's service, until interrupted; LOCAL is PORT, "
            "HOST:PORT or unix:PATH, on loopback unless a host is named. Prints where it listens",
            {},
            3,
            3,
            run_forward},
    Command{"ping", "P [-c N] [--until-direct]", "round trips to a peer, each with the path it took",
            kPingOptions, 1, 1, run_ping},
    Command{"netcheck",
            "",
            "checks what this network does with UDP: NAT, addresses, packet size, relays; takes some seconds",
            {},
            0,
            0,
            run_netcheck},
    Command{"doctor",
            "P",
            "asks both ends' networks why the path to a peer is what it is: one verdict and one advice",
            {},
            1,
            1,
            run_doctor},
    Command{
        "history", "P", "attempts to connect with a peer: candidates, paths, times", {}, 1, 1, run_history},
    Command{"watch", "[P]... [--topic T]...", "prints events as they happen, of some peers or of all",
            kWatchOptions, 0, 64, run_watch},
    Command{"wait", "online|P [--direct]", "blocks until a relay is there, or a peer is connected",
            kWaitOptions, 1, 1, run_wait},
    Command{"call",
            "METHOD [JSON]",
            "calls any method of the API with an object of parameters",
            {},
            1,
            2,
            run_call},
    Command{"bundle", "[--anonymize] [-]",
            "writes configuration, status, log and history into one archive, without secrets, in the current "
            "folder or with - to standard output; prints its name",
            kBundleOptions, 0, 1, run_bundle},
    Command{"reload", "", "lets p2pd read its configuration again; connections stay", {}, 0, 0, run_reload},
    Command{"log-level",
            "error|warn|info|debug",
            "changes what p2pd logs until it ends",
            {},
            1,
            1,
            run_log_level},
    Command{"completion",
            "bash|zsh|fish",
            "prints a script that completes p2pctl's commands, options and peers in that shell",
            {},
            1,
            1,
            run_completion},
    Command{"help", "[COMMAND]", "explains a command, or lists all", {}, 0, 1, run_help},
    Command{"version", "", "prints the versions of p2pctl and of the daemon", {}, 0, 0, run_version},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

std::span<const Option> global_options() { return kGlobal; }

const Command* find_command(std::string_view name) {
  const auto found = std::find_if(kCommands.begin(), kCommands.end(),
                                  [&](const Command& command) { return command.name == name; });
  return found == kCommands.end() ? nullptr : &*found;
}

}  // namespace p2pd::ctl
