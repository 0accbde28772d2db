// The parts of the manual that come from the programs' own tables. Pure functions but for api_methods().
#pragma once

#include <functional>
#include <map>
#include <string>

namespace p2pd::man {

// What may stand alone on a line of a template as @NAME@, and what is put there.
[[nodiscard]] const std::map<std::string, std::function<std::string()>, std::less<>>& sections();

}  // namespace p2pd::man
