// KeySet of jws.h: JWKS documents.
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/auth/jws.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::auth {
namespace {

constexpr size_t kCoordinateBytes = 32;  // of a point of P-256
constexpr size_t kEd25519KeyBytes = 32;
constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;
constexpr size_t kMaxRsaExponentBytes = 8;

using PublicKey = std::shared_ptr<EVP_PKEY>;
using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;

// A base64url member decoded; empty if it is absent or malformed.
std::string Decoded(const nlohmann::json& jwk, const char* name) {
  const auto it = jwk.find(name);
  if (it == jwk.end() || !it->is_string()) return "";
  return crypto::Base64UrlDecode(it->get_ref<const std::string&>()).value_or("");
}

// nullptr, or a string that differs: not as asked. An absent member is taken as `expected`.
bool IsOrAbsent(const nlohmann::json& jwk, const char* name, std::string_view expected) {
  const auto it = jwk.find(name);
  return it == jwk.end() || (it->is_string() && it->get_ref<const std::string&>() == expected);
}

bool Is(const nlohmann::json& jwk, const char* name, std::string_view expected) {
  return jwk.contains(name) && IsOrAbsent(jwk, name, expected);
}

PublicKey FromParams(const char* type, OSSL_PARAM_BLD* builder) {
  const std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> params(OSSL_PARAM_BLD_to_param(builder),
                                                                       &OSSL_PARAM_free);
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr), &EVP_PKEY_CTX_free);
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  PublicKey owned(key, &EVP_PKEY_free);
  // A point that isn't on the curve, an even RSA modulus: refused here.
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> check(
      EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr), &EVP_PKEY_CTX_free);
  return check != nullptr && EVP_PKEY_public_check(check.get()) == 1 ? owned : nullptr;
}

PublicKey ReadRsa(const nlohmann::json& jwk) {
  const std::string n = Decoded(jwk, "n");
  const std::string e = Decoded(jwk, "e");
  if (n.empty() || e.empty() || e.size() > kMaxRsaExponentBytes || n.size() > kMaxRsaBits / 8) return nullptr;
  const auto number = [](const std::string& bytes) {
    return Number(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), nullptr),
        &BN_free);
  };
  const Number modulus = number(n);
  const Number exponent = number(e);
  if (modulus == nullptr || exponent == nullptr || BN_num_bits(modulus.get()) < kMinRsaBits ||
      !BN_is_odd(exponent.get()) || BN_is_one(exponent.get())) {
    return nullptr;
  }
  const std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)> builder(OSSL_PARAM_BLD_new(),
                                                                                &OSSL_PARAM_BLD_free);
  if (builder == nullptr || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return nullptr;
  }
  return FromParams("RSA", builder.get());
}

PublicKey ReadP256(const nlohmann::json& jwk) {
  const std::string x = Decoded(jwk, "x");
  const std::string y = Decoded(jwk, "y");
  if (x.size() != kCoordinateBytes || y.size() != kCoordinateBytes) return nullptr;
  const std::string point = absl::StrCat("\x04", x, y);  // uncompressed
  const std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)> builder(OSSL_PARAM_BLD_new(),
                                                                                &OSSL_PARAM_BLD_free);
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1) {
    return nullptr;
  }
  return FromParams("EC", builder.get());
}

PublicKey ReadEd25519(const nlohmann::json& jwk) {
  const std::string x = Decoded(jwk, "x");
  if (x.size() != kEd25519KeyBytes) return nullptr;
  return PublicKey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                               reinterpret_cast<const unsigned char*>(x.data()), x.size()),
                   &EVP_PKEY_free);
}

struct KeyType {
  std::string_view kty;
  std::string_view crv;  // empty: the type has none
  std::string_view alg;
  JwsAlgorithm algorithm;
  PublicKey (*read)(const nlohmann::json&);
};
constexpr KeyType kKeyTypes[] = {
    {"RSA", "", "RS256", JwsAlgorithm::kRs256, &ReadRsa},
    {"EC", "P-256", "ES256", JwsAlgorithm::kEs256, &ReadP256},
    {"OKP", "Ed25519", "EdDSA", JwsAlgorithm::kEdDsa, &ReadEd25519},
};

// The type of a key that is meant for verifying what we take; nullptr for all others.
const KeyType* TypeOf(const nlohmann::json& jwk) {
  if (!IsOrAbsent(jwk, "use", "sig")) return nullptr;
  if (const auto ops = jwk.find("key_ops"); ops != jwk.end()) {
    if (!ops->is_array() || std::find(ops->begin(), ops->end(), "verify") == ops->end()) return nullptr;
  }
  for (const KeyType& type : kKeyTypes) {
    if (Is(jwk, "kty", type.kty) && (type.crv.empty() || Is(jwk, "crv", type.crv)) &&
        IsOrAbsent(jwk, "alg", type.alg)) {
      return &type;
    }
  }
  return nullptr;
}

absl::Status BadSet(std::string_view why) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, absl::StrCat("key set: ", AbslView(why)));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const KeySet>> KeySet::Parse(std::string_view jwks) {
  if (jwks.size() > kMaxJwksBytes) return BadSet("too large");
  const auto document = json::Parse(jwks);
  if (!document.ok()) return BadSet("not JSON");
  const auto keys = document->is_object() ? document->find("keys") : document->end();
  if (keys == document->end() || !keys->is_array()) return BadSet("no array \"keys\"");
  if (keys->size() > kMaxJwksKeys) return BadSet("too many keys");
  auto set = std::make_shared<KeySet>();
  for (const nlohmann::json& jwk : *keys) {
    if (!jwk.is_object()) return BadSet("a key is not an object");
    const KeyType* const type = TypeOf(jwk);
    const auto kid = jwk.find("kid");
    if (type == nullptr || kid == jwk.end() || !kid->is_string()) continue;
    const auto& name = kid->get_ref<const std::string&>();
    if (name.empty() || name.size() > kMaxKeyIdBytes) return BadSet("a kid is empty or too long");
    if (set->Find(name) != nullptr) return BadSet("two keys have one kid");
    PublicKey key = type->read(jwk);
    if (key == nullptr) return BadSet("a key is malformed or too weak");
    set->keys_.emplace_back(name, type->algorithm, std::move(key));
  }
  if (set->keys_.empty()) return BadSet("no usable key");
  return set;
}

const VerificationKey* KeySet::Find(std::string_view kid) const {
  for (const VerificationKey& key : keys_) {
    if (key.kid() == kid) return &key;
  }
  return nullptr;
}

}  // namespace billmesh::auth
