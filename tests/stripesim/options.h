#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace stripesim {

inline constexpr char kNewestVersion[] = "2026-10-28.endive";
inline constexpr char kBasil[] = "2025-03-31";

// What flags and environment say. Read in main.cc only.
struct Options {
  std::string listen = "127.0.0.1:12111";
  std::string port_file;
  std::string secret_key;  // empty: any sk_test_… or rk_test_…
  std::string ledger_file;
  std::optional<uint64_t> seed;  // unset: a new one each run
  std::string page_base_url;     // empty: http://<listen>
  bool livemode = false;
  std::string api_version = kNewestVersion;  // the account's default
  std::string schemas_file;
  std::string webhook_url;
  std::string webhook_secret;
  std::string webhook_ca_file;      // empty: the system's
  std::string webhook_api_version;  // empty: the account's default
  int64_t webhook_retry_base_ms = 200;
  int64_t webhook_max_tries = 16;
  int64_t webhook_timeout_ms = 10'000;
  int64_t webhook_threads = 4;
  int64_t http_threads = 2;
  int64_t max_events = 100'000;
  int64_t max_idempotency_keys = 100'000;
  int64_t rate_limit_per_s = 0;  // 0: none
  int64_t renewal_finalize_delay_s = 3600;
};

}  // namespace stripesim
