#include "common/auth/jws.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::auth {
namespace {

constexpr size_t kP256CoordinateBytes = 32;
constexpr size_t kEs256SignatureBytes = 64;
constexpr size_t kEd25519SignatureBytes = 64;

struct AlgorithmName {
  std::string_view name;
  JwsAlgorithm algorithm;
};
constexpr AlgorithmName kAlgorithms[] = {
    {"RS256", JwsAlgorithm::kRs256},
    {"ES256", JwsAlgorithm::kEs256},
    {"EdDSA", JwsAlgorithm::kEdDsa},
};

using MdContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)>;

const unsigned char* Bytes(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
unsigned char* Bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

absl::Status BadToken(std::string_view why) { return Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, why); }

std::optional<JwsAlgorithm> AlgorithmOf(std::string_view name) {
  for (const AlgorithmName& row : kAlgorithms) {
    if (row.name == name) return row.algorithm;
  }
  return std::nullopt;
}

// A string member; nullopt if it is absent or no string.
std::optional<std::string> StringMember(const nlohmann::json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_string()) return std::nullopt;
  return it->get<std::string>();
}

// ES256's r || s (RFC 7518, 3.4) as the DER that OpenSSL takes; empty if it can't be.
std::string DerFromRaw(std::string_view raw) {
  if (raw.size() != kEs256SignatureBytes) return "";
  EcdsaSignature signature(ECDSA_SIG_new(), &ECDSA_SIG_free);
  BIGNUM* r = BN_bin2bn(Bytes(raw), kP256CoordinateBytes, nullptr);
  BIGNUM* s = BN_bin2bn(Bytes(raw) + kP256CoordinateBytes, kP256CoordinateBytes, nullptr);
  if (signature == nullptr || r == nullptr || s == nullptr || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return "";
  }
  const int length = i2d_ECDSA_SIG(signature.get(), nullptr);
  if (length <= 0) return "";
  std::string der(static_cast<size_t>(length), '\0');
  unsigned char* out = Bytes(der);
  i2d_ECDSA_SIG(signature.get(), &out);
  return der;
}

std::optional<std::string> RawFromDer(std::string_view der) {
  const unsigned char* in = Bytes(der);
  EcdsaSignature signature(d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(der.size())), &ECDSA_SIG_free);
  if (signature == nullptr) return std::nullopt;
  std::string raw(kEs256SignatureBytes, '\0');
  if (BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), Bytes(raw), kP256CoordinateBytes) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), Bytes(raw) + kP256CoordinateBytes, kP256CoordinateBytes) < 0) {
    return std::nullopt;
  }
  return raw;
}

}  // namespace

bool VerificationKey::Verifies(std::string_view signing_input, std::string_view signature) const {
  std::string der;
  const EVP_MD* digest = EVP_sha256();
  if (algorithm_ == JwsAlgorithm::kEs256) {
    der = DerFromRaw(signature);
    if (der.empty()) return false;
    signature = der;
  } else if (algorithm_ == JwsAlgorithm::kEdDsa) {
    if (signature.size() != kEd25519SignatureBytes) return false;
    digest = nullptr;  // Ed25519 hashes by itself
  }
  const MdContext context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  return context != nullptr && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(signing_input),
                          signing_input.size()) == 1;
}

absl::StatusOr<Jws> ParseJws(std::string_view token) {
  if (token.size() > kMaxTokenBytes) return BadToken("the token is too long");
  const size_t first = token.find('.');
  const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return BadToken("the token is malformed");
  }
  auto header_text = crypto::Base64UrlDecode(token.substr(0, first));
  auto payload = crypto::Base64UrlDecode(token.substr(first + 1, second - first - 1));
  auto signature = crypto::Base64UrlDecode(token.substr(second + 1));
  if (!header_text || !payload || !signature) return BadToken("the token is malformed");
  const auto header = json::Parse(*header_text);
  if (!header.ok() || !header->is_object()) return BadToken("the token's header is malformed");
  // crit names extensions that must be understood; we know none (RFC 7515, 4.1.11).
  if (header->contains("crit")) return BadToken("the token uses an unknown critical extension");
  const auto algorithm = AlgorithmOf(StringMember(*header, "alg").value_or(""));
  if (!algorithm) return BadToken("the token's algorithm is not accepted");
  auto kid = StringMember(*header, "kid");
  if (!kid || kid->empty() || kid->size() > kMaxKeyIdBytes) return BadToken("the token names no key");
  return Jws{*algorithm,
             std::move(*kid),
             absl::AsciiStrToLower(StringMember(*header, "typ").value_or("")),
             std::move(*payload),
             std::string(token.substr(0, second)),
             std::move(*signature)};
}

