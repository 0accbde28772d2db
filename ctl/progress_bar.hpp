// A transfer on one line of a terminal, drawn over itself. Lives for one command.
#pragma once

#include <iosfwd>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace p2pd::ctl {

// "[#######.............]  35 %  1.4 GiB of 4.0 GiB  310 MiB/s  0:09 left"; other states than active in
// words.
[[nodiscard]] std::string progress_line(const nlohmann::json& transfer);

class ProgressBar {
 public:
  // Draws nothing unless `terminal`.
  ProgressBar(std::ostream& out, bool terminal) : out_(out), terminal_(terminal) {}
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void draw(const std::string& line);
  // The cursor at the beginning of an empty line.
  void clear();

 private:
  std::ostream& out_;
  const bool terminal_;
  bool drawn_ = false;
};

}  // namespace p2pd::ctl
