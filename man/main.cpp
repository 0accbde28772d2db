// p2pd_manual TEMPLATE PAGE: writes a manual page from its template. At build time only. @VERSION@ may stand
// anywhere, the names of sections() alone on a line; another name is an error, so that no page has a hole.
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>

#include "man/sections.hpp"

namespace {

std::string filled(std::string line) {
  constexpr std::string_view kVersion = "@VERSION@";
  if (line.size() > 2 && line.front() == '@' && line.back() == '@' && line != kVersion) {
    const std::string name = line.substr(1, line.size() - 2);
    const auto found = p2pd::man::sections().find(name);
    if (found == p2pd::man::sections().end()) throw std::runtime_error("there is no section " + name);
    return found->second();
  }
  for (std::size_t at = line.find(kVersion); at != std::string::npos; at = line.find(kVersion)) {
    line.replace(at, kVersion.size(), P2PD_VERSION);
  }
  return line + "\n";
}

void write_page(const char* from, const char* to) {
  std::ifstream in(from);
  if (!in) throw std::runtime_error("cannot read it");
  std::string page;
  for (std::string line; std::getline(in, line);) page += filled(line);
  std::ofstream out(to, std::ios::trunc);
  out << page << std::flush;
  if (!out) throw std::runtime_error(std::string("cannot write ") + to);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: p2pd_manual TEMPLATE PAGE\n", stderr);
    return 3;
  }
  try {
    write_page(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "p2pd_manual: %s: %s\n", argv[1], error.what());
    return 1;
  }
  return 0;
}
