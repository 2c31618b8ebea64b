#include "common/audit/digest.h"

#include <set>

#include "common/crypto/crypto.h"
#include "gtest/gtest.h"

namespace billmesh::audit {
namespace {

TEST(DigestTest, IsTheHashOfACanonicalText) {
  EXPECT_EQ(Digest({{"a", "x"}, {"b", std::nullopt}}), crypto::Sha256Hex("a=1:x;b=;"));
}

TEST(DigestTest, DifferentFieldsNeverLookAlike) {
  const std::set<std::string> digests = {
      Digest({{"a", "x"}, {"b", "y"}}),
      Digest({{"a", "y"}, {"b", "x"}}),
      Digest({{"a", "x;b=1:y"}}),
      Digest({{"a", "x"}, {"b", ""}}),
      Digest({{"a", "x"}, {"b", std::nullopt}}),
      Digest({{"a", "x"}}),
      Digest({{"b", "x"}}),
  };
  EXPECT_EQ(digests.size(), 7u);
}

}  // namespace
}  // namespace billmesh::audit
