#include "ipc/schema.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/assert.hpp"

namespace p2pd::ipc {
namespace {

using nlohmann::json;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '-' || c == '/';
}

class ShapeReader {
 public:
  explicit ShapeReader(std::string_view text) : rest_(text) {}

  json whole() {
    json out = next() == '{' ? object() : type();
    P2PD_ASSERT(next() == '\0');
    return out;
  }

 private:
  // The next character that is no blank; 0 at the end.
  char next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
  }
  bool take(std::string_view token) {
    (void)next();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void need(std::string_view token) {
    const bool there = take(token);
    P2PD_ASSERT(there);
  }
  std::string word() {
    (void)next();
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_word);
    std::string out(rest_.begin(), end);
    P2PD_ASSERT(!out.empty());
    rest_.remove_prefix(out.size());
    return out;
  }

  json object() {
    json properties = json::object();
    json required = json::array();
    need("{");
    while (!take("}")) {
      std::string name = word();
      if (!take("?")) required.push_back(name);
      need(":");
      properties[std::move(name)] = type();
      if (next() != '}') need(",");
    }
    json out = {{"type", "object"}, {"properties", std::move(properties)}};
    if (!required.empty()) out["required"] = std::move(required);
    return out;
  }

  // Words together are one enumeration.
  json type() {
    json any = json::array();
    json words = json::array();
    do {
      if (std::optional<json> one = alternative()) {
        any.push_back(std::move(*one));
      } else {
        words.push_back(word());
      }
    } while (take("|"));
    if (!words.empty()) any.insert(any.begin(), json{{"type", "string"}, {"enum", std::move(words)}});
    return any.size() == 1 ? any.front() : json{{"anyOf", std::move(any)}};
  }

  // Nothing for a word that means itself.
  std::optional<json> alternative() {
    if (take("[")) {
      json items = type();
      need("]");
      return json{{"type", "array"}, {"items", std::move(items)}};
    }
    if (take("<")) {
      json values = type();
      need(">");
      return json{{"type", "object"}, {"additionalProperties", std::move(values)}};
    }
    if (next() == '{') return object();
    if (is_digit(next())) return range();
    const std::string_view before = rest_;
    const std::string name = word();
    if (name == "any") return json::object();
    if (name == "count") return json{{"type", "integer"}, {"minimum", 0}};
    for (const char* plain : {"string", "integer", "number", "boolean", "object", "null"}) {
      if (name == plain) return json{{"type", name}};
    }
    if (name.front() >= 'A' && name.front() <= 'Z') return json{{"$ref", "#/components/schemas/" + name}};
    rest_ = before;
    return std::nullopt;
  }

  json range() {
    json out = {{"type", "integer"}, {"minimum", number()}};
    need("..");
    if (is_digit(next())) out["maximum"] = number();
    return out;
  }
  std::int64_t number() {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    P2PD_ASSERT(error == std::errc());
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  std::string_view rest_;
};

}  // namespace

json schema_of_shape(std::string_view shape) {
  if (!shape.starts_with("{\"")) return ShapeReader(shape).whole();
  json schema = json::parse(shape, nullptr, false);
  P2PD_ASSERT(schema.is_object());
  return schema;
}

}  // namespace p2pd::ipc
