#include "ctl/archive.hpp"

#include <ctime>
#include <memory>

#include <archive.h>
#include <archive_entry.h>

namespace p2pd::ctl {
namespace {

struct FreeArchive {
  void operator()(archive* it) const { archive_write_free(it); }
};
struct FreeEntry {
  void operator()(archive_entry* it) const { archive_entry_free(it); }
};

la_ssize_t append(archive*, void* out, const void* data, std::size_t size) noexcept {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}

base::Error failure(archive* it) {
  const char* why = archive_error_string(it);
  return {make_error_code(boost::system::errc::io_error),
          std::string("the archive cannot be made") + (why == nullptr ? "" : std::string(": ") + why)};
}

}  // namespace

base::Result<std::string> make_archive(const std::vector<ArchiveFile>& files) {
  std::string out;
  const std::unique_ptr<archive, FreeArchive> tar(archive_write_new());
  if (archive_write_add_filter_gzip(tar.get()) != ARCHIVE_OK ||
      archive_write_set_format_pax_restricted(tar.get()) != ARCHIVE_OK ||
      // No zeros behind the compressed stream.
      archive_write_set_bytes_in_last_block(tar.get(), 1) != ARCHIVE_OK ||
      archive_write_open(tar.get(), &out, nullptr, append, nullptr) != ARCHIVE_OK) {
    return failure(tar.get());
  }
  for (const ArchiveFile& file : files) {
    const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), file.path.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0600);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.content.size()));
    archive_entry_set_mtime(entry.get(), std::time(nullptr), 0);
    if (archive_write_header(tar.get(), entry.get()) != ARCHIVE_OK ||
        archive_write_data(tar.get(), file.content.data(), file.content.size()) !=
            static_cast<la_ssize_t>(file.content.size())) {
      return failure(tar.get());
    }
  }
  if (archive_write_close(tar.get()) != ARCHIVE_OK) return failure(tar.get());
  return out;
}

}  // namespace p2pd::ctl
