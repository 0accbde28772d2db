// Typed access to the merged values of all sources, for the functions that interpret them. What is wrong is
// collected, so that one look at the errors mends all. Lives as long as one reading of the options; any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "daemon/option_sources.hpp"

namespace p2pd::daemon {

class OptionReader {
 public:
  explicit OptionReader(OptionSources& sources) : sources_(sources) {}

  // The empty value is an option's default.
  [[nodiscard]] std::vector<OptionValue> list(std::string_view name) const {
    const auto found = sources_.values.find(name);
    std::vector<OptionValue> out;
    if (found == sources_.values.end()) return out;
    for (const OptionValue& value : found->second) {
      if (!value.text.empty()) out.push_back(value);
    }
    return out;
  }
  [[nodiscard]] std::optional<OptionValue> one(std::string_view name) const {
    auto values = list(name);
    if (values.empty()) return std::nullopt;
    return std::move(values.front());
  }
  void choice(std::string_view name, std::string_view yes, std::string_view no, bool& out) {
    const auto value = one(name);
    if (!value) return;
    if (value->text != yes && value->text != no)
      return wrong(*value, fmt::format("{} is '{}'; it can be {} or {}", name, value->text, yes, no));
    out = value->text == yes;
  }
  void wrong(const OptionValue& value, std::string_view why) {
    sources_.errors.push_back(fmt::format("{}: {}", value.place, why));
  }
  void wrong(std::string why) { sources_.errors.push_back(std::move(why)); }

 private:
  OptionSources& sources_;
};

}  // namespace p2pd::daemon
