// One accepted connection as bytes, plain or TLS, over Asio; used by server.cc only.
#pragma once

#include <utility>  // Boost 1.74's Asio needs it first as C++20

#include <sys/stat.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace billmesh::http {

// Callbacks run on the socket's executor. At most one read and one write are under way at a time.
class Transport {
 public:
  using Done = std::function<void(const boost::system::error_code&, size_t bytes)>;

  virtual ~Transport() = default;
  virtual void Handshake(Done done) = 0;
  virtual void ReadSome(boost::asio::mutable_buffer buffer, Done done) = 0;
  // All of both buffers, which must live until then.
  virtual void Write(std::array<boost::asio::const_buffer, 2> buffers, Done done) = 0;
  // Says that nothing more will be written.
  virtual void FinishWriting(Done done) = 0;
  virtual boost::asio::ip::tcp::socket& socket() = 0;
};

std::unique_ptr<Transport> MakePlainTransport(boost::asio::ip::tcp::socket socket);
std::unique_ptr<Transport> MakeTlsTransport(boost::asio::ip::tcp::socket socket,
                                            std::shared_ptr<boost::asio::ssl::context> context);

// What changes when a file is replaced or rewritten.
struct FileStamp {
  ino_t inode = 0;
  off_t size = 0;
  timespec modified = {};
  bool operator==(const FileStamp& other) const;
};

// The server's certificate, read again when its files change (CFG-5). A pair that can't be used leaves the last good
// one in place. Not thread safe.
class TlsCertificate {
 public:
  static absl::StatusOr<std::unique_ptr<TlsCertificate>> Load(std::string cert_file, std::string key_file);
  // For a new connection; live ones keep theirs.
  std::shared_ptr<boost::asio::ssl::context> Current();

 private:
  using Stamps = std::pair<FileStamp, FileStamp>;

  TlsCertificate(std::string cert_file, std::string key_file)
      : cert_file_(std::move(cert_file)), key_file_(std::move(key_file)) {}
  absl::StatusOr<std::shared_ptr<boost::asio::ssl::context>> Read() const;

  const std::string cert_file_, key_file_;
  Stamps seen_;  // of the files that were last tried
  std::shared_ptr<boost::asio::ssl::context> context_;
};

}  // namespace billmesh::http
