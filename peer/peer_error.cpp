#include "peer/peer_error.hpp"

#include <string>

namespace p2pd::peer {
namespace {

class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "peer"; }
  std::string message(int value) const override {
    switch (static_cast<PeerError>(value)) {
      case PeerError::timed_out:
        return "the peer did not answer in time";
      case PeerError::cancelled:
        return "the connection to the peer was ended here";
      case PeerError::busy:
        return "too many requests to this peer wait already";
    }
    return "unknown peer error";
  }
};

}  // namespace

const boost::system::error_category& peer_category() {
  static const Category category;
  return category;
}

boost::system::error_code make_error_code(PeerError error) {
  return {static_cast<int>(error), peer_category()};
}

}  // namespace p2pd::peer
