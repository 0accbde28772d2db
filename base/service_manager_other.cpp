#include "base/service_manager.hpp"

// launchd and rc.d watch the process alone and are told nothing.
namespace p2pd::base {

ServiceManager ServiceManager::from_environment() { return {}; }
void ServiceManager::ready(std::string_view) const {}
void ServiceManager::reloading() const {}
void ServiceManager::stopping() const {}
void ServiceManager::status(std::string_view) const {}
void ServiceManager::alive() const {}
void ServiceManager::send(std::string_view, Urgency) const {}

}  // namespace p2pd::base
