#include "net/default_gateway.hpp"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;

constexpr std::uint32_t kUp = 0x1;  // RTF_UP, RTF_GATEWAY
constexpr std::uint32_t kViaGateway = 0x2;

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (true) {
    const auto begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return out;
    const auto end = line.find_first_of(" \t", begin);
    out.push_back(line.substr(begin, end - begin));
    if (end == std::string_view::npos) return out;
    line.remove_prefix(end);
  }
}

std::optional<std::uint32_t> number(std::string_view text, int base) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<proto::Endpoint> gateway_of_route_table(std::string_view table) {
  std::optional<proto::Endpoint> best;
  std::uint32_t best_metric = std::numeric_limits<std::uint32_t>::max();
  while (!table.empty()) {
    const auto end = table.find('\n');
    const auto fields = fields_of(table.substr(0, end));
    table.remove_prefix(end == std::string_view::npos ? table.size() : end + 1);
    // Iface Destination Gateway Flags RefCnt Use Metric Mask ...
    if (fields.size() < 8) continue;
    const auto destination = number(fields[1], 16);
    const auto gateway = number(fields[2], 16);
    const auto flags = number(fields[3], 16);
    const auto metric = number(fields[6], 10);
    const auto mask = number(fields[7], 16);
    if (!destination || !gateway || !flags || !metric || !mask) continue;
    if (*destination != 0 || *mask != 0 || (*flags & (kUp | kViaGateway)) != (kUp | kViaGateway)) continue;
    if (best && *metric >= best_metric) continue;
    // The kernel prints the address as it lies in memory, read as one number of this machine.
    proto::Endpoint endpoint;
    std::memcpy(endpoint.address.data(), &*gateway, sizeof *gateway);
    best = endpoint;
    best_metric = *metric;
  }
  return best;
}

// Connecting a UDP socket sends nothing; it makes the kernel choose.
std::optional<proto::Endpoint> source_address(const proto::Endpoint& to) {
  asio::io_context io;
  udp::socket socket(io);
  boost::system::error_code error;
  const auto address = asio::ip::make_address(to.address_text(), error);
  if (!error) socket.open(to.v6 ? udp::v6() : udp::v4(), error);
  if (!error) socket.connect({address, to.port == 0 ? std::uint16_t{9} : to.port}, error);
  if (error) return std::nullopt;
  const udp::endpoint local = socket.local_endpoint(error);
  if (error) return std::nullopt;
  return proto::Endpoint::from_text(local.address().to_string(), 0);
}

}  // namespace p2pd::net
