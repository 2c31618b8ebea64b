#include "common/crypto/certificate_files.h"

#include "common/crypto/test_certificates.h"
#include "gtest/gtest.h"

namespace billmesh::crypto {
namespace {

// A PEM block whose content is no certificate and no key.
std::string Broken(const std::string& kind) {
  return "-----BEGIN " + kind + "-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END " + kind + "-----\n";
}

TEST(CertificateFilesTest, AChainIsAtLeastOneWellFormedCertificate) {
  const TestCertificate own = MakeTestCertificate(/*ca=*/false), issuer = MakeTestCertificate(/*ca=*/true);
  EXPECT_EQ(ChainFault(own.certificate), "");
  EXPECT_EQ(ChainFault("Subject: words before it\n" + own.certificate + issuer.certificate + "\n"), "");
  EXPECT_NE(ChainFault(""), "");
  EXPECT_NE(ChainFault("garbage"), "");
  EXPECT_NE(ChainFault(own.key), "");
  EXPECT_NE(ChainFault(Broken("CERTIFICATE")), "");
  EXPECT_NE(ChainFault(own.certificate + Broken("CERTIFICATE")), "");
  EXPECT_NE(ChainFault(own.certificate.substr(0, own.certificate.size() / 2)), "");
}

TEST(CertificateFilesTest, AnchorsHoldACa) {
  const TestCertificate leaf = MakeTestCertificate(/*ca=*/false), ca = MakeTestCertificate(/*ca=*/true);
  EXPECT_EQ(AnchorsFault(ca.certificate), "");
  EXPECT_EQ(AnchorsFault(leaf.certificate + ca.certificate), "");
  EXPECT_NE(AnchorsFault(leaf.certificate), "");
  EXPECT_NE(AnchorsFault("garbage"), "");
  EXPECT_NE(AnchorsFault(ca.certificate + Broken("CERTIFICATE")), "");
}

TEST(CertificateFilesTest, AKeyBelongsToTheFirstCertificate) {
  const TestCertificate own = MakeTestCertificate(/*ca=*/false), other = MakeTestCertificate(/*ca=*/true);
  EXPECT_EQ(PrivateKeyFault(own.key, own.certificate + other.certificate), "");
  EXPECT_EQ(PrivateKeyFault(other.key, own.certificate + other.certificate),
            "is not the private key of the certificate");
  for (const std::string& garbage : {std::string(), std::string("garbage"), own.certificate, Broken("PRIVATE KEY")}) {
    EXPECT_EQ(PrivateKeyFault(garbage, own.certificate), "holds no PEM private key without a passphrase") << garbage;
  }
}

TEST(CertificateFilesTest, ABrokenChainIsNotTheKeysFault) {
  const TestCertificate own = MakeTestCertificate(/*ca=*/false);
  EXPECT_EQ(PrivateKeyFault(own.key, "garbage"), "");
  EXPECT_NE(PrivateKeyFault("garbage", "garbage"), "");
}

TEST(CertificateFilesTest, FaultsHoldNothingOfTheText) {
  const std::string secret = "sk_misplaced_secret";
  for (const std::string& fault : {ChainFault(secret), AnchorsFault(secret), PrivateKeyFault(secret, secret)}) {
    EXPECT_NE(fault, "");
    EXPECT_EQ(fault.find(secret), std::string::npos);
  }
}

}  // namespace
}  // namespace billmesh::crypto
