#include "ipc/usual_call.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/basic_parser_impl.hpp>
#include <nlohmann/json.hpp>

#include "ipc/json_text.hpp"

namespace p2pd::ipc {
namespace {

using nlohmann::json;
using Code = boost::json::error_code;
using Text = boost::json::string_view;

// What Boost.JSON's parser calls as it reads; false ends it.
class CallHandler {
 public:
  // NOLINTBEGIN(readability-identifier-naming): the parser asks for these names
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = max_object_size;
  static constexpr std::size_t max_key_size = max_object_size;
  static constexpr std::size_t max_string_size = max_object_size;
  // NOLINTEND(readability-identifier-naming)

  // Once the line has been read.
  std::optional<Call> take() {
    if (call_.method.empty() || !version_) return std::nullopt;
    if (!call_.params) call_.params = std::make_shared<json>(json::object());
    return std::move(call_);
  }

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }

  bool on_object_begin(Code& code) {
    if (!open_.empty()) return push(json::object());
    if (!inside_) return inside_ = true;
    if (member_ != "params" || call_.params) return refuse(code);
    call_.params = std::make_shared<json>(json::object());
    open_.push_back(call_.params.get());
    return true;
  }
  bool on_object_end(std::size_t, Code&) { return pop(); }
  bool on_array_begin(Code& code) { return open_.empty() ? refuse(code) : push(json::array()); }
  bool on_array_end(std::size_t, Code&) { return pop(); }

  bool on_key_part(Text part, std::size_t, Code&) { return keep(part); }
  bool on_key(Text last, std::size_t, Code&) {
    member_.swap(text_.append(last.data(), last.size()));
    text_.clear();
    return true;
  }
  bool on_string_part(Text part, std::size_t, Code&) { return keep(part); }
  bool on_string(Text last, std::size_t, Code& code) {
    std::string whole = std::exchange(text_, {});
    whole.append(last.data(), last.size());
    return open_.empty() ? take_text(std::move(whole), code) : put(std::move(whole));
  }

  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t value, Text, Code& code) {
    if (open_.empty()) return take_number(value, code);
    return value < 0 ? put(value) : put(static_cast<std::uint64_t>(value));
  }
  bool on_uint64(std::uint64_t value, Text, Code& code) {
    return open_.empty() ? take_number(value, code) : put(value);
  }
  // It may be off by its last bit, and may stand for an integer that is too large.
  bool on_double(double, Text, Code& code) { return refuse(code); }
  bool on_bool(bool value, Code& code) { return open_.empty() ? refuse(code) : put(value); }
  bool on_null(Code& code) { return open_.empty() ? refuse(code) : put(nullptr); }
  bool on_comment_part(Text, Code& code) { return refuse(code); }
  bool on_comment(Text, Code& code) { return refuse(code); }

 private:
  static bool refuse(Code& code) {
    code = boost::json::error::not_object;
    return false;
  }
  bool keep(Text part) {
    text_.append(part.data(), part.size());
    return true;
  }

  // A member of the request itself.
  bool take_text(std::string value, Code& code) {
    if (!inside_) return refuse(code);
    if (member_ == "jsonrpc" && !version_ && value == "2.0") return version_ = true;
    if (member_ == "method" && call_.method.empty()) {
      call_.method = std::move(value);
      return true;
    }
    if (member_ != "id" || !call_.id.empty()) return refuse(code);
    return append_string(call_.id, value) || refuse(code);
  }
  template <class Integer>
  bool take_number(Integer value, Code& code) {
    if (!inside_ || member_ != "id" || !call_.id.empty()) return refuse(code);
    call_.id = std::to_string(value);
    return true;
  }

  // A value within `params`. Of two members of one name the later counts, as in a tree that is parsed.
  json& place() { return open_.back()->is_array() ? open_.back()->emplace_back() : (*open_.back())[member_]; }
  template <class Value>
  bool put(Value&& value) {
    place() = std::forward<Value>(value);
    return true;
  }
  bool push(json container) {
    json& placed = place();
    placed = std::move(container);
    open_.push_back(&placed);
    return true;
  }
  bool pop() {
    if (!open_.empty()) open_.pop_back();
    return true;
  }

  Call call_;
  bool inside_ = false;  // the request's object has begun
  bool version_ = false;
  std::string member_;
  std::string text_;         // the parts of a string that has several
  std::vector<json*> open_;  // params and what is open in it; nothing grows but the last
};

}  // namespace

std::optional<Call> read_usual_call(std::string_view line) {
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::basic_parser<CallHandler> parser(options);
  Code code;
  const std::size_t read = parser.write_some(false, line.data(), line.size(), code);
  if (code || read != line.size()) return std::nullopt;
  return parser.handler().take();
}

}  // namespace p2pd::ipc
