#include "common/auth/test_tokens.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/crypto/crypto.h"

namespace billmesh::auth {
namespace {

unsigned char* Bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

template <typename T>
T* Must(T* made) {
  if (made == nullptr) std::abort();
  return made;
}

std::string NumberParam(EVP_PKEY* key, const char* name, int bytes) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) std::abort();
  std::string out(static_cast<size_t>(bytes > 0 ? bytes : BN_num_bytes(number)), '\0');
  BN_bn2binpad(number, Bytes(out), static_cast<int>(out.size()));
  BN_free(number);
  return crypto::Base64UrlEncode(out);
}

std::string Pem(EVP_PKEY* key, bool secret) {
  BIO* bio = Must(BIO_new(BIO_s_mem()));
  if (secret) {
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  } else {
    PEM_write_bio_PUBKEY(bio, key);
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<size_t>(size));
  BIO_free(bio);
  return out;
}

void WriteFile(const std::string& path, std::string_view content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
  if (!out.flush()) std::abort();
}

}  // namespace

TestKey::TestKey(std::string kid, std::string alg, evp_pkey_st* key)
    : kid_(std::move(kid)), alg_(std::move(alg)), key_(Must(key), &EVP_PKEY_free) {}

TestKey TestKey::Rsa(const std::string& kid, unsigned bits) {
  return TestKey(kid, "RS256", EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{bits}));
}
TestKey TestKey::P256(const std::string& kid) {
  return TestKey(kid, "ES256", EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
}
TestKey TestKey::Ed25519(const std::string& kid) {
  return TestKey(kid, "EdDSA", EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

nlohmann::json TestKey::Jwk() const {
  nlohmann::json jwk = {{"kid", kid_}, {"alg", alg_}, {"use", "sig"}};
  if (alg_ == "RS256") {
    jwk["kty"] = "RSA";
    jwk["n"] = NumberParam(key_.get(), OSSL_PKEY_PARAM_RSA_N, 0);
    jwk["e"] = NumberParam(key_.get(), OSSL_PKEY_PARAM_RSA_E, 0);
  } else if (alg_ == "ES256") {
    jwk["kty"] = "EC";
    jwk["crv"] = "P-256";
    jwk["x"] = NumberParam(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, 32);
    jwk["y"] = NumberParam(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, 32);
  } else {
    std::string raw(32, '\0');
    size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(key_.get(), Bytes(raw), &size);
    jwk["kty"] = "OKP";
    jwk["crv"] = "Ed25519";
    jwk["x"] = crypto::Base64UrlEncode(raw);
  }
  return jwk;
}

nlohmann::json TestKey::Header() const { return {{"alg", alg_}, {"kid", kid_}, {"typ", "JWT"}}; }

std::string TestKey::Sign(const nlohmann::json& header, std::string_view payload) const {
  std::string token = crypto::Base64UrlEncode(header.dump()) + "." + crypto::Base64UrlEncode(payload);
  EVP_MD_CTX* context = Must(EVP_MD_CTX_new());
  size_t size = 1024;
  std::string signature(size, '\0');
  if (EVP_DigestSignInit(context, nullptr, alg_ == "EdDSA" ? nullptr : EVP_sha256(), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context, Bytes(signature), &size, Bytes(token), token.size()) != 1) {
    std::abort();
  }
  EVP_MD_CTX_free(context);
  signature.resize(size);
  if (alg_ == "ES256") {
    const unsigned char* in = Bytes(signature);
    ECDSA_SIG* parsed = Must(d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(signature.size())));
    std::string raw(64, '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(parsed), Bytes(raw), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(parsed), Bytes(raw) + 32, 32);
    ECDSA_SIG_free(parsed);
    signature = raw;
  }
  return token + "." + crypto::Base64UrlEncode(signature);
}

std::string TestKey::PrivatePem() const { return Pem(key_.get(), true); }
std::string TestKey::PublicPem() const { return Pem(key_.get(), false); }

std::string TestJwks(const std::vector<nlohmann::json>& keys) { return nlohmann::json{{"keys", keys}}.dump(); }

TestFile::TestFile(std::string_view content) {
  path_ = (std::filesystem::temp_directory_path() / "billmesh-test-XXXXXX").string();
  const int fd = ::mkstemp(path_.data());
  if (fd < 0) std::abort();
  ::close(fd);
  WriteFile(path_, content);
}
TestFile::~TestFile() { ::unlink(path_.c_str()); }

void TestFile::Replace(std::string_view content) {
  const std::string next = path_ + ".next";
  WriteFile(next, content);
  if (::rename(next.c_str(), path_.c_str()) != 0) std::abort();
}

}  // namespace billmesh::auth
