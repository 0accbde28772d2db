// message.*, outbox.*: durable messages.
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "daemon/inbox_text.hpp"
#include "daemon/node.hpp"
#include "daemon/rpc.hpp"
#include "daemon/status_json.hpp"
#include "peer/message_id.hpp"
#include "proto/message_frames.hpp"

namespace p2pd::daemon {
namespace {

using ipc::Method;
using ipc::Request;
using ipc::Responder;
using ipc::Tier;
using ipc::Type;
using nlohmann::json;
using Needed = ipc::Presence;

constexpr std::size_t kMaxMessage = 1024 * 1024;
// One answer's bodies: as text they may double in size and still leave within the output bound of a client.
constexpr std::size_t kListBytes = 4 * 1024 * 1024;
constexpr std::int64_t kMaxList = 1000;

// The body and its type, or false after answering the error.
bool read_body(const Request& request, Responder& responder, store::OutboxRow& out) {
  const auto text = request.text_view("text");
  const auto data = request.text_view("data_base64");
  if (text.has_value() == data.has_value()) {
    responder.error(ErrorCode::invalid_params, "give either text or data_base64");
    return false;
  }
  if (text) {
    const auto bytes = base::as_bytes(*text);
    out.data.assign(bytes.begin(), bytes.end());
  } else if (!base::from_base64(*data, out.data)) {
    responder.error(ErrorCode::invalid_params,
                    "data_base64 is not base64 (RFC 4648 section 4, with padding)");
    return false;
  }
  if (out.data.size() > kMaxMessage) {
    responder.error(ErrorCode::too_large,
                    fmt::format("a message has at most 1 MiB ({} bytes), this has {}; send a file "
                                "instead",
                                kMaxMessage, out.data.size()));
    return false;
  }
  out.content_type = request.text("content_type").value_or(text ? "text/plain" : "application/octet-stream");
  if (!proto::is_content_type(out.content_type)) {
    responder.error(ErrorCode::invalid_params,
                    "content_type is a media type: at most 255 printable ASCII characters");
    return false;
  }
  out.reply_to = request.text("reply_to").value_or("");
  if (!out.reply_to.empty() && !peer::message_id(out.reply_to)) {
    responder.error(ErrorCode::invalid_params, "reply_to is the ID of a message, 32 hex digits");
    return false;
  }
  return true;
}

void send_message(Node& node, const Request& request, Responder responder) {
  const KnownPeer* known = named_peer(node, request, responder);
  store::OutboxRow row;
  if (known == nullptr || !read_body(request, responder, row)) return;
  row.created = base::wall_now();
  row.id = node.intake().new_id(row.created);
  node.intake().add(known->id, std::move(row), request.boolean("direct").value_or(true),
                    std::move(responder));
}

// The peer to limit a list to; false after answering the error.
bool optional_peer(Node& node, const Request& request, Responder& responder,
                   std::optional<base::PeerId>& out) {
  if (!request.text("peer")) return true;
  const KnownPeer* known = named_peer(node, request, responder);
  if (known == nullptr) return false;
  out = known->id;
  return true;
}

void list_messages(Node& node, const Request& request, Responder responder) {
  std::optional<base::PeerId> peer;
  if (!optional_peer(node, request, responder, peer)) return;
  const std::int64_t after = request.integer("after").value_or(0);
  const std::int64_t limit = request.integer("limit").value_or(100);
  if (after < 0 || limit < 1 || limit > kMaxList) {
    responder.error(ErrorCode::invalid_params,
                    fmt::format("after is a cursor of at least 0, limit 1 to {}", kMaxList));
    return;
  }
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.store().list_inbox(
      peer, static_cast<std::uint64_t>(after), static_cast<std::size_t>(limit), kListBytes, node.post_here(),
      [&node, after, answer](base::Result<std::vector<store::InboxRow>> rows) {
        if (!rows) {
          answer_store_error(rows.error(), *answer);
          return;
        }
        const auto next = rows->empty() ? static_cast<std::uint64_t>(after) : rows->back().cursor;
        answer->ok_text(
            inbox_text(*rows, next, [&node](const base::PeerId& id) { return node.name_of(id); }));
      });
}

void acknowledge(Node& node, const Request& request, Responder responder) {
  std::optional<base::PeerId> peer;
  if (!optional_peer(node, request, responder, peer)) return;
  const std::int64_t up_to = *request.integer("up_to");
  if (up_to < 0) {
    responder.error(ErrorCode::invalid_params, "up_to is a cursor, at least 0");
    return;
  }
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.store().ack_inbox(peer, static_cast<std::uint64_t>(up_to), node.post_here(),
                         [answer](base::Result<std::uint64_t> removed) {
                           if (!removed) {
                             answer_store_error(removed.error(), *answer);
                             return;
                           }
                           answer->ok({{"removed", *removed}});
                         });
}

void list_outbox(Node& node, const Request& request, Responder responder) {
  std::optional<base::PeerId> peer;
  if (!optional_peer(node, request, responder, peer)) return;
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.intake().flush();
  node.store().list_outbox(peer, kMaxList, node.post_here(),
                           [&node, answer](base::Result<std::vector<store::OutboxEntry>> rows) {
                             if (!rows) {
                               answer_store_error(rows.error(), *answer);
                               return;
                             }
                             json messages = json::array();
                             for (const auto& row : *rows)
                               messages.push_back(to_json(row, node.name_of(row.peer)));
                             answer->ok({{"messages", std::move(messages)}});
                           });
}

void cancel_message(Node& node, const Request& request, Responder responder) {
  const std::string id = *request.text("id");
  if (!peer::message_id(id)) {
    responder.error(ErrorCode::invalid_params,
                    "id is the ID of a message, 32 hex digits; see `p2pctl outbox`");
    return;
  }
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.intake().flush();
  node.store().cancel_outbox(id, node.post_here(), [&node, id, answer](base::Result<store::OutboxEntry> row) {
    if (!row && row.error().code == store::StoreError::not_found) {
      answer->error(ErrorCode::not_found,
                    fmt::format("no message {} waits: it was delivered or cancelled already", id));
    } else if (!row) {
      answer_store_error(row.error(), *answer);
    } else {
      node.board().message_cancelled(row->peer);
      answer->ok();
    }
  });
}

}  // namespace

void add_message_methods(ipc::MethodTable& table, Node& node) {
  ipc::Param some_peer = peer_param();
  some_peer.presence = Needed::optional;
  table.add(Method{
      .name = "message.send",
      .tier = Tier::operate,
      .summary = "Queues a message of at most 1 MiB; answers once it is safely stored. Delivery is an event.",
      .params = {peer_param(),
                 {"text", Type::text, Needed::optional, "the body as text"},
                 {"data_base64", Type::text, Needed::optional, "the body as bytes; one of the two"},
                 {"content_type", Type::text, Needed::optional, "a media type"},
                 {"reply_to", Type::text, Needed::optional, "the ID of the message this answers"},
                 {"direct", Type::boolean, Needed::optional,
                  "false: the connection this may dial stays on the relay"}},
      .result = "the stored message",
      .fields = {{"id", Type::text, "32 hex digits"},
                 {"sequence", Type::integer, "its number among those to this peer"}},
      .handler = [&node](Request request, Responder responder) {
        send_message(node, request, std::move(responder));
      }});
  table.add(
      Method{.name = "message.list",
             .tier = Tier::read,
             .summary = "Received messages in order of arrival.",
             .params = {some_peer,
                        {"after", Type::integer, Needed::optional, "only messages with a cursor above this"},
                        {"limit", Type::integer, Needed::optional, "1 to 1000, 100 by default"}},
             .result = "a page of messages",
             .fields = {{"messages", Type::array,
                         "cursor, id, peer, name, sequence, sent, received, content_type, reply_to and "
                         "text or data_base64 of each"},
                        {"next", Type::integer, "`after` for the next page"}},
             .handler = [&node](Request request, Responder responder) {
               list_messages(node, request, std::move(responder));
             }});
  table.add(
      Method{.name = "message.ack",
             .tier = Tier::operate,
             .summary = "Removes received messages up to a cursor.",
             .params = {{"up_to", Type::integer, Needed::required, "the last cursor to remove"}, some_peer},
             .result = "how many went",
             .fields = {{"removed", Type::integer, "messages removed"}},
             .handler = [&node](Request request, Responder responder) {
               acknowledge(node, request, std::move(responder));
             }});
  table.add(Method{
      .name = "outbox.list",
      .tier = Tier::read,
      .summary = "Messages that are not delivered yet.",
      .params = {some_peer},
      .result = "the messages, at most 1000",
      .fields = {{"messages", Type::array, "id, peer, name, sequence, created, size, content_type of each"}},
      .handler = [&node](Request request, Responder responder) {
        list_outbox(node, request, std::move(responder));
      }});
  table.add(Method{.name = "outbox.cancel",
                   .tier = Tier::operate,
                   .summary = "Takes a message back that is not delivered yet.",
                   .params = {{"id", Type::text, Needed::required, "the message's ID"}},
                   .result = "nothing",
                   .fields = {},
                   .handler = [&node](Request request, Responder responder) {
                     cancel_message(node, request, std::move(responder));
                   }});
}

}  // namespace p2pd::daemon
