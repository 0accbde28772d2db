// A handler of a variant's alternatives, made of one for each: std::visit(Overloaded{[](A) {}, [](B) {}},
// value).
#pragma once

namespace p2pd::base {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

}  // namespace p2pd::base
