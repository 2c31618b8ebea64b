// A self-signed certificate for 127.0.0.1 in files, for this room's tests.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace billmesh::http {

class TestCertificate {
 public:
  TestCertificate() {
    base_ = ::testing::TempDir() + "billmesh_http_test_XXXXXX";
    ::close(::mkstemp(base_.data()));
    Write();
  }
  ~TestCertificate() {
    for (const std::string& file : {base_, cert_file(), key_file()}) ::unlink(file.c_str());
  }
  std::string cert_file() const { return base_ + ".crt"; }
  std::string key_file() const { return base_ + ".key"; }

  // Makes a new key and certificate in the same files.
  void Write() {
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    std::unique_ptr<X509, decltype(&X509_free)> cert(X509_new(), X509_free);
    X509_set_version(cert.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
    X509_NAME* name = X509_get_subject_name(cert.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("billmesh"), -1, -1, 0);
    X509_set_issuer_name(cert.get(), name);
    X509_EXTENSION* san = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(cert.get(), san, -1);
    X509_EXTENSION_free(san);
    X509_set_pubkey(cert.get(), key.get());
    EXPECT_GT(X509_sign(cert.get(), key.get(), EVP_sha256()), 0);
    WriteFile(cert_file(), [&](FILE* file) { return PEM_write_X509(file, cert.get()); });
    WriteFile(key_file(),
              [&](FILE* file) { return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  }

 private:
  // Replaced, not rewritten, as a rotation does it.
  template <typename Fn>
  void WriteFile(const std::string& path, Fn write) {
    FILE* file = std::fopen(base_.c_str(), "w");
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(write(file), 1);
    std::fclose(file);
    EXPECT_EQ(std::rename(base_.c_str(), path.c_str()), 0);
  }

  std::string base_;
  int serial_ = 0;
};

}  // namespace billmesh::http
