// The memory of ngtcp2's connections. The library takes its list nodes from blocks of 7 to 12 KB, ten a
// connection, of which an idle connection uses the first kilobyte. Each block gets pages of its own here, so
// that the rest of it takes no memory; everything else is malloc's. For all threads, for the whole run.
// Private to net/.
#pragma once

struct ngtcp2_mem;

namespace p2pd::net {

// For ngtcp2_conn_client_new and ngtcp2_conn_server_new; null, ngtcp2's own way, where it would not help.
[[nodiscard]] const ngtcp2_mem* quic_memory();

}  // namespace p2pd::net
