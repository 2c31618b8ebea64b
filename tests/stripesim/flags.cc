#include "tests/stripesim/flags.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <vector>

#include "tests/stripesim/shapes.h"

namespace stripesim {
namespace {

struct Flag {
  const char* name;
  const char* env;   // nullptr: none
  const char* unit;  // "": a switch
  const char* help;
  std::function<bool(const std::string&)> set;
  std::string fallback;
};

bool ToInt(const std::string& text, int64_t* out, int64_t least, int64_t most) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && *out >= least && *out <= most;
}

std::vector<Flag> FlagsOf(Options* o) {
  const auto text = [](std::string* target) {
    return [target](const std::string& value) {
      *target = value;
      return true;
    };
  };
  const auto integer = [](int64_t* target, int64_t least, int64_t most) {
    return [=](const std::string& value) { return ToInt(value, target, least, most); };
  };
  return {
      {"listen", "STRIPESIM_LISTEN", "HOST:PORT", "address to listen on; port 0 takes any", text(&o->listen),
       o->listen},
      {"port-file", nullptr, "FILE", "where to write the port once it listens", text(&o->port_file), "none"},
      {"secret-key", "STRIPE_SECRET_KEY", "KEY", "the one accepted secret key", text(&o->secret_key),
       "any sk_test_… or rk_test_… (sk_live_…, rk_live_… with --livemode)"},
      {"ledger", "STRIPESIM_LEDGER", "FILE", "append every ledger entry to it, as JSON lines", text(&o->ledger_file),
       "memory only"},
      {"seed", "STRIPESIM_SEED", "N", "seed of ids and of faults with a probability",
       [o](const std::string& value) {
         int64_t seed = 0;
         if (!ToInt(value, &seed, 0, INT64_MAX)) return false;
         o->seed = static_cast<uint64_t>(seed);
         return true;
       },
       "a new one each run"},
      {"page-base-url", "STRIPESIM_PAGE_BASE_URL", "URL", "address of the pages in answers", text(&o->page_base_url),
       "http://<listen>"},
      {"livemode", nullptr, "", "objects say livemode true", [o](const std::string&) { return o->livemode = true; },
       "off"},
      {"api-version", "STRIPESIM_API_VERSION", "VERSION", "the account's default API version",
       [o](const std::string& value) {
         o->api_version = value;
         return IsVersion(value);
       },
       o->api_version},
      {"schemas", "STRIPESIM_SCHEMAS", "FILE",
       "JSON schemas of all parameters that every request is also checked against", text(&o->schemas_file), "none"},
      {"webhook-endpoint", "STRIPESIM_WEBHOOK_URL", "URL", "endpoint that gets every event", text(&o->webhook_url),
       "none"},
      {"webhook-secret", "STRIPE_WEBHOOK_SECRET", "whsec_…", "its signing secret", text(&o->webhook_secret),
       "made, never shown"},
      {"webhook-api-version", nullptr, "VERSION", "its API version", text(&o->webhook_api_version), "the account's"},
      {"webhook-ca", "STRIPESIM_WEBHOOK_CA", "FILE",
       "PEM certificates that HTTPS endpoints are "
       "verified with",
       text(&o->webhook_ca_file), "the system's"},
      {"webhook-retry-base-ms", nullptr, "MS", "wait before the second try; doubles, up to 60 s",
       integer(&o->webhook_retry_base_ms, 1, 3'600'000), "200"},
      {"webhook-max-tries", nullptr, "N", "tries before a delivery is given up",
       integer(&o->webhook_max_tries, 1, 1000), "16"},
      {"webhook-timeout-ms", nullptr, "MS", "how long an endpoint may take",
       integer(&o->webhook_timeout_ms, 1, 600'000), "10000"},
      {"webhook-threads", nullptr, "N", "deliveries in flight at a time", integer(&o->webhook_threads, 1, 256), "4"},
      {"http-threads", nullptr, "N", "threads that serve HTTP", integer(&o->http_threads, 1, 64), "2"},
      {"max-events", nullptr, "N", "events kept; the oldest are dropped beyond", integer(&o->max_events, 1, 10'000'000),
       "100000"},
      {"max-idempotency-keys", nullptr, "N", "keys kept; the oldest are dropped beyond",
       integer(&o->max_idempotency_keys, 1, 10'000'000), "100000"},
      {"rate-limit", nullptr, "N/s", "API requests a second before 429; 0 is none",
       integer(&o->rate_limit_per_s, 0, 1'000'000), "0"},
      {"renewal-finalize-delay-s", nullptr, "S", "from a renewal's draft invoice to its payment, in simulated time",
       integer(&o->renewal_finalize_delay_s, 0, 72 * 3600), "3600"},
  };
}

void PrintHelp(const std::vector<Flag>& flags) {
  std::puts("stripesim: Stripe's HTTP surface as far as billing needs it, for tests.\n");
  for (const Flag& flag : flags) {
    const std::string name = std::string("--") + flag.name + (*flag.unit != '\0' ? " " : "") + flag.unit;
    std::printf("  %-34s %s (default: %s%s%s)\n", name.c_str(), flag.help, flag.fallback.c_str(),
                flag.env != nullptr ? "; env " : "", flag.env != nullptr ? flag.env : "");
  }
}

const Flag* Find(const std::vector<Flag>& flags, std::string_view name) {
  for (const Flag& flag : flags) {
    if (name == flag.name) return &flag;
  }
  return nullptr;
}

}  // namespace

bool ParseFlags(int argc, char** argv, Options* options, std::string* error) {
  const std::vector<Flag> flags = FlagsOf(options);
  for (const Flag& flag : flags) {
    const char* value = flag.env == nullptr ? nullptr : std::getenv(flag.env);
    if (value == nullptr || *value == '\0') continue;
    if (!flag.set(value)) {
      *error = std::string(flag.env) + ": bad value " + value;
      return false;
    }
  }
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      PrintHelp(flags);
      return false;
    }
    if (argument.substr(0, 2) == "--") argument.remove_prefix(2);
    const size_t equals = argument.find('=');
    const Flag* flag = Find(flags, argument.substr(0, equals));
    if (flag == nullptr) {
      *error = std::string("unknown flag ") + argv[i];
      return false;
    }
    std::string value;
    if (equals != std::string_view::npos) {
      value = std::string(argument.substr(equals + 1));
    } else if (*flag->unit != '\0') {
      if (i + 1 >= argc) {
        *error = std::string("--") + flag->name + " needs a value";
        return false;
      }
      value = argv[++i];
    }
    if (!flag->set(value)) {
      *error = std::string("--") + flag->name + ": bad value " + value;
      return false;
    }
  }
  return true;
}

}  // namespace stripesim
