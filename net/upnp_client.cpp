// UPnP IGD (WANIPConnection:1 and :2, WANPPPConnection:1). libminiupnpc reads the XML; its own client is not
// used, because it blocks, goes wherever an answer points to, and reads answers of any length.
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/multicast.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpreplyparse.h>

#include "base/await.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/within.hpp"
#include "net/gateway_http.hpp"
#include "net/port_protocol.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using base::kAwait;
using base::Result;
using proto::GatewayUrl;
using proto::PortMappingRequest;

// A device waits up to MX (1 s) before it answers (UDA 1.1, 1.3.3).
constexpr std::array kSearches{std::chrono::milliseconds(300), std::chrono::milliseconds(1'300)};
constexpr std::array kTargets{"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
                              "urn:schemas-upnp-org:device:InternetGatewayDevice:2"};
constexpr int kMaxForeign = 64;  // answers of others on the link
constexpr int kOtherPorts = 3;   // tries when a port is taken

// Error codes of WANIPConnection:1, 2.4.16, and :2.
constexpr int kNoSuchEntry = 714;
constexpr int kConflict = 718;
constexpr int kSamePortsRequired = 724;
constexpr int kPermanentOnly = 725;
constexpr int kConflictWithOther = 729;

struct Service {
  GatewayUrl control;
  std::string type;
};

std::string_view text_of(const char* field, std::size_t size) {
  return {field, static_cast<std::size_t>(std::find(field, field + size, '\0') - field)};
}

template <std::size_t N>
std::string_view text_of(const char (&field)[N]) {
  return text_of(field, N);
}

bool is_connection(std::string_view type) {
  return type.starts_with("urn:schemas-upnp-org:service:WANIPConnection:") ||
         type.starts_with("urn:schemas-upnp-org:service:WANPPPConnection:");
}

// Nothing that could end the XML attribute or the header it is put into.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' ||
           c == '-' || c == '_' || c == '.';
  });
}

// Where to send calls: relative to the description, or absolute, but then on the same machine.
std::optional<GatewayUrl> control_url(const GatewayUrl& description, std::string_view control) {
  if (control.find("://") != std::string_view::npos) {
    auto url = GatewayUrl::parse(control);
    return url && url->endpoint.same_address(description.endpoint) ? url : std::nullopt;
  }
  return GatewayUrl::parse(fmt::format("http://{}{}{}", description.endpoint.text(),
                                       control.starts_with('/') ? "" : "/", control));
}

std::vector<Service> services_of(const GatewayUrl& description, const std::string& xml) {
  IGDdatas data{};
  ::parserootdesc(xml.data(), static_cast<int>(xml.size()), &data);
  std::vector<Service> found;
  for (const IGDdatas_service* one : {&data.first, &data.second}) {
    const std::string_view type = text_of(one->servicetype);
    const auto url = control_url(description, text_of(one->controlurl));
    if (!is_connection(type) || !is_plain(type) || !url || text_of(one->controlurl).empty()) continue;
    found.push_back({*url, std::string(type)});
  }
  return found;
}

// The named values of a SOAP answer; the library keeps 127 characters of each.
class SoapAnswer {
 public:
  explicit SoapAnswer(const std::string& xml) {
    ::ParseNameValue(xml.data(), static_cast<int>(xml.size()), &data_);
  }
  ~SoapAnswer() { ::ClearNameValueList(&data_); }
  SoapAnswer(const SoapAnswer&) = delete;
  SoapAnswer& operator=(const SoapAnswer&) = delete;

  [[nodiscard]] std::string value(const char* name) {
    const char* found = ::GetValueFromNameValueList(&data_, name);
    return found == nullptr ? std::string() : std::string(found);
  }

 private:
  NameValueParserData data_{};
};

struct Call {
  int error = 0;  // 0: done; -1: no SOAP error code
  std::string outside;
  std::string internal_client;
};

std::string soap(const Service& service, std::string_view action, std::string_view arguments) {
  return fmt::format(
      "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
      "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:{0} xmlns:u=\"{1}\">{2}"
      "</u:{0}></s:Body></s:Envelope>\r\n",
      action, service.type, arguments);
}

int number_or_minus_one(std::string_view text) {
  int value = 0;
  if (text.empty() || text.size() > 6) return -1;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value == 0 ? -1 : value;
}

asio::awaitable<Result<Call>> call(Service service, std::string action, std::string arguments) {
  const auto answer = co_await ask_gateway(service.control, fmt::format("\"{}#{}\"", service.type, action),
                                           soap(service, action, arguments));
  if (!answer) co_return answer.error();
  SoapAnswer values(answer->body);
  Call result;
  if (answer->status != 200) result.error = number_or_minus_one(values.value("errorCode"));
  result.outside = values.value("NewExternalIPAddress");
  result.internal_client = values.value("NewInternalClient");
  co_return result;
}

base::Error refusal(int code) {
  const auto error = code == kConflict || code == kConflictWithOther || code == kSamePortsRequired
                         ? MappingError::conflict
                     : code == 728 ? MappingError::no_room
                                   : MappingError::refused;
  return mapping_error(error, code < 0 ? "no reason given" : fmt::format("UPnP error {}", code));
}

class UpnpClient final : public PortProtocol {
 public:
  UpnpClient(Gateway gateway, Service service) : gateway_(gateway), service_(std::move(service)) {}

  std::string_view name() const override { return "upnp"; }

