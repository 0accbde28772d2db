#include "ipc/codec.hpp"

#include <nlohmann/json.hpp>

#include "ipc/usual_call.hpp"

namespace p2pd::ipc {
namespace {

using nlohmann::json;

// What the parser itself would accept or only notice late: JSON nested too deep, and NUL, which it takes for
// the end of the text. Empty when there is nothing to say.
std::string scan(std::string_view line) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\0') return "this line is not JSON: it holds a NUL byte";
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) {
        return "this line nests deeper than " + std::to_string(kMaxDepth) + " levels: send flatter JSON";
      }
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return {};
}

std::optional<json> parse_json(std::string_view line, std::string& why) {
  why = scan(line);
  if (!why.empty()) return std::nullopt;
  try {
    return json::parse(line);
  } catch (const json::parse_error& error) {
    why = "this line is not JSON: wrong at byte " + std::to_string(error.byte) +
          "; send one JSON-RPC 2.0 object a line, in UTF-8";
  } catch (const json::exception&) {
    why = "this line is not JSON: a number in it is out of range";
  }
  return std::nullopt;
}

Call broken(std::string id, ErrorCode code, std::string message) {
  Call call;
  call.id = std::move(id);
  call.error = ApiError(code, std::move(message));
  return call;
}

Call invalid(std::string id, std::string message) {
  return broken(std::move(id), ErrorCode::invalid_request, std::move(message));
}

Call parse_call(json& value) {
  if (!value.is_object()) return invalid("null", "a request is a JSON object");
  std::string id;
  if (const auto found = value.find("id"); found != value.end()) {
    if (!found->is_string() && !found->is_number() && !found->is_null()) {
      return invalid("null", "`id` is a string or a number");
    }
    id = to_line(*found);
  }
  const std::string id_or_null = id.empty() ? "null" : id;
  const auto version = value.find("jsonrpc");
  if (version == value.end() || *version != "2.0") {
    return invalid(id_or_null, "`jsonrpc` has to be \"2.0\"");
  }
  const auto method = value.find("method");
  if (method == value.end() || !method->is_string()) {
    return invalid(id_or_null, "`method` has to be there and a string");
  }
  Call call;
  call.id = std::move(id);
  call.method = method->get<std::string>();
  call.params = std::make_shared<json>(json::object());
  if (const auto params = value.find("params"); params != value.end()) {
    if (!params->is_object()) {
      return broken(id_or_null, ErrorCode::invalid_params,
                    "`params` has to be an object: parameters are given by name");
    }
    *call.params = std::move(*params);
  }
  return call;
}

ApiError parse_error_object(const json& value) {
  ApiError error;
  if (!value.is_object()) return error;
  if (const auto code = value.find("code"); code != value.end() && code->is_number_integer()) {
    error = ApiError(static_cast<ErrorCode>(code->get<int>()), {});
  }
  if (const auto message = value.find("message"); message != value.end() && message->is_string()) {
    error.message = message->get<std::string>();
  }
  if (const auto data = value.find("data"); data != value.end() && data->is_object()) {
    if (const auto reason = data->find("reason"); reason != data->end() && reason->is_string()) {
      error.reason = reason->get<std::string>();
    }
  }
  return error;
}

// {"jsonrpc":"2.0","id":ID,"KEY":VALUE} around text that is JSON already, so that large results are not
// copied into another tree first.
std::string envelope(std::string_view id, std::string_view key, std::string_view value) {
  std::string out;
  out.reserve(id.size() + key.size() + value.size() + 32);
  out.append(R"({"jsonrpc":"2.0","id":)").append(id).append(",\"").append(key).append("\":");
  out.append(value).append("}");
  return out;
}

}  // namespace

CallLine parse_calls(std::string_view line) {
  CallLine out;
  if (std::optional<Call> usual = read_usual_call(line)) {
    out.calls.push_back(std::move(*usual));
    return out;
  }
  std::string why;
  std::optional<json> value = parse_json(line, why);
  if (!value) {
    out.calls.push_back(broken("null", ErrorCode::parse_error, std::move(why)));
    return out;
  }
  if (!value->is_array()) {
    out.calls.push_back(parse_call(*value));
    return out;
  }
  if (value->empty()) {
    out.calls.push_back(invalid("null", "a batch holds at least one request"));
    return out;
  }
  if (value->size() > kMaxBatch) {
    out.calls.push_back(
        invalid("null", "a batch holds at most " + std::to_string(kMaxBatch) + " requests: send several"));
    return out;
  }
  out.batch = true;
  out.calls.reserve(value->size());
  for (json& element : *value) out.calls.push_back(parse_call(element));
  return out;
}

std::optional<Answer> parse_answer(std::string_view line) {
  std::string why;
  std::optional<json> value = parse_json(line, why);
  if (!value || !value->is_object()) return std::nullopt;
  Answer answer;
  if (const auto method = value->find("method"); method != value->end()) {
    if (!method->is_string() || value->contains("id")) return std::nullopt;
    answer.method = method->get<std::string>();
    answer.value = std::make_shared<json>(json::object());
    if (const auto params = value->find("params"); params != value->end()) *answer.value = std::move(*params);
    return answer;
  }
  const auto id = value->find("id");
  if (id == value->end()) return std::nullopt;
  answer.id = to_line(*id);
  if (const auto error = value->find("error"); error != value->end()) {
    answer.error = parse_error_object(*error);
    return answer;
  }
  const auto result = value->find("result");
  if (result == value->end()) return std::nullopt;
  answer.value = std::make_shared<json>(std::move(*result));
  return answer;
}

std::string to_line(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string encode_result(std::string_view id, const json& result) {
  return envelope(id, "result", to_line(result));
}

std::string encode_result_text(std::string_view id, std::string_view result) {
  return envelope(id, "result", result);
}

std::string encode_error(std::string_view id, const ApiError& error) {
  const json body = {{"code", static_cast<int>(error.code)},
                     {"message", error.message},
                     {"data", {{"reason", error.reason}}}};
  return envelope(id, "error", to_line(body));
}

std::string encode_request(std::string_view id, std::string_view method, const json& params) {
  std::string out = R"({"jsonrpc":"2.0","id":)";
  out.append(id).append(R"(,"method":)").append(to_line(json(method)));
  out.append(R"(,"params":)").append(to_line(params)).append("}");
  return out;
}

std::string encode_notification(std::string_view method, const json& params) {
  std::string out = R"({"jsonrpc":"2.0","method":)";
  out.append(to_line(json(method))).append(R"(,"params":)").append(to_line(params)).append("}");
  return out;
}

}  // namespace p2pd::ipc
