#include "common/crypto/crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace billmesh::crypto {
namespace {

constexpr size_t kSha256Bytes = 32;
constexpr char kBase64Url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const unsigned char* Bytes(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
unsigned char* Bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

// A fetched algorithm is shared; each thread keeps a context of its own, so that no call allocates one.
EVP_MAC_CTX* ThreadMacContext() {
  static EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  if (mac == nullptr) std::abort();
  thread_local const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(EVP_MAC_CTX_new(mac),
                                                                                       &EVP_MAC_CTX_free);
  return context.get();
}

EVP_MD_CTX* ThreadSha256Context() {
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                                     &EVP_MD_CTX_free);
  if (sha256 == nullptr || context == nullptr || EVP_DigestInit_ex2(context.get(), sha256, nullptr) != 1) std::abort();
  return context.get();
}

int Base64UrlValue(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  if (c == '_') return 63;
  return -1;
}

std::string Hmac(std::string_view key, std::string_view a, std::string_view b) {
  EVP_MAC_CTX* const context = ThreadMacContext();
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  std::string out(kSha256Bytes, '\0');
  size_t written = 0;
  // OpenSSL takes a null key as "keep the last key": an empty key must still be a pointer.
  static const unsigned char kNoKey[1] = {0};
  const unsigned char* key_bytes = key.empty() ? kNoKey : Bytes(key);
  if (EVP_MAC_init(context, key_bytes, key.size(), params) != 1 || EVP_MAC_update(context, Bytes(a), a.size()) != 1 ||
      EVP_MAC_update(context, Bytes(b), b.size()) != 1 ||
      EVP_MAC_final(context, Bytes(out), &written, out.size()) != 1 || written != kSha256Bytes) {
    std::abort();
  }
  return out;
}

}  // namespace

std::string Sha256(std::string_view data) {
  std::string out(kSha256Bytes, '\0');
  unsigned int written = 0;
  EVP_MD_CTX* const context = ThreadSha256Context();
  if (EVP_DigestUpdate(context, data.data(), data.size()) != 1 ||
      EVP_DigestFinal_ex(context, Bytes(out), &written) != 1 || written != kSha256Bytes) {
    std::abort();
  }
  return out;
}

std::string Sha256Hex(std::string_view data) { return HexEncode(Sha256(data)); }
std::string HmacSha256(std::string_view key, std::string_view data) { return Hmac(key, data, {}); }
std::string HmacSha256Hex(std::string_view key, std::string_view data) { return HexEncode(Hmac(key, data, {})); }
std::string HmacSha256Hex(std::string_view key, std::string_view a, std::string_view b) {
  return HexEncode(Hmac(key, a, b));
}

bool ConstantTimeEquals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string HexEncode(std::string_view data) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(data.size() * 2);
  for (const unsigned char c : data) {
    out.push_back(kHex[c >> 4]);
    out.push_back(kHex[c & 15]);
  }
  return out;
}

std::string Base64UrlEncode(std::string_view data) {
  std::string out;
  out.reserve((data.size() * 4 + 2) / 3);
  unsigned buffer = 0;
  int bits = 0;
  for (const unsigned char c : data) {
    buffer = (buffer << 8) | c;
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      out.push_back(kBase64Url[(buffer >> bits) & 63]);
    }
  }
  if (bits > 0) out.push_back(kBase64Url[(buffer << (6 - bits)) & 63]);
  return out;
}

std::optional<std::string> Base64UrlDecode(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  unsigned buffer = 0;
  int bits = 0;
  for (const char c : text) {
    const int value = Base64UrlValue(c);
    if (value < 0) return std::nullopt;
    buffer = (buffer << 6) | static_cast<unsigned>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<char>((buffer >> bits) & 255));
    }
  }
  if ((buffer & ((1u << bits) - 1)) != 0) return std::nullopt;
  return out;
}

void FillRandom(unsigned char* out, size_t n) {
  static constexpr size_t kPage = 1024;
  thread_local std::array<unsigned char, kPage> page;
  thread_local size_t left = 0;
  const auto generate = [](unsigned char* to, size_t bytes) {
    if (RAND_bytes(to, static_cast<int>(bytes)) != 1) std::abort();
  };
  if (n > kPage / 8) return generate(out, n);
  if (n > left) {
    generate(page.data(), page.size());
    left = kPage;
  }
  left -= n;
  std::memcpy(out, page.data() + left, n);
  OPENSSL_cleanse(page.data() + left, n);
}

std::string RandomBytes(size_t n) {
  std::string out(n, '\0');
  FillRandom(Bytes(out), n);
  return out;
}

}  // namespace billmesh::crypto
