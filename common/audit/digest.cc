#include "common/audit/digest.h"

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/status/strings.h"

namespace billmesh::audit {

std::string Digest(std::initializer_list<DigestField> fields) {
  std::string text;
  for (const DigestField& field : fields) {
    absl::StrAppend(&text, AbslView(field.name), "=");
    if (field.value.has_value()) absl::StrAppend(&text, field.value->size(), ":", *field.value);
    text += ';';
  }
  return crypto::Sha256Hex(text);
}

}  // namespace billmesh::audit
