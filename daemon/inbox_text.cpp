#include "daemon/inbox_text.hpp"

#include <iterator>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "ipc/json_text.hpp"

namespace p2pd::daemon {
namespace {

// Of a message without its body and names; a guess for the first allocation.
constexpr std::size_t kFrame = 400;

// The text of a value that mostly is the same as in the row before.
template <class Value>
class Remembered {
 public:
  template <class Make>
  const std::string& of(const Value& value, const Make& make) {
    if (value_ != value) {
      text_ = make(value);
      value_ = value;
    }
    return text_;
  }

 private:
  std::optional<Value> value_;
  std::string text_;
};

std::string quoted(std::string_view text) {
  std::string out;
  ipc::append_any_string(out, text);
  return out;
}

void append_text_or_null(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += "null";
  } else {
    ipc::append_any_string(out, text);
  }
}

class InboxWriter {
 public:
  explicit InboxWriter(const std::function<std::string(const base::PeerId&)>& name_of) : name_of_(name_of) {}

  void append(std::string& out, const store::InboxRow& row) {
    const store::InboundMessage& message = row.message;
    out += R"({"content_type":)";
    out += content_type_.of(message.content_type, quoted);
    append_body(out, message);
    fmt::format_to(std::back_inserter(out), R"(,"cursor":{},"id":)", row.cursor);
    ipc::append_any_string(out, message.id);
    out += peer_.of(row.peer, [this](const base::PeerId& peer) { return names(peer); });
    out += R"(,"received":")";
    out += received_.of(row.received, base::to_rfc3339);
    out += R"(","reply_to":)";
    append_text_or_null(out, message.reply_to);
    out += R"(,"sent":")";
    out += sent_.of(message.sent, base::to_rfc3339);
    fmt::format_to(std::back_inserter(out), R"(","sequence":{}}})", message.sequence);
  }

 private:
  [[nodiscard]] std::string names(const base::PeerId& peer) const {
    std::string out = R"(,"name":)";
    append_text_or_null(out, name_of_(peer));
    return out.append(R"(,"peer":")").append(peer.text()).append("\"");
  }

  static void append_body(std::string& out, const store::InboundMessage& message) {
    if (message.content_type.starts_with("text/")) {
      const std::size_t before = out.size();
      out += R"(,"text":)";
      if (ipc::append_string(out, base::as_text(message.data))) return;
      out.resize(before);
    }
    out.append(R"(,"data_base64":")").append(base::to_base64(message.data)).append("\"");
  }

  const std::function<std::string(const base::PeerId&)>& name_of_;
  Remembered<std::string> content_type_;
  Remembered<base::PeerId> peer_;
  Remembered<base::WallTime> received_;
  Remembered<base::WallTime> sent_;
};

}  // namespace

std::string inbox_text(std::span<const store::InboxRow> rows, std::uint64_t next,
                       const std::function<std::string(const base::PeerId&)>& name_of) {
  std::size_t size = 64;
  for (const store::InboxRow& row : rows)
    size += kFrame + row.message.data.size() + row.message.content_type.size();
  std::string out;
  out.reserve(size);
  out += R"({"messages":[)";
  InboxWriter writer(name_of);
  for (const store::InboxRow& row : rows) {
    if (&row != &rows.front()) out += ',';
    writer.append(out, row);
  }
  fmt::format_to(std::back_inserter(out), R"(],"next":{}}})", next);
  return out;
}

}  // namespace p2pd::daemon