absl::Status VerifyJws(const Jws& jws, const VerificationKey& key) {
  if (jws.algorithm != key.algorithm()) return BadToken("the token's algorithm is not that of its key");
  if (!key.Verifies(jws.signing_input, jws.signature)) return BadToken("the token's signature is wrong");
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const SigningKey>> SigningKey::FromPem(std::string_view pem) {
  const auto invalid = [] {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "not the PEM of a P-256 private key");
  };
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                      &BIO_free);
  // The callback keeps OpenSSL from asking a terminal for the pass phrase of an encrypted key.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  std::shared_ptr<EVP_PKEY> key(
      bio == nullptr ? nullptr : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr), &EVP_PKEY_free);
  if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC) return invalid();
  std::array<char, 32> group{};
  size_t group_length = 0;
  if (EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), &group_length) != 1 ||
      std::string_view(group.data(), group_length) != SN_X9_62_prime256v1) {
    return invalid();
  }
  const auto coordinate = [&](const char* name) -> std::optional<std::string> {
    BIGNUM* number = nullptr;
    if (EVP_PKEY_get_bn_param(key.get(), name, &number) != 1) return std::nullopt;
    const std::unique_ptr<BIGNUM, decltype(&BN_free)> owned(number, &BN_free);
    std::string bytes(kP256CoordinateBytes, '\0');
    if (BN_bn2binpad(number, Bytes(bytes), kP256CoordinateBytes) < 0) return std::nullopt;
    return crypto::Base64UrlEncode(bytes);
  };
  const auto x = coordinate(OSSL_PKEY_PARAM_EC_PUB_X);
  const auto y = coordinate(OSSL_PKEY_PARAM_EC_PUB_Y);
  if (!x || !y) return invalid();
  auto made = std::shared_ptr<SigningKey>(new SigningKey);
  made->key_ = std::move(key);
  made->x_ = *x;
  made->y_ = *y;
  // RFC 7638: the required members, sorted, without white space.
  made->kid_ = crypto::Base64UrlEncode(
      crypto::Sha256(absl::StrCat(R"({"crv":"P-256","kty":"EC","x":")", *x, R"(","y":")", *y, R"("})")));
  return made;
}

absl::StatusOr<std::string> SigningKey::Sign(std::string_view type, std::string_view payload) const {
  const nlohmann::json header = {{"alg", "ES256"}, {"kid", kid_}, {"typ", std::string(type)}};
  std::string token = absl::StrCat(crypto::Base64UrlEncode(header.dump()), ".", crypto::Base64UrlEncode(payload));
  const MdContext context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  size_t length = 0;
  if (context == nullptr || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &length, Bytes(token), token.size()) != 1) {
    return absl::InternalError("the signing key can't be used");
  }
  std::string der(length, '\0');
  if (EVP_DigestSign(context.get(), Bytes(der), &length, Bytes(token), token.size()) != 1) {
    return absl::InternalError("signing failed");
  }
  der.resize(length);
  const auto raw = RawFromDer(der);
  if (!raw) return absl::InternalError("signing failed");
  absl::StrAppend(&token, ".", crypto::Base64UrlEncode(*raw));
  return token;
}

std::string SigningKey::PublicJwks() const {
  const nlohmann::json key = {{"kty", "EC"}, {"crv", "P-256"}, {"x", x_},     {"y", y_},
                              {"kid", kid_}, {"alg", "ES256"}, {"use", "sig"}};
  return nlohmann::json{{"keys", nlohmann::json::array({key})}}.dump();
}

}  // namespace billmesh::auth
