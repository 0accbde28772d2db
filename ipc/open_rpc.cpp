#include "ipc/open_rpc.hpp"

#include <algorithm>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/assert.hpp"
#include "ipc/schema.hpp"

namespace p2pd::ipc {
namespace {

using nlohmann::json;

// What every method can answer.
constexpr ErrorCode kCommon[] = {ErrorCode::invalid_params, ErrorCode::not_permitted,
                                 ErrorCode::internal_error, ErrorCode::shutting_down};

json error_reference(std::string_view reason) {
  return {{"$ref", "#/components/errors/" + std::string(reason)}};
}

json describe_errors() {
  json out = json::object();
  for (const ErrorCode code : all_error_codes()) {
    const std::string reason(reason_of(code));
    std::string words = reason;
    std::replace(words.begin(), words.end(), '_', ' ');
    out[reason] = {{"code", static_cast<int>(code)}, {"message", words}, {"data", {{"reason", reason}}}};
  }
  return out;
}

json describe_shapes(std::span<const NamedShape> shapes) {
  json out = json::object();
  for (const NamedShape& shape : shapes) {
    json schema = schema_of_shape(shape.shape);
    schema["description"] = shape.description;
    out[std::string(shape.name)] = std::move(schema);
  }
  return out;
}

const MethodShape* find_shape(std::span<const MethodShape> shapes, std::string_view method) {
  const auto found = std::find_if(shapes.begin(), shapes.end(),
                                  [&](const MethodShape& shape) { return shape.method == method; });
  return found == shapes.end() ? nullptr : &*found;
}

json describe_params(const Method& method, const MethodShape* shape) {
  const json narrower =
      shape == nullptr ? json() : schema_of_shape(shape->params).value("properties", json::object());
  json params = json::array();
  for (const Param& param : method.params) {
    params.push_back(
        {{"name", param.name},
         {"description", param.description},
         {"required", param.presence == Presence::required},
         {"schema", narrower.contains(param.name) ? narrower[param.name] : schema_of(param.type)}});
  }
  return params;
}

// The row says what each key is, the shape what may stand there.
json describe_result(const Method& method, const MethodShape* shape) {
  json schema = shape == nullptr ? json{{"type", "object"}, {"properties", json::object()}}
                                 : schema_of_shape(shape->result);
  if (schema.contains("properties")) {
    json& properties = schema["properties"];
    for (const ResultField& field : method.fields) {
      if (!properties.contains(field.name)) properties[field.name] = schema_of(field.type);
      properties[field.name]["description"] = field.description;
    }
  }
  return {{"name", "result"}, {"description", method.result}, {"schema", std::move(schema)}};
}

json parse_example(std::string_view text) {
  json value = json::parse(text, nullptr, false);
  P2PD_ASSERT(value.is_object());
  return value;
}

json describe_example(const MethodShape& shape) {
  json params = json::array();
  const json given = parse_example(shape.example_params);
  for (const auto& [name, value] : given.items()) params.push_back({{"name", name}, {"value", value}});
  return {{"name", shape.method},
          {"params", std::move(params)},
          {"result", {{"name", "result"}, {"value", parse_example(shape.example_result)}}}};
}

json describe_method(const Method& method, const MethodShape* shape) {
  json out = {{"name", method.name},
              {"summary", method.summary},
              {"paramStructure", "by-name"},
              {"params", describe_params(method, shape)},
              {"result", describe_result(method, shape)},
              {"errors", json::array()},
              {"x-tier", to_string(method.tier)},
              {"x-upgrades", method.upgrades}};
  json& errors = out["errors"];
  for (const ErrorCode code : kCommon) errors.push_back(error_reference(reason_of(code)));
  if (shape == nullptr) return out;
  std::istringstream own{std::string(shape->errors)};
  for (std::string reason; own >> reason;) errors.push_back(error_reference(reason));
  out["examples"] = json::array({describe_example(*shape)});
  return out;
}

}  // namespace

json open_rpc_document(const std::string& title, const std::string& version,
                       const std::vector<Method>& methods, const ApiDetails& details) {
  json described = json::array();
  for (const Method& method : methods)
    described.push_back(describe_method(method, find_shape(details.methods, method.name)));
  json events = json::array();
  for (const EventShape& event : details.events) {
    events.push_back({{"topic", event.topic},
                      {"type", event.type},
                      {"description", event.description},
                      {"schema", schema_of_shape(event.shape)}});
  }
  return {{"openrpc", "1.2.6"},
          {"info", {{"title", title}, {"version", version}}},
          {"methods", std::move(described)},
          {"x-events", std::move(events)},
          {"components", {{"schemas", describe_shapes(details.shapes)}, {"errors", describe_errors()}}}};
}

}  // namespace p2pd::ipc
