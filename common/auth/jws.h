// Signed tokens: JWS in compact form (RFC 7515) with the three algorithms that we take, and the key sets (JWKS, RFC
// 7517) that they verify against. No HMAC and no `none`: a public key can never be used as a shared secret (TEN-2).
// Shared by the browser's tokens (jwt.h) and the edge's user assertion (user_assertion.h). Everything here is immutable
// once made, and thread safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace billmesh::auth {

inline constexpr size_t kMaxTokenBytes = 8 << 10;
inline constexpr size_t kMaxJwksBytes = 256 << 10;
inline constexpr size_t kMaxJwksKeys = 64;
inline constexpr size_t kMaxKeyIdBytes = 256;

// The algorithm is a property of the key; a token's `alg` must agree with it.
enum class JwsAlgorithm {
  kRs256,  // RSA of 2048 to 8192 bits
  kEs256,  // P-256
  kEdDsa,  // Ed25519
};

class VerificationKey {
 public:
  VerificationKey(std::string kid, JwsAlgorithm algorithm, std::shared_ptr<evp_pkey_st> key)
      : kid_(std::move(kid)), algorithm_(algorithm), key_(std::move(key)) {}
  const std::string& kid() const { return kid_; }
  JwsAlgorithm algorithm() const { return algorithm_; }
  // Whether the signature (in JWS form) over the input was made with this key.
  bool Verifies(std::string_view signing_input, std::string_view signature) const;

 private:
  std::string kid_;
  JwsAlgorithm algorithm_;
  std::shared_ptr<evp_pkey_st> key_;
};

class KeySet {
 public:
  // Reads a JWKS document. Keys of other types, for other uses or without `kid` are left out, as providers mix them; a
  // malformed key of a type that we take, two keys under one kid, or a set without any usable key is invalid_argument.
  static absl::StatusOr<std::shared_ptr<const KeySet>> Parse(std::string_view jwks);
  // nullptr if there is none.
  const VerificationKey* Find(std::string_view kid) const;
  size_t size() const { return keys_.size(); }

 private:
  std::vector<VerificationKey> keys_;
};

// A token taken apart, not yet verified.
struct Jws {
  JwsAlgorithm algorithm;
  std::string kid;
  std::string type;           // `typ`, lower case; empty if absent
  std::string payload;        // decoded; not to be believed before the signature is verified
  std::string signing_input;  // header.payload as received
  std::string signature;      // decoded
};

// UNAUTHENTICATED for anything but three strict base64url parts within kMaxTokenBytes whose header is a JSON object
// with a known `alg`, a `kid` and no `crit`.
absl::StatusOr<Jws> ParseJws(std::string_view token);
// UNAUTHENTICATED unless the key's algorithm is the token's and the signature is right.
absl::Status VerifyJws(const Jws& jws, const VerificationKey& key);

// A P-256 private key.
class SigningKey {
 public:
  // invalid_argument unless the PEM holds a P-256 private key.
  static absl::StatusOr<std::shared_ptr<const SigningKey>> FromPem(std::string_view pem);
  // The RFC 7638 thumbprint of the public key.
  const std::string& kid() const { return kid_; }
  // ES256 in compact form, with kid and typ in the header.
  absl::StatusOr<std::string> Sign(std::string_view type, std::string_view payload) const;
  // {"keys":[…]} with the public key.
  std::string PublicJwks() const;

 private:
  SigningKey() = default;
  std::shared_ptr<evp_pkey_st> key_;
  std::string kid_;
  std::string x_, y_;  // base64url
};

}  // namespace billmesh::auth
