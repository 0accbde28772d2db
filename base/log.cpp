#include "base/log.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/log_ring.hpp"

namespace p2pd::base::log {
namespace {

std::atomic<Level> g_level{Level::info};
std::mutex g_sink_mutex;
std::function<void(Level, std::string_view)> g_sink;
std::atomic<bool> g_keeping{false};
std::mutex g_ring_mutex;
std::unique_ptr<Ring> g_ring;  // never taken away again

// journald reads "<N>" in front of a line as the syslog priority and stamps the time itself. The variable is
// inherited by programs whose stderr goes elsewhere: systemd.exec(5) says to compare it with the descriptor.
bool to_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return false;
  return fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

int syslog_priority(Level level) {
  switch (level) {
    case Level::error:
      return 3;
    case Level::warn:
      return 4;
    case Level::info:
      return 6;
    case Level::debug:
      return 7;
  }
  return 7;
}

}  // namespace

Value::Value(double value) : text(fmt::format("{:.3f}", value)) {}

void set_level(Level level) { g_level = level; }
Level level() { return g_level; }
bool enabled(Level level) { return level <= g_level.load(std::memory_order_relaxed); }

std::optional<Level> parse_level(std::string_view text) {
  for (const Level level : {Level::error, Level::warn, Level::info, Level::debug}) {
    if (text == to_string(level)) return level;
  }
  return std::nullopt;
}

std::string_view to_string(Level level) {
  switch (level) {
    case Level::error:
      return "error";
    case Level::warn:
      return "warn";
    case Level::info:
      return "info";
    case Level::debug:
      return "debug";
  }
  return "debug";
}

void keep_recent(std::size_t records) {
  const std::lock_guard lock(g_ring_mutex);
  g_ring = std::make_unique<Ring>(records);
  g_keeping = true;
}

std::vector<Record> recent(Level level, std::size_t limit) {
  const std::lock_guard lock(g_ring_mutex);
  return g_ring ? g_ring->latest(level, limit) : std::vector<Record>();
}

void set_sink(std::function<void(Level, std::string_view)> sink) {
  const std::lock_guard lock(g_sink_mutex);
  g_sink = std::move(sink);
}

std::string escape(std::string_view text) {
  std::string out;
  bool quote = text.empty();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      quote = quote || c == ' ' || c == '=';
      out.push_back(c);
    }
  }
  return quote ? '"' + out + '"' : out;
}

void write(Level level, std::string_view area, std::string_view text, Fields fields) {
  const bool keep = g_keeping.load(std::memory_order_relaxed);
  if (!enabled(level) && !keep) return;
  std::string line = fmt::format("{} {}: ", to_string(level), area);
  for (const char c : text) line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  for (const Field& field : fields) {
    line.push_back(' ');
    line.append(field.key);
    line.push_back('=');
    line += escape(field.value.text);
  }
  const WallTime now = wall_now();
  if (keep) {
    const std::lock_guard lock(g_ring_mutex);
    g_ring->push(now, level, std::string_view(line).substr(to_string(level).size() + 1));
    if (!enabled(level)) return;
  }
  const std::lock_guard lock(g_sink_mutex);
  if (g_sink) {
    g_sink(level, line);
    return;
  }
  const std::string record = to_journal() ? fmt::format("<{}>{}\n", syslog_priority(level), line)
                                          : fmt::format("{} {}\n", to_rfc3339(now), line);
  // One write a record, so that records of several processes on one terminal do not mix.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, record.data(), record.size());
}

}  // namespace p2pd::base::log
