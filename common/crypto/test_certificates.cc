#include "common/crypto/test_certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <memory>

namespace billmesh::crypto {
namespace {

constexpr long kLifetimeSeconds = 86'400;

void Require(bool done) {
  if (!done) std::abort();
}

template <typename Write>
std::string Text(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  Require(bio != nullptr && write(bio.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

}  // namespace

TestCertificate MakeTestCertificate(bool ca) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"),
                                                                &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  Require(key != nullptr && certificate != nullptr);
  X509* const x = certificate.get();
  Require(X509_set_version(x, X509_VERSION_3) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1);
  Require(X509_gmtime_adj(X509_getm_notBefore(x), 0) != nullptr &&
          X509_gmtime_adj(X509_getm_notAfter(x), kLifetimeSeconds) != nullptr);
  X509_NAME* const name = X509_get_subject_name(x);
  Require(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1,
                                     0) == 1);
  Require(X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key.get()) == 1);
  X509_EXTENSION* const constraints =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  Require(constraints != nullptr && X509_add_ext(x, constraints, -1) == 1);
  X509_EXTENSION_free(constraints);
  Require(X509_sign(x, key.get(), EVP_sha256()) > 0);
  return {Text([&](BIO* bio) { return PEM_write_bio_X509(bio, x); }), Text([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace billmesh::crypto
