// Shapes of JSON values, written briefly, and the JSON schemas (2020-12) they stand for: what rpc.discover
// says of parameters and results. Pure functions; any thread.
//
//   shape    = object | type
//   object   = "{" [ member { "," member } ] "}"          { id: PeerId, name: string, path:
//   relay|direct|null, left_ms?: count } member   = name [ "?" ] ":" type                      with "?" it
//   may be missing type     = alternative { "|" alternative } alternative = "string" | "integer" | "count" |
//   "number" | "boolean" | "object" | "any" | "null"
//               | number ".." [ number ]                  an integer in this range
//               | "[" type "]"                            an array
//               | "<" type ">"                            an object whose keys are any
//               | Name                                    one of the named shapes: begins with a capital
//               | word                                    this very string
//
// A shape that begins with {" is a JSON schema already.
#pragma once

#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace p2pd::ipc {

// Asserts that the shape is well-formed: shapes are part of the program. Other members than those named may
// appear in an object, and references are to "#/components/schemas/NAME".
[[nodiscard]] nlohmann::json schema_of_shape(std::string_view shape);

}  // namespace p2pd::ipc
