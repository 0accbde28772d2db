#include "net/ice_keepalive.hpp"

#include <cstring>

#include <glib.h>

namespace p2pd::net {

namespace {

constexpr const char* kTimerName = "Connectivity keepalive timeout";
constexpr gint64 kInterval = gint64{25} * 1'000'000;  // microseconds; NICE_AGENT_TIMER_TR_DEFAULT

}  // namespace

void IceKeepalive::SourceUnref::operator()(GSource* source) const { g_source_unref(source); }

bool IceKeepalive::put_off(GMainContext* context, std::int64_t sent_at) {
  // libnice makes a new one each time it has sent.
  if (!source_ || g_source_is_destroyed(source_.get()) != FALSE) find(context);
  if (!source_) return false;
  if (g_source_get_ready_time(source_.get()) < sent_at + kInterval)
    g_source_set_ready_time(source_.get(), sent_at + kInterval);
  return true;
}

// Identifiers are given out in turn: one more source tells how far they have got.
void IceKeepalive::find(GMainContext* context) {
  source_.reset();
  GSource* const probe = g_idle_source_new();
  const guint end = g_source_attach(probe, context);
  g_source_destroy(probe);
  g_source_unref(probe);
  for (guint id = searched_ + 1; id < end; ++id) {
    GSource* const source = g_main_context_find_source_by_id(context, id);
    if (source == nullptr) continue;
    const char* const name = g_source_get_name(source);
    if (name != nullptr && std::strcmp(name, kTimerName) == 0) source_.reset(g_source_ref(source));
  }
  searched_ = end;
}

}  // namespace p2pd::net
