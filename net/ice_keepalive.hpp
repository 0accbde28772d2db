// libnice's keepalives, where they are not needed. It sends one each 25 s whatever else goes by the pair, and
// wakes up three times for it, at each end once; RFC 8445 section 11 wants one only when nothing was sent for
// so long. There is no call to say so: the timer is found in the agent's context by its name. Where a libnice
// names it otherwise nothing is found, and it sends as it always did. Private to net/. Owned by an
// IceSession, on the thread that runs the context; may outlive the context.
#pragma once

#include <cstdint>
#include <memory>

typedef struct _GMainContext GMainContext;
typedef struct _GSource GSource;

namespace p2pd::net {

class IceKeepalive {
 public:
  // Something was sent on the selected pair at `sent_at` (g_get_monotonic_time(), microseconds): the next
  // keepalive is due 25 s later. Returns whether there is a timer to be put off.
  bool put_off(GMainContext* context, std::int64_t sent_at);

 private:
  struct SourceUnref {
    void operator()(GSource* source) const;
  };

  void find(GMainContext* context);

  std::unique_ptr<GSource, SourceUnref> source_;
  unsigned searched_ = 0;  // identifiers of sources up to here
};

}  // namespace p2pd::net
