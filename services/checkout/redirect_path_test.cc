#include "services/checkout/redirect_path.h"

#include <string>
#include <vector>

#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

TEST(RedirectPathTest, PlainPathsPass) {
  for (const char* path : {
           "/",
           "/billing",
           "/billing/",
           "/billing/done?plan=pro&x=1#top",
           "/w/acme-1/settings/billing",
           "/a.b/..c/...",
           "/caf%C3%A9",
           "/a%20b",
           "/100%25",
           "/a:b@c",
           "/~user/(x),y;z=1!$'*+",
           "/?next=/home",
           "/#/route",
           "/.well-known/x",
           "/%41%42",
           "/q?discount=50%25",
       }) {
    EXPECT_TRUE(IsRedirectPath(path)) << path;
  }
}

TEST(RedirectPathTest, AttacksAreRefusedHoweverTheyAreWritten) {
  const std::vector<std::string> attacks = {
      // Not a path.
      "",
      "billing",
      "billing/done",
      " /billing",
      "?x=1",
      "#top",
      ".",
      "..",
      "./a",
      "../a",
      // Another scheme or host.
      "https://evil.example",
      "http://evil.example/",
      "HTTPS://evil.example",
      "javascript:alert(1)",
      "data:text/html,x",
      "evil.example",
      "@evil.example",
      ":80/x",
      "https:/evil.example",
      // Two slashes, anywhere.
      "//evil.example",
      "///evil.example",
      "////evil.example",
      "//",
      "/a//b",
      "/billing//evil.example",
      "/?u=//evil.example",
      "/a/https://evil.example",
      // Backslashes that browsers take for slashes.
      "/\\evil.example",
      "\\\\evil.example",
      "/\\/evil.example",
      "\\/evil.example",
      "/a\\b",
      // Encoded once.
      "/%2Fevil.example",
      "/%2fevil.example",
      "%2F%2Fevil.example",
      "/%5Cevil.example",
      "/%5cevil.example",
      "/a/%2F/b",
      "/%2E%2E/admin",
      "/%2e/x",
      "/.%2e/x",
      // Encoded twice and more.
      "/%252Fevil.example",
      "/%25252Fevil.example",
      "/%2525252Fevil.example",
      "/%255Cevil.example",
      "/%252e%252e/admin",
      "/%25%32%66evil.example",
      "/%252525252525252Fx",
      "/%25zz%252F%252Fevil.example",
      // Dot segments.
      "/..",
      "/../admin",
      "/a/../../b",
      "/./x",
      "/a/.",
      "/a/..",
      "/a/..?x=1",
      // Control characters, raw and encoded.
      "/a\nb",
      "/a\rb",
      "/a\tb",
      std::string("/a\0b", 4),
      "/a\x7f",
      "/%0d%0aSet-Cookie:x=1",
      "/%0Aevil",
      "/%09/evil.example",
      "/%00",
      "/%7F",
      "/%250a",
      "/%2500",
      "/%C2%85",
      "/%E2%80%A8",
      // Not UTF-8: overlong slashes, lone bytes, surrogates.
      "/%C0%AFevil.example",
      "/%E0%80%AFevil.example",
      "/%F0%80%80%AFx",
      "/%FF",
      "/%80",
      "/%ED%A0%80",
      "/%C3",
      // Lookalikes of slash and backslash.
      "/%EF%BC%8Fevil.example",
      "/%EF%BC%BCevil.example",
      "/%E2%88%95evil.example",
      "/%E2%81%84evil.example",
      // Malformed escapes and characters that no URL has.
      "/%",
      "/%2",
      "/%zz",
      "/a b",
      "/<script>",
      "/\"x",
      "/{CHECKOUT_SESSION_ID}",
      "/a|b",
      "/a^b",
      "/a`b",
      "/caf\xc3\xa9",
      // Over the bound.
      "/" + std::string(kMaxRedirectPath, 'a'),
  };
  EXPECT_GE(attacks.size(), 40u);
  for (const std::string& attack : attacks) EXPECT_FALSE(IsRedirectPath(attack)) << attack;
}

TEST(RedirectPathTest, TheLongestPathPasses) {
  EXPECT_TRUE(IsRedirectPath("/" + std::string(kMaxRedirectPath - 1, 'a')));
}

TEST(JoinRedirectTest, JoinsToTheBaseAndNamesTheField) {
  EXPECT_EQ(*JoinRedirect("https://app.example/base", "/done?x=1", "success_path"),
            "https://app.example/base/done?x=1");
  const auto refused = JoinRedirect("https://app.example", "//evil.example", "cancel_path");
  EXPECT_EQ(ReasonOf(refused.status()), Reason::FAILURE_REASON_REDIRECT_PATH_INVALID);
  EXPECT_EQ(MetadataOf(refused.status())["field"], "cancel_path");
}

}  // namespace
}  // namespace billmesh::checkout
