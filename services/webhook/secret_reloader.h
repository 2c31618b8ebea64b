// Keeps the webhook secrets as the mounted file has them (CFG-5).
#pragma once

#include <string>

#include "common/stripe/signature.h"

namespace billmesh::webhook {

class SecretReloader {
 public:
  // `current` are the secrets in use. The verifier must outlive this object. An empty path: there is no file, nothing
  // to do.
  SecretReloader(std::string path, std::vector<std::string> current, stripe::SignatureVerifier& verifier)
      : path_(std::move(path)), current_(std::move(current)), verifier_(verifier) {}

  // Reads the file and takes its secrets if they're others than before. A file that is away, too large or holds a blank
  // secret changes nothing and is logged. Returns whether secrets were taken.
  bool RunOnce();

 private:
  const std::string path_;
  std::vector<std::string> current_;
  stripe::SignatureVerifier& verifier_;
};

}  // namespace billmesh::webhook
