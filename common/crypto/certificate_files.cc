#include "common/crypto/certificate_files.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <climits>
#include <memory>
#include <optional>
#include <vector>

namespace billmesh::crypto {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// Null for a text that is too long.
Bio Reader(std::string_view text) {
  return Bio(text.size() > INT_MAX ? nullptr : BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
}

// Without it OpenSSL would ask the terminal for the passphrase.
int NoPassphrase(char*, int, int, void*) { return -1; }

// nullopt if one of them is malformed. OpenSSL's queue of errors, which is this thread's, is left empty.
std::optional<std::vector<Certificate>> Certificates(std::string_view pem) {
  std::vector<Certificate> found;
  const Bio bio = Reader(pem);
  if (bio == nullptr) return std::nullopt;
  ERR_clear_error();
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, &NoPassphrase, nullptr)) {
    found.emplace_back(certificate, &X509_free);
  }
  // The end of the text looks to the reader like a missing first line.
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const bool end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!end) return std::nullopt;
  return found;
}

std::string FaultOf(const std::optional<std::vector<Certificate>>& certificates) {
  if (!certificates.has_value()) return "holds a malformed certificate";
  return certificates->empty() ? "holds no PEM certificate" : "";
}

}  // namespace

std::string ChainFault(std::string_view pem) { return FaultOf(Certificates(pem)); }

std::string AnchorsFault(std::string_view pem) {
  const auto certificates = Certificates(pem);
  if (std::string fault = FaultOf(certificates); !fault.empty()) return fault;
  for (const Certificate& certificate : *certificates) {
    if (X509_check_ca(certificate.get()) != 0) return "";
  }
  return "holds no certificate of a CA";
}

std::string PrivateKeyFault(std::string_view key_pem, std::string_view chain_pem) {
  const Bio bio = Reader(key_pem);
  const Key key(bio == nullptr ? nullptr : PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassphrase, nullptr),
                &EVP_PKEY_free);
  ERR_clear_error();
  if (key == nullptr) return "holds no PEM private key without a passphrase";
  const auto chain = Certificates(chain_pem);
  if (!FaultOf(chain).empty()) return "";
  const bool matches = X509_check_private_key(chain->front().get(), key.get()) == 1;
  ERR_clear_error();
  return matches ? "" : "is not the private key of the certificate";
}

}  // namespace billmesh::crypto
