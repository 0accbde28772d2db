// watch_folder FOLDER PEER: sends each new file of the folder to the peer, and says when it is there. A file
// is new when it was not there at the start, and complete when it has not changed for a second. p2pd opens no
// file that somebody names: this opens it and hands the descriptor over.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2pd_api.hpp"

using nlohmann::json;
using p2pd_api::Api;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLookEvery{500};
constexpr int kSettled = 2;  // looks without a change

// What changes when a file does.
struct Looks {
  ino_t inode;
  off_t size;
  timespec changed;

  bool operator==(const Looks& other) const {
    return inode == other.inode && size == other.size && changed.tv_sec == other.changed.tv_sec &&
           changed.tv_nsec == other.changed.tv_nsec;
  }
};
struct Growing {
  Looks looks;
  int unchanged;
};

std::map<std::string, Looks> regular_files(const fs::path& folder) {
  std::map<std::string, Looks> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    struct stat about {};
    if (name.front() == '.' || ::lstat(entry.path().c_str(), &about) != 0 || !S_ISREG(about.st_mode))
      continue;
    out.emplace(name, Looks{about.st_ino, about.st_size, about.st_mtim});
  }
  return out;
}

void send(Api& api, const fs::path& folder, const std::string& name, const std::string& peer) {
  const int file = ::open((folder / name).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return std::perror(name.c_str());
  try {
    // `resume`: after a restart of this program, a transfer of the same file is gone on with.
    api.call("file.send", {{"peer", peer}, {"name", name}, {"resume", true}}, file);
  } catch (const p2pd_api::Refused& error) {
    std::cerr << name << ": " << error.what() << "\n";
  }
  ::close(file);
}

void tell(Api& api, const json& event) {
  const std::string type = event.at("type");
  if ((type != "done" && type != "failed" && type != "cancelled") || event.at("direction") != "out") return;
  std::cout << event.at("file").get<std::string>() << ": " << event.value("explanation", type) << std::endl;
  if (type == "done") api.call("file.ack", {{"id", event.at("id")}});
}

void watch(const fs::path& folder, const std::string& peer) {
  Api api;
  const json news = {{"topics", {"file"}}, {"peers", {peer}}};
  api.call("events.subscribe", news);
  std::map<std::string, Looks> known = regular_files(folder);
  std::map<std::string, Growing> growing;
  std::cout << "watching " << folder.string() << std::endl;
  for (auto next_look = Clock::now();;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_look - Clock::now()).count();
    if (api.wait(-1, std::max(0, static_cast<int>(left))) == Api::Ready::event) {
      const json event = api.next_event();
      if (event.at("type") == "overflow") api.call("events.subscribe", news);
      tell(api, event);
      continue;
    }
    next_look = Clock::now() + kLookEvery;
    for (const auto& [name, looks] : regular_files(folder)) {
      const auto before = known.find(name);
      if (before != known.end() && before->second == looks) continue;
      Growing& file = growing.try_emplace(name, Growing{looks, -1}).first->second;
      file = {looks, file.looks == looks ? file.unchanged + 1 : 0};
      if (file.unchanged < kSettled) continue;
      known.insert_or_assign(name, looks);
      growing.erase(name);
      send(api, folder, name, peer);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: watch_folder FOLDER PEER\n", stderr);
    return 2;
  }
  try {
    watch(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "watch_folder: %s\n", error.what());
  }
  return 1;
}
