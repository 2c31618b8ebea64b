// Certificates and keys for tests.
#pragma once

#include <string>

namespace billmesh::crypto {

struct TestCertificate {
  std::string certificate;  // PEM, signed by its own key
  std::string key;          // PEM, P-256
};

// A fresh pair, valid for a day; `ca`: may sign others. Aborts where OpenSSL can't make one.
TestCertificate MakeTestCertificate(bool ca);

}  // namespace billmesh::crypto
