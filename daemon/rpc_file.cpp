// file.*: files to peers and from them.
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "daemon/file_board.hpp"
#include "daemon/node.hpp"
#include "daemon/rpc.hpp"
#include "peer/message_id.hpp"

namespace p2pd::daemon {
namespace {

using ipc::Method;
using ipc::Request;
using ipc::Responder;
using ipc::Tier;
using ipc::Type;
using nlohmann::json;
using Needed = ipc::Presence;

constexpr std::size_t kMaxFinished = 1'000;

// The transfer's ID, or nothing after answering the error.
std::optional<std::string> transfer_id(const Request& request, Responder& responder) {
  const std::optional<std::string> id = request.text("id");
  if (id && !peer::message_id(*id)) {
    responder.error(ErrorCode::invalid_params,
                    "id is the ID of a transfer, 32 hex digits; see `p2pctl file`");
    return std::nullopt;
  }
  return id;
}

void send(Node& node, Request& request, Responder responder) {
  const KnownPeer* known = named_peer(node, request, responder);
  if (known == nullptr) return;
  FileBoard::Sending sending;
  sending.peer = known->id;
  sending.name = request.text("name");
  sending.file = request.take_descriptor();
  sending.id = transfer_id(request, responder);
  if (responder.answered()) return;
  sending.resume = request.boolean("resume").value_or(false);
  if (!request.boolean("direct").value_or(true)) {
    node.with_peer(known->id, [](PeerNode& peer) { peer.peer().set_direct_allowed_once(false); });
  }
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.files().send(std::move(sending), [answer](const base::Result<TransferView>& transfer) {
    if (transfer) {
      answer->ok(to_json(*transfer));
    } else {
      answer->error(to_api_error(transfer.error()));
    }
  });
}

void list_files(Node& node, const Request& request, Responder responder) {
  std::optional<base::PeerId> peer;
  if (request.text("peer")) {
    const KnownPeer* known = named_peer(node, request, responder);
    if (known == nullptr) return;
    peer = known->id;
  }
  json files = json::array();
  for (const TransferView& transfer : node.files().list(peer)) files.push_back(to_json(transfer));
  if (!request.boolean("all").value_or(false)) {
    responder.ok({{"files", std::move(files)}});
    return;
  }
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.store().list_transfers(
      peer, kMaxFinished, node.post_here(),
      [&node, answer, files = std::move(files)](base::Result<std::vector<store::TransferRow>> rows) mutable {
        if (!rows) {
          answer_store_error(rows.error(), *answer);
          return;
        }
        for (store::TransferRow& row : *rows) {
          std::string name = node.name_of(row.peer);
          files.push_back(to_json(finished_view(std::move(row), std::move(name))));
        }
        answer->ok({{"files", std::move(files)}});
      });
}

}  // namespace

void add_file_methods(ipc::MethodTable& table, Node& node) {
  ipc::Param some_peer = peer_param();
  some_peer.presence = Needed::optional;
  const ipc::Param id{"id", Type::text, Needed::required, "the transfer's ID, 32 hex digits"};
  table.add(Method{
      .name = "file.send",
      .tier = Tier::operate,
      .summary =
          "Sends the regular file whose descriptor comes beside the request (SCM_RIGHTS); answers once "
          "that is safely noted. Progress and outcome are events.",
      .params = {peer_param(),
                 {"name", Type::text, Needed::optional, "what it is called there; by default as here"},
                 {"id", Type::text, Needed::optional,
                  "goes on with this transfer, which the daemon's restart has interrupted"},
                 {"resume", Type::boolean, Needed::optional,
                  "true: goes on with a transfer of the very same file to this peer, if there is one"},
                 {"direct", Type::boolean, Needed::optional,
                  "false: the connection this may dial stays on the relay"}},
      .result = "the transfer, as in file.list",
      .fields = {{"id", Type::text, "32 hex digits, the same at both ends"},
                 {"state", Type::text, "waiting, checking, active; done when it is over already"},
                 {"file", Type::text, "its name"},
                 {"size", Type::integer, "bytes"}},
      .handler = [&node](Request request, Responder responder) {
        send(node, request, std::move(responder));
      }});
  table.add(Method{
      .name = "file.list",
      .tier = Tier::read,
      .summary = "File transfers that are under way, in both directions.",
      .params = {some_peer, {"all", Type::boolean, Needed::optional, "those that are over, too"}},
      .result = "the transfers",
      .fields =
          {{"files", Type::array,
            "id, direction, peer, name, file, size, bytes, state, reason, rate, left_ms, created, ended, "
            "stored_as and path of each"}},
      .handler = [&node](const Request& request, Responder responder) {
        list_files(node, request, std::move(responder));
      }});
  table.add(Method{.name = "file.cancel",
                   .tier = Tier::operate,
                   .summary = "Ends a transfer, at either end; what there is of it is removed.",
                   .params = {id},
                   .result = "nothing",
                   .fields = {},
                   .handler = [&node](const Request& request, Responder responder) {
                     const auto text = transfer_id(request, responder);
                     if (text) node.files().cancel(*text, empty_answer(std::move(responder)));
                   }});
  table.add(Method{.name = "file.ack",
                   .tier = Tier::operate,
                   .summary = "The outcome of an outgoing transfer was told to its user: file.send with "
                              "`resume` does not come back to it.",
                   .params = {id},
                   .result = "nothing",
                   .fields = {},
                   .handler = [&node](const Request& request, Responder responder) {
                     const auto text = transfer_id(request, responder);
                     if (text) node.files().collect(*text, empty_answer(std::move(responder)));
                   }});
}

}  // namespace p2pd::daemon
