// The digest of a row's content, for the audit log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/crypto/crypto.h"
#include "common/status/strings.h"

namespace billmesh::webhook {

// Collects a row's fields in a form where no two different rows look alike: each value with its length.
class Digest {
 public:
  Digest& Add(std::string_view text) {
    absl::StrAppend(&text_, text.size(), ":", AbslView(text), ";");
    return *this;
  }
  Digest& Add(const std::string& text) { return Add(std::string_view(text)); }
  Digest& Add(int64_t number) {
    absl::StrAppend(&text_, "#", number, ";");
    return *this;
  }
  Digest& Add(absl::Time time) { return Add(absl::ToUnixMicros(time)); }
  template <typename T>
  Digest& Add(const std::optional<T>& value) {
    if (value.has_value()) return Add(*value);
    text_ += "-;";
    return *this;
  }
  std::string Hex() const { return crypto::Sha256Hex(text_); }

 private:
  std::string text_;
};

}  // namespace billmesh::webhook
