// Files that pass the daemons' configuration checks, for tests of configuration.
#pragma once

#include <map>
#include <string>

#include "common/auth/test_tokens.h"
#include "common/crypto/test_certificates.h"

namespace billmesh::daemon {

// Removed with this object.
class TestFiles {
 public:
  const auth::TestFile ca{Pair().certificate};
  const auth::TestFile certificate{Pair().certificate};
  const auth::TestFile key{Pair().key};
  const auth::TestFile jwks{auth::TestJwks({auth::TestKey::P256("key-1").Jwk()})};
  const auth::TestFile garbage{"garbage"};

  // The variables of files that every daemon with a database reads.
  std::map<std::string, std::string> Environment() const {
    return {{"TLS_CA_FILE", ca.path()},
            {"TLS_CERT_FILE", certificate.path()},
            {"TLS_KEY_FILE", key.path()},
            {"USER_ASSERTION_JWKS_FILE", jwks.path()}};
  }

 private:
  // One for all members, so that they belong together.
  static const crypto::TestCertificate& Pair() {
    static const crypto::TestCertificate pair = crypto::MakeTestCertificate(/*ca=*/true);
    return pair;
  }
};

}  // namespace billmesh::daemon
