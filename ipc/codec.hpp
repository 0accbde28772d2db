// JSON-RPC 2.0 as one compact UTF-8 object a line: bytes to calls, results and errors to bytes. Pure
// functions without state; any thread. A line is at most kMaxLine bytes without its newline, JSON nests at
// most kMaxDepth deep, a batch has at most kMaxBatch calls.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "ipc/errors.hpp"

namespace p2pd::ipc {

inline constexpr std::size_t kMaxLine = 2 * 1024 * 1024;
inline constexpr std::size_t kMaxDepth = 64;
inline constexpr std::size_t kMaxBatch = 100;

// One request object, or what is wrong with it.
struct Call {
  std::string id;  // as JSON; empty for a notification
  std::string method;
  std::shared_ptr<nlohmann::json> params;  // an object, {} when absent; null when there is an error
  std::optional<ApiError> error;           // not a request: answer this under `id`
};

// A line's calls. A line that is no JSON, or an empty or too long batch, is one Call with an error.
struct CallLine {
  std::vector<Call> calls;
  bool batch = false;
};

[[nodiscard]] CallLine parse_calls(std::string_view line);

// What a client reads: the answer to a call (id not empty), or a notification (method not empty). An error
// under the id null is about the connection.
struct Answer {
  std::string id;  // as JSON
  std::string method;
  std::shared_ptr<nlohmann::json> value;  // the result, or a notification's params
  std::optional<ApiError> error;
};

// Nothing when the line is neither.
[[nodiscard]] std::optional<Answer> parse_answer(std::string_view line);

// Without a newline. Strings that are not UTF-8 get U+FFFD where they are wrong.
[[nodiscard]] std::string to_line(const nlohmann::json& value);
[[nodiscard]] std::string encode_result(std::string_view id, const nlohmann::json& result);
// `result` is JSON text already, without a newline in it.
[[nodiscard]] std::string encode_result_text(std::string_view id, std::string_view result);
[[nodiscard]] std::string encode_error(std::string_view id, const ApiError& error);
[[nodiscard]] std::string encode_request(std::string_view id, std::string_view method,
                                         const nlohmann::json& params);
[[nodiscard]] std::string encode_notification(std::string_view method, const nlohmann::json& params);

}  // namespace p2pd::ipc
