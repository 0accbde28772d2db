#include "ipc/request.hpp"

#include <nlohmann/json.hpp>

#include "base/assert.hpp"
#include "ipc/codec.hpp"

namespace p2pd::ipc {
namespace {

template <class T>
std::optional<T> read(const nlohmann::json& params, std::string_view name,
                      bool (*is)(const nlohmann::json&)) {
  const auto found = params.find(name);
  if (found == params.end()) return std::nullopt;
  P2PD_ASSERT(is(*found));
  return found->get<T>();
}

}  // namespace

std::string_view to_string(Tier tier) {
  switch (tier) {
    case Tier::read:
      return "read";
    case Tier::operate:
      return "operate";
    case Tier::admin:
      return "admin";
  }
  return "admin";
}

Request::Request(nlohmann::json params, ClientInfo client, std::weak_ptr<Outlet> outlet,
                 base::Descriptor descriptor)
    : params_(std::make_unique<nlohmann::json>(std::move(params))),
      client_(client),
      outlet_(std::move(outlet)),
      descriptor_(std::move(descriptor)) {}
Request::Request(Request&&) noexcept = default;
Request& Request::operator=(Request&&) noexcept = default;
Request::~Request() = default;

std::optional<std::string> Request::text(std::string_view name) const {
  return read<std::string>(*params_, name, [](const nlohmann::json& v) { return v.is_string(); });
}

std::optional<std::string_view> Request::text_view(std::string_view name) const {
  const auto found = params_->find(name);
  if (found == params_->end()) return std::nullopt;
  P2PD_ASSERT(found->is_string());
  return found->get_ref<const std::string&>();
}

std::optional<std::int64_t> Request::integer(std::string_view name) const {
  return read<std::int64_t>(*params_, name, [](const nlohmann::json& v) { return v.is_number_integer(); });
}

std::optional<bool> Request::boolean(std::string_view name) const {
  return read<bool>(*params_, name, [](const nlohmann::json& v) { return v.is_boolean(); });
}

std::optional<std::vector<std::string>> Request::texts(std::string_view name) const {
  return read<std::vector<std::string>>(*params_, name, [](const nlohmann::json& v) { return v.is_array(); });
}

Responder::Responder(std::string id, std::function<void(std::string)> deliver)
    : id_(std::move(id)), deliver_(std::move(deliver)) {}

Responder::Responder(Responder&& other) noexcept
    : id_(std::move(other.id_)), deliver_(std::exchange(other.deliver_, nullptr)) {}

Responder& Responder::operator=(Responder&& other) noexcept {
  if (this != &other) {
    if (deliver_) error(ErrorCode::internal_error, "the daemon dropped this request; try again");
    id_ = std::move(other.id_);
    deliver_ = std::exchange(other.deliver_, nullptr);
  }
  return *this;
}

Responder::~Responder() {
  if (deliver_) error(ErrorCode::internal_error, "the daemon dropped this request; try again");
}

void Responder::ok(const nlohmann::json& result) {
  finish(id_.empty() ? std::string() : encode_result(id_, result));
}

void Responder::ok() { ok(nlohmann::json::object()); }

void Responder::ok_text(std::string_view result) {
  finish(id_.empty() ? std::string() : encode_result_text(id_, result));
}

void Responder::error(const ApiError& error) {
  finish(id_.empty() ? std::string() : encode_error(id_, error));
}

void Responder::error(ErrorCode code, std::string message) { error(ApiError(code, std::move(message))); }

void Responder::finish(std::string answer) {
  P2PD_ASSERT(deliver_ != nullptr);
  std::exchange(deliver_, nullptr)(std::move(answer));
}

}  // namespace p2pd::ipc
