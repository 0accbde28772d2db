#include <fmt/format.h>

#include "store/parts.hpp"

namespace p2pd::store {
namespace {

using base::Result;

Result<std::vector<ServiceRow>> select_services(Session& session) {
  std::vector<ServiceRow> services;
  Query query(session.database,
              "SELECT name, target, owner, peer FROM services LEFT JOIN service_peers ON service = name "
              "ORDER BY name, peer");
  while (query.next()) {
    if (services.empty() || services.back().name != query.text(0)) {
      services.push_back({query.text(0), query.text(1), static_cast<std::uint32_t>(query.integer(2)), {}});
    }
    if (!query.null(3)) services.back().allow.push_back(query.peer(3));
  }
  if (query.failed()) return query.error();
  return services;
}

Result<void> write_service(Session& session, const ServiceRow& row) {
  if (row.name.empty()) return store_error(StoreError::invalid, "a service without a name");
  const auto others = session.database.value("SELECT count(*) FROM services WHERE name <> ?", row.name);
  if (!others) return others.error();
  if (static_cast<std::uint64_t>(others->value_or(0)) >= session.options.services) {
    return store_error(StoreError::quota,
                       fmt::format("{} services are the most there may be", session.options.services));
  }
  // Not replaced in place: the peers of the old one go with it.
  if (auto gone = session.database.run("DELETE FROM services WHERE name = ?", row.name); !gone) return gone;
  auto written = session.database.run("INSERT INTO services (name, target, owner) VALUES (?, ?, ?)", row.name,
                                      row.target, static_cast<std::int64_t>(row.owner));
  if (!written) return written;
  for (const base::PeerId& peer : row.allow) {
    const auto known = session.database.value("SELECT 1 FROM peers WHERE id = ?", peer);
    if (!known) return known.error();
    if (!*known) return store_error(StoreError::not_found, "no such peer");
    auto added = session.database.run("INSERT OR IGNORE INTO service_peers (service, peer) VALUES (?, ?)",
                                      row.name, peer);
    if (!added) return added;
  }
  return {};
}

Result<void> delete_service(Session& session, const std::string& name) {
  if (auto deleted = session.database.run("DELETE FROM services WHERE name = ?", name); !deleted) {
    return deleted;
  }
  if (session.database.changes() == 0) return store_error(StoreError::not_found, "no such service");
  return {};
}

}  // namespace

void Store::load_services(Post post, Done<std::vector<ServiceRow>> done) {
  call<std::vector<ServiceRow>>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
                                select_services);
}

void Store::put_service(ServiceRow service, Post post, Done<void> done) {
  call<void>(parts_->writer, JobKind::durable, 0, std::move(post), std::move(done),
             [service = std::move(service)](Session& session) { return write_service(session, service); });
}

void Store::remove_service(std::string name, Post post, Done<void> done) {
  call<void>(parts_->writer, JobKind::durable, 0, std::move(post), std::move(done),
             [name = std::move(name)](Session& session) { return delete_service(session, name); });
}

}  // namespace p2pd::store
