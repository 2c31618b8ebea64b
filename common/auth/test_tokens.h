// Keys and tokens for tests: everything that a token issuer, honest or not, could send.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nlohmann/json.hpp"

struct evp_pkey_st;

namespace billmesh::auth {

// A fresh private key; aborts where OpenSSL can't make one.
class TestKey {
 public:
  static TestKey Rsa(const std::string& kid, unsigned bits = 2048);
  static TestKey P256(const std::string& kid);
  static TestKey Ed25519(const std::string& kid);

  // The public JWK with kid, alg and use.
  nlohmann::json Jwk() const;
  // {"alg", "kid", "typ": "JWT"}.
  nlohmann::json Header() const;
  // The compact token of any header and payload text, signed with this key by its own algorithm whatever the header
  // says.
  std::string Sign(const nlohmann::json& header, std::string_view payload) const;
  std::string Sign(const nlohmann::json& claims) const { return Sign(Header(), claims.dump()); }
  // The private key as PEM (PKCS #8), and the public one.
  std::string PrivatePem() const;
  std::string PublicPem() const;

 private:
  TestKey(std::string kid, std::string alg, evp_pkey_st* key);
  std::string kid_;
  std::string alg_;
  std::shared_ptr<evp_pkey_st> key_;
};

// {"keys": […]}.
std::string TestJwks(const std::vector<nlohmann::json>& keys);

// A file below the system's directory for temporary files, removed with this object.
class TestFile {
 public:
  explicit TestFile(std::string_view content);
  ~TestFile();
  TestFile(const TestFile&) = delete;
  const std::string& path() const { return path_; }
  // Replaces the file atomically, as a rotation does.
  void Replace(std::string_view content);

 private:
  std::string path_;
};

}  // namespace billmesh::auth
