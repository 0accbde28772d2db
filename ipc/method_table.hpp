// The API as a table: a row says what a method is called, who may call it, what it takes and gives.
// Parameters are checked against the row before the handler runs, and `rpc.discover` is made from the same
// rows, so neither can drift from the other. Filled at start by its owner, then only read; server's thread.
// Outlives the Server that uses it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "ipc/request.hpp"

namespace p2pd::ipc {

// JSON types a value may have; a row may allow several (Type::text | Type::boolean).
enum class Type : unsigned {
  text = 1,     // a string
  integer = 2,  // within 64 signed bits
  count = 4,    // an integer of at least 0
  number = 8,   // integers too
  boolean = 16,
  object = 32,
  array = 64,
  texts = 128,  // an array of strings
  null = 256,   // in results
};
[[nodiscard]] constexpr Type operator|(Type a, Type b) {
  return static_cast<Type>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
// "a string", "a string or true or false", for error sentences.
[[nodiscard]] std::string describe(Type type);
// Its JSON schema.
[[nodiscard]] nlohmann::json schema_of(Type type);

enum class Presence { required, optional };

struct Param {
  std::string name;
  Type type = Type::text;
  Presence presence = Presence::required;
  std::string description;
};

struct ResultField {
  std::string name;
  Type type = Type::text;
  std::string description;
};

struct Method {
  std::string name;
  Tier tier = Tier::admin;
  std::string summary;
  std::vector<Param> params;
  std::string result;               // what the result object is
  std::vector<ResultField> fields;  // what stands in it; unknown keys may appear
  Handler handler;
  // Without a descriptor beside it, it makes its connection a byte stream (Outlet::hand_over): it has to be
  // the only call there, and after an error the connection is closed, for what follows is no request.
  bool upgrades = false;
};

// What there is to say of methods beyond their rows, for programs that read rpc.discover. Shapes are written
// as ipc/schema.hpp says.
struct NamedShape {
  std::string_view name;
  std::string_view shape;
  std::string_view description;
};
struct MethodShape {
  std::string_view method;
  std::string_view params;  // an object; parameters of which the row's type says too little
  std::string_view result;
  std::string_view errors;  // reasons, with blanks between them, beside those that every method can answer
  std::string_view example_params;  // JSON
  std::string_view example_result;
};
struct EventShape {
  std::string_view topic;
  std::string_view type;
  std::string_view shape;  // of what it has beside the keys that every event has
  std::string_view description;
};
struct ApiDetails {
  std::span<const NamedShape> shapes;
  std::span<const MethodShape> methods;
  std::span<const EventShape> events;
};

class MethodTable {
 public:
  // `title` and `version` head the OpenRPC document. Has rpc.discover (tier read) from the start.
  MethodTable(std::string title, std::string version);
  MethodTable(const MethodTable&) = delete;
  MethodTable& operator=(const MethodTable&) = delete;

  // How whoever is refused can get a tier: the end of a sentence. Called with each refusal, as it may change.
  void set_way_to(std::function<std::string(Tier)> way_to) { way_to_ = std::move(way_to); }
  [[nodiscard]] std::string way_to(Tier tier) const { return way_to_(tier); }

  // `details` are constant tables.
  void set_details(ApiDetails details) { details_ = details; }

  // Asserts that the name is new and the row has a handler.
  void add(Method method);
  [[nodiscard]] const std::vector<Method>& methods() const { return methods_; }

  // Checks name, tier and parameters, then runs the handler; a failed check or a throwing handler is answered
  // here.
  void call(std::string_view method, Request request, Responder responder) const;

  [[nodiscard]] bool upgrades(std::string_view method) const;

  // The OpenRPC 1.2.6 document.
  [[nodiscard]] nlohmann::json discover() const;

 private:
  [[nodiscard]] const Method* find(std::string_view name) const;

  std::string title_;
  std::string version_;
  std::vector<Method> methods_;
  std::function<std::string(Tier)> way_to_;
  ApiDetails details_;
};

}  // namespace p2pd::ipc