  // The address also tells whether the connection is up (WANIPConnection:1, 2.4.18).
  asio::awaitable<Result<proto::Endpoint>> outside_address() {
    const auto answer = co_await call(service_, "GetExternalIPAddress", "");
    if (!answer) co_return answer.error();
    if (answer->error != 0) co_return refusal(answer->error);
    const auto address = proto::Endpoint::from_text(answer->outside, 0);
    if (!address || address->v6) co_return mapping_error(MappingError::bad_address, "no IPv4 address");
    co_return *address;
  }

  asio::awaitable<Result<MappedPort>> map(PortMappingRequest request) override {
    const auto address = co_await outside_address();
    if (!address) co_return address.error();
    MappedPort mapped{*address, std::chrono::seconds(request.lifetime)};
    mapped.external.port = request.external.port != 0 ? request.external.port : request.internal_port;
    int error = 0;
    for (int i = 0; i <= kOtherPorts; ++i) {
      if (permanent_only_) mapped.lifetime = std::chrono::seconds(0);
      const auto answer = co_await add(request.internal_port, mapped);
      if (!answer) co_return answer.error();
      error = answer->error;
      if (error == 0) co_return mapped;
      if (error == kPermanentOnly) {
        permanent_only_ = true;
      } else if (error == kConflict || error == kConflictWithOther) {
        // 49152 and up: RFC 6335 section 6.
        mapped.external.port = static_cast<std::uint16_t>(49'152 + base::random_u64() % 16'384);
      } else {
        break;
      }
    }
    co_return refusal(error);
  }

  asio::awaitable<Result<>> unmap(PortMappingRequest, proto::Endpoint external) override {
    const auto answer =
        co_await call(service_, "DeletePortMapping",
                      fmt::format("<NewRemoteHost></NewRemoteHost><NewExternalPort>{}</NewExternalPort>"
                                  "<NewProtocol>UDP</NewProtocol>",
                                  external.port));
    if (!answer) co_return answer.error();
    if (answer->error != 0 && answer->error != kNoSuchEntry) co_return refusal(answer->error);
    co_return Result<>();
  }

  bool take_lost_state() override { return false; }

 private:
  asio::awaitable<Result<Call>> add(std::uint16_t internal_port, const MappedPort& mapped) {
    std::string arguments = fmt::format(
        "<NewRemoteHost></NewRemoteHost><NewExternalPort>{}</NewExternalPort><NewProtocol>UDP</NewProtocol>"
        "<NewInternalPort>{}</NewInternalPort><NewInternalClient>{}</NewInternalClient><NewEnabled>1"
        "</NewEnabled><NewPortMappingDescription>p2pd</NewPortMappingDescription><NewLeaseDuration>{}"
        "</NewLeaseDuration>",
        mapped.external.port, internal_port, gateway_.local.address_text(), mapped.lifetime.count());
    return call(service_, "AddPortMapping", std::move(arguments));
  }

  const Gateway gateway_;
  const Service service_;
  bool permanent_only_ = false;
};

// The first description that the gateway itself points to. Others on the link answer too, and anyone there
// can claim to be a gateway.
asio::awaitable<std::optional<GatewayUrl>> hear(udp::socket& socket, Gateway gateway) {
  std::array<char, 2'048> buffer;
  for (int foreign = 0; foreign < kMaxForeign; ++foreign) {
    udp::endpoint from;
    const auto [error, size] = co_await socket.async_receive_from(asio::buffer(buffer), from, kAwait);
    if (error) co_return std::nullopt;
    const auto sender = proto::Endpoint::from_text(from.address().to_string(), 0);
    const auto url = proto::parse_ssdp_reply({buffer.data(), size});
    if (!url || sender != gateway.address) continue;
    if (!url->endpoint.v6 && url->endpoint.address == gateway.address.address) co_return url;
    base::log::debug("mapping", "the gateway's UPnP description lies elsewhere, ignored",
                     {{"address", url->endpoint.text()}});
  }
  co_return std::nullopt;
}

asio::awaitable<Result<GatewayUrl>> search(Gateway gateway, PortProtocolPorts ports) {
  udp::socket socket(co_await asio::this_coro::executor);
  boost::system::error_code error;
  const auto local = asio::ip::make_address_v4(gateway.local.address_text(), error);
  if (!error) socket.open(udp::v4(), error);
  if (!error) socket.bind({local, 0}, error);
  if (!error) socket.set_option(asio::ip::multicast::outbound_interface(local), error);
  if (!error) socket.set_option(asio::ip::multicast::hops(2), error);
  if (error) co_return base::Error(error, "cannot search for a gateway");
  const udp::endpoint group(asio::ip::make_address(ports.ssdp.address_text()), ports.ssdp.port);
  for (const auto limit : kSearches) {
    for (const char* const target : kTargets) {
      boost::system::error_code lost;  // as any datagram may be
      socket.send_to(asio::buffer(proto::ssdp_search(target)), group, 0, lost);
    }
    const auto found = co_await base::within(limit, hear(socket, gateway));
    if (found && *found) co_return **found;
  }
  co_return mapping_error(MappingError::no_answer);
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<PortProtocol>>> find_upnp(Gateway gateway, PortProtocolPorts ports) {
  const auto description = co_await search(gateway, ports);
  if (!description) co_return description.error();
  const auto answer = co_await ask_gateway(*description, "", "");
  if (!answer) co_return answer.error();
  base::Error why = mapping_error(MappingError::not_supported);
  for (Service& service : services_of(*description, answer->body)) {
    auto client = std::make_unique<UpnpClient>(gateway, std::move(service));
    const auto outside = co_await client->outside_address();
    if (outside) co_return std::unique_ptr<PortProtocol>(std::move(client));
    why = outside.error();
  }
  co_return why;
}

}  // namespace p2pd::net
