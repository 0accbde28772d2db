// A gateway of the test's making, on loopback and the test's io_context: a PCP or NAT-PMP server on a UDP
// port, an SSDP responder and an HTTP server, each saying what the test wants.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include "base/bytes.hpp"
#include "net/port_mapper.hpp"

namespace p2pd::net::test {

namespace asio = boost::asio;

// Answers each datagram with what `answer` makes of it; nothing: stays silent.
class FakeUdp {
 public:
  using Answer = std::function<std::optional<base::Bytes>(base::ByteView)>;

  FakeUdp(asio::io_context& io, Answer answer)
      : socket_(io, {asio::ip::address_v4::loopback(), 0}), answer_(std::move(answer)) {
    receive();
  }
  [[nodiscard]] std::uint16_t port() const { return socket_.local_endpoint().port(); }

 private:
  void receive() {
    socket_.async_receive_from(asio::buffer(buffer_), from_,
                               [this](const boost::system::error_code& error, std::size_t size) {
                                 if (error) return;
                                 if (const auto reply = answer_(base::ByteView(buffer_).first(size)))
                                   socket_.send_to(asio::buffer(*reply), from_);
                                 receive();
                               });
  }

  asio::ip::udp::socket socket_;
  asio::ip::udp::endpoint from_;
  std::array<std::uint8_t, 2048> buffer_{};
  Answer answer_;
};

// Answers each request with what `answer` makes of it, and closes. Nothing: holds the connection open.
class FakeHttp {
 public:
  using Answer = std::function<std::optional<std::string>(const std::string& request)>;

  FakeHttp(asio::io_context& io, Answer answer)
      : acceptor_(io, {asio::ip::address_v4::loopback(), 0}), answer_(std::move(answer)) {
    accept();
  }
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  struct Client {
    explicit Client(asio::ip::tcp::socket accepted) : socket(std::move(accepted)) {}
    asio::ip::tcp::socket socket;
    asio::streambuf in;
    std::string out;
  };

  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, asio::ip::tcp::socket socket) {
      if (error) return;
      serve(std::make_shared<Client>(std::move(socket)));
      accept();
    });
  }
  // SOAP calls end with their envelope, others with their header.
  void serve(std::shared_ptr<Client> client) {
    asio::async_read_until(client->socket, client->in, "\r\n\r\n",
                           [this, client](const boost::system::error_code& error, std::size_t) {
                             if (error) return;
                             const auto data = client->in.data();
                             const std::string head(asio::buffers_begin(data), asio::buffers_end(data));
                             if (!head.starts_with("POST")) return respond(client);
                             asio::async_read_until(
                                 client->socket, client->in, "</s:Envelope>\r\n",
                                 [this, client](const boost::system::error_code& cut, std::size_t) {
                                   if (!cut) respond(client);
                                 });
                           });
  }
  void respond(const std::shared_ptr<Client>& client) {
    const auto data = client->in.data();
    const auto reply = answer_(std::string(asio::buffers_begin(data), asio::buffers_end(data)));
    if (!reply) return held_.push_back(client);
    client->out = *reply;
    asio::async_write(client->socket, asio::buffer(client->out),
                      [client](const boost::system::error_code&, std::size_t) {});
  }

  asio::ip::tcp::acceptor acceptor_;
  Answer answer_;
  std::vector<std::shared_ptr<Client>> held_;
};

[[nodiscard]] inline std::string http_ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

[[nodiscard]] inline std::string soap_reply(const std::string& arguments) {
  return http_ok(
      "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>"
      "<u:R xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\">" +
      arguments + "</u:R></s:Body></s:Envelope>");
}

[[nodiscard]] inline std::string soap_error(int code) {
  const std::string body =
      "<?xml version=\"1.0\"?><s:Envelope><s:Body><s:Fault><detail><UPnPError><errorCode>" +
      std::to_string(code) + "</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>";
  return "HTTP/1.1 500 Internal Server Error\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

[[nodiscard]] inline std::string description(const std::string& control) {
  return "<?xml "
         "version=\"1.0\"?><root><device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1"
         "</deviceType><serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1"
         "</serviceType><controlURL>" +
         control + "</controlURL></service></serviceList></device></root>";
}

}  // namespace p2pd::net::test
