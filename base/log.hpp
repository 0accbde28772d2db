// The log: one record a line, `level area: text key=value ...`, foreign bytes escaped, to stderr (with syslog
// prefixes and no time stamps under journald). error: someone must act; warn: degraded; info: lifecycle;
// debug: each decision with its reason. Never keys, secrets or payloads. Thread-safe; the level can change at
// run time.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/clock.hpp"
#include "base/peer_id.hpp"

namespace p2pd::base::log {

enum class Level { error, warn, info, debug };

// A field's value, rendered when the record is written.
struct Value {
  std::string text;

  Value(std::string_view value) : text(value) {}
  Value(const std::string& value) : text(value) {}
  Value(const char* value) : text(value) {}
  Value(bool value) : text(value ? "true" : "false") {}
  Value(double value);
  Value(const PeerId& id) : text(id.brief()) {}
  template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) Value(T value) : text(std::to_string(value)) {}
};

struct Field {
  std::string_view key;
  Value value;
};
using Fields = std::initializer_list<Field>;

void set_level(Level level);
[[nodiscard]] Level level();
[[nodiscard]] bool enabled(Level level);
[[nodiscard]] std::optional<Level> parse_level(std::string_view text);
[[nodiscard]] std::string_view to_string(Level level);
// Where records go instead of stderr (tests); an empty function restores stderr.
void set_sink(std::function<void(Level, std::string_view line)> sink);

// From now on the latest records are kept in memory, those below the level too, but for what callers leave
// out after asking enabled(): `records` of debug and as many of the other levels. Call once, at start-up.
void keep_recent(std::size_t records);
struct Record {
  WallTime time;
  Level level = Level::debug;
  std::string text;  // "area: text key=value ..."
};
// The latest `limit` of `level` and what is more severe, the oldest first; none without keep_recent().
[[nodiscard]] std::vector<Record> recent(Level level, std::size_t limit);

void write(Level level, std::string_view area, std::string_view text, Fields fields = {});
inline void error(std::string_view area, std::string_view text, Fields fields = {}) {
  write(Level::error, area, text, fields);
}
inline void warn(std::string_view area, std::string_view text, Fields fields = {}) {
  write(Level::warn, area, text, fields);
}
inline void info(std::string_view area, std::string_view text, Fields fields = {}) {
  write(Level::info, area, text, fields);
}
// Fields are built before the level is checked: on a hot path ask enabled() first.
inline void debug(std::string_view area, std::string_view text, Fields fields = {}) {
  write(Level::debug, area, text, fields);
}

// Control characters, quotes and bytes outside UTF-8 text escaped as \xNN; quoted when it holds a blank.
[[nodiscard]] std::string escape(std::string_view text);

}  // namespace p2pd::base::log
