#include "ipc/method_table.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <nlohmann/json.hpp>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "ipc/access.hpp"
#include "ipc/open_rpc.hpp"

namespace p2pd::ipc {
namespace {

using nlohmann::json;

[[nodiscard]] bool has(Type type, Type bit) {
  return (static_cast<unsigned>(type) & static_cast<unsigned>(bit)) != 0;
}

// One row a bit of Type: what it accepts, what it is called, its JSON schema.
struct TypeRow {
  Type bit;
  std::string_view words;
  bool (*accepts)(const json&);
  json (*schema)();
};

bool fits_64_signed_bits(const json& value) {
  if (value.is_number_unsigned()) {
    return value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  }
  return value.is_number_integer();
}

constexpr std::array<TypeRow, 9> kTypes{{
    {Type::text, "a string", [](const json& v) { return v.is_string(); },
     [] {
       return json{{"type", "string"}};
     }},
    {Type::integer, "an integer", fits_64_signed_bits,
     [] {
       return json{{"type", "integer"}};
     }},
    {Type::count, "an integer of at least 0",
     [](const json& v) { return fits_64_signed_bits(v) && v.get<std::int64_t>() >= 0; },
     [] {
       return json{{"type", "integer"}, {"minimum", 0}};
     }},
    {Type::number, "a number", [](const json& v) { return v.is_number(); },
     [] {
       return json{{"type", "number"}};
     }},
    {Type::boolean, "true or false", [](const json& v) { return v.is_boolean(); },
     [] {
       return json{{"type", "boolean"}};
     }},
    {Type::object, "an object", [](const json& v) { return v.is_object(); },
     [] {
       return json{{"type", "object"}};
     }},
    {Type::array, "an array", [](const json& v) { return v.is_array(); },
     [] {
       return json{{"type", "array"}};
     }},
    {Type::texts, "an array of strings",
     [](const json& v) {
       return v.is_array() && std::all_of(v.begin(), v.end(), [](const json& e) { return e.is_string(); });
     },
     [] {
       return json{{"type", "array"}, {"items", {{"type", "string"}}}};
     }},
    {Type::null, "null", [](const json& v) { return v.is_null(); },
     [] {
       return json{{"type", "null"}};
     }},
}};

bool accepts(Type type, const json& value) {
  return std::any_of(kTypes.begin(), kTypes.end(),
                     [&](const TypeRow& row) { return has(type, row.bit) && row.accepts(value); });
}

std::string names_of(const std::vector<Param>& params) {
  std::string out;
  for (const Param& param : params) out += (out.empty() ? "`" : ", `") + param.name + "`";
  return out;
}

// The sentence about the first parameter that the row does not allow; empty when all is well.
std::string check_params(const Method& method, const json& params) {
  for (const Param& param : method.params) {
    const auto found = params.find(param.name);
    if (found == params.end()) {
      if (param.presence == Presence::optional) continue;
      return "parameter `" + param.name + "` of " + method.name + " is missing: give " + describe(param.type);
    }
    if (!accepts(param.type, *found)) {
      return "parameter `" + param.name + "` of " + method.name + " has to be " + describe(param.type);
    }
  }
  for (const auto& [name, value] : params.items()) {
    const auto is_named = [&key = name](const Param& param) { return param.name == key; };
    if (std::any_of(method.params.begin(), method.params.end(), is_named)) continue;
    return method.name + " has no parameter `" + name.substr(0, 64) + "`" +
           (method.params.empty() ? ": it takes none" : "; it takes " + names_of(method.params));
  }
  return {};
}

}  // namespace

std::string describe(Type type) {
  std::string out;
  for (const TypeRow& row : kTypes) {
    if (!has(type, row.bit)) continue;
    if (!out.empty()) out += " or ";
    out += row.words;
  }
  return out;
}

json schema_of(Type type) {
  json any = json::array();
  for (const TypeRow& row : kTypes) {
    if (has(type, row.bit)) any.push_back(row.schema());
  }
  return any.size() == 1 ? any.front() : json{{"anyOf", any}};
}

MethodTable::MethodTable(std::string title, std::string version)
    : title_(std::move(title)),
      version_(std::move(version)),
      way_to_([](Tier tier) { return AccessRules().way_to(tier); }) {
  Method method;
  method.name = "rpc.discover";
  method.tier = Tier::read;
  method.summary = "Describes this API.";
  method.result = "an OpenRPC 1.2.6 document";
  method.fields = {{"openrpc", Type::text, "the version of OpenRPC"},
                   {"info", Type::object, "title and version of this API"},
                   {"methods", Type::array, "every method"},
                   {"components", Type::object, "schemas and errors that methods refer to"}};
  method.handler = [this](const Request&, Responder responder) { responder.ok(discover()); };
  add(std::move(method));
}

void MethodTable::add(Method method) {
  P2PD_ASSERT(method.handler != nullptr);
  P2PD_ASSERT(find(method.name) == nullptr);
  methods_.push_back(std::move(method));
}

void MethodTable::call(std::string_view name, Request request, Responder responder) const {
  const Method* const method = find(name);
  if (method == nullptr) {
    return responder.error(
        ErrorCode::method_not_found,
        "there is no method `" + std::string(name.substr(0, 64)) + "`: rpc.discover lists all");
  }
  if (request.client().tier < method->tier) {
    return responder.error(ErrorCode::not_permitted,
                           method->name + " needs the tier " + std::string(to_string(method->tier)) +
                               ", you have " + std::string(to_string(request.client().tier)) + ": " +
                               way_to(method->tier));
  }
  std::string wrong = check_params(*method, request.params());
  if (!wrong.empty()) return responder.error(ErrorCode::invalid_params, std::move(wrong));
  // The Responder moves into the handler: when that throws, its destructor has answered already.
  try {
    method->handler(std::move(request), std::move(responder));
  } catch (const std::exception& error) {
    base::log::error("ipc", "a handler failed", {{"method", method->name}, {"error", error.what()}});
  }
}

bool MethodTable::upgrades(std::string_view name) const {
  const Method* method = find(name);
  return method != nullptr && method->upgrades;
}

json MethodTable::discover() const { return open_rpc_document(title_, version_, methods_, details_); }

const Method* MethodTable::find(std::string_view name) const {
  const auto found = std::find_if(methods_.begin(), methods_.end(),
                                  [&](const Method& method) { return method.name == name; });
  return found == methods_.end() ? nullptr : &*found;
}

}  // namespace p2pd::ipc
