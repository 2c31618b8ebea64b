#include "common/http/transport.h"

#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include "absl/strings/str_cat.h"
#include "common/telemetry/log.h"

namespace billmesh::http {
namespace {

namespace net = boost::asio;
using boost::system::error_code;
using tcp = net::ip::tcp;

class PlainTransport : public Transport {
 public:
  explicit PlainTransport(tcp::socket socket) : socket_(std::move(socket)) {}
  void Handshake(Done done) override { done({}, 0); }
  void ReadSome(net::mutable_buffer buffer, Done done) override { socket_.async_read_some(buffer, std::move(done)); }
  void Write(std::array<net::const_buffer, 2> buffers, Done done) override {
    net::async_write(socket_, buffers, std::move(done));
  }
  void FinishWriting(Done done) override {
    error_code ec;
    socket_.shutdown(tcp::socket::shutdown_send, ec);
    done(ec, 0);
  }
  tcp::socket& socket() override { return socket_; }

 private:
  tcp::socket socket_;
};

class TlsTransport : public Transport {
 public:
  TlsTransport(tcp::socket socket, std::shared_ptr<net::ssl::context> context)
      : context_(std::move(context)), stream_(std::move(socket), *context_) {}
  void Handshake(Done done) override {
    stream_.async_handshake(net::ssl::stream_base::server,
                            [done = std::move(done)](const error_code& ec) { done(ec, 0); });
  }
  void ReadSome(net::mutable_buffer buffer, Done done) override { stream_.async_read_some(buffer, std::move(done)); }
  void Write(std::array<net::const_buffer, 2> buffers, Done done) override {
    net::async_write(stream_, buffers, std::move(done));
  }
  void FinishWriting(Done done) override {
    // Sends close_notify and waits for the peer's; a peer that is still sending makes it fail, which is fine.
    stream_.async_shutdown([this, done = std::move(done)](const error_code& ec) {
      error_code ignored;
      socket().shutdown(tcp::socket::shutdown_send, ignored);
      done(ec, 0);
    });
  }
  tcp::socket& socket() override { return stream_.next_layer(); }

 private:
  std::shared_ptr<net::ssl::context> context_;
  net::ssl::stream<tcp::socket> stream_;
};

FileStamp StampOf(const std::string& file) {
  struct stat info;
  if (::stat(file.c_str(), &info) != 0) return {};
  return FileStamp{info.st_ino, info.st_size, info.st_mtim};
}

}  // namespace

std::unique_ptr<Transport> MakePlainTransport(tcp::socket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

std::unique_ptr<Transport> MakeTlsTransport(tcp::socket socket, std::shared_ptr<net::ssl::context> context) {
  return std::make_unique<TlsTransport>(std::move(socket), std::move(context));
}

bool FileStamp::operator==(const FileStamp& other) const {
  return inode == other.inode && size == other.size && modified.tv_sec == other.modified.tv_sec &&
         modified.tv_nsec == other.modified.tv_nsec;
}

absl::StatusOr<std::unique_ptr<TlsCertificate>> TlsCertificate::Load(std::string cert_file, std::string key_file) {
  std::unique_ptr<TlsCertificate> certificate(new TlsCertificate(std::move(cert_file), std::move(key_file)));
  certificate->seen_ = {StampOf(certificate->cert_file_), StampOf(certificate->key_file_)};
  auto context = certificate->Read();
  if (!context.ok()) return context.status();
  certificate->context_ = *std::move(context);
  return certificate;
}

absl::StatusOr<std::shared_ptr<net::ssl::context>> TlsCertificate::Read() const {
  auto context = std::make_shared<net::ssl::context>(net::ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  error_code ec;
  context->use_certificate_chain_file(cert_file_, ec);
  if (ec)
    return absl::InvalidArgumentError(absl::StrCat("cannot use the certificate ", cert_file_, ": ", ec.message()));
  context->use_private_key_file(key_file_, net::ssl::context::pem, ec);  // compares with the certificate, too
  if (ec) return absl::InvalidArgumentError(absl::StrCat("cannot use the key ", key_file_, ": ", ec.message()));
  return context;
}

std::shared_ptr<net::ssl::context> TlsCertificate::Current() {
  const Stamps now = {StampOf(cert_file_), StampOf(key_file_)};
  if (now == seen_) return context_;
  seen_ = now;
  if (auto context = Read(); context.ok()) {
    context_ = *std::move(context);
    telemetry::Info("certificate loaded again", {{"file", cert_file_}});
  } else {
    telemetry::Error("changed certificate refused", {{"error", std::string(context.status().message())}});
  }
  return context_;
}

}  // namespace billmesh::http
