# shellcheck shell=bash
# The rules over source files. Sourced by check; uses forbid and breach.

readonly CODE='\.(cc|h)$'
readonly TESTS='^tests/|_test\.cc$|^common/testing/|^common/[a-z]+/test_[a-z_]+\.(cc|h)$'
readonly MAX_LINES=500
readonly MAX_MAIN_LINES=100

check_sources() {
  time_and_chance
  sql_in_its_places
  includes_one_way
  libraries_behind_headers
  house_rules
  text_rules
  file_sizes
  headers_once
  every_source_tested
}

# Time and randomness are arguments, so that tests can decide them; each has one room.
time_and_chance() {
  forbid clock "$CODE" "$TESTS|^common/(time|ids)/" \
    'absl::Now *\(|(system|steady|high_resolution)_clock::now|gettimeofday|clock_gettime|GetCurrentTimeNanos|[^a-zA-Z_.>:]time *\((nullptr|NULL|0)\)|std::time *\(' \
    'the time comes from a Clock& (common/time)'
  forbid randomness "$CODE" "$TESTS|^common/(ids|crypto)/" \
    '[^a-zA-Z_.>]s?rand *\(|random_device|mt19937|absl::(BitGen|InsecureBitGen)|RAND_bytes|getrandom|getentropy' \
    'randomness comes from an IdGenerator& (common/ids) or common/crypto'
  forbid sql-clock '_store\.cc$' '' '(^|[^._a-z])now\(\)|clock_timestamp|current_timestamp|CURRENT_TIMESTAMP|transaction_timestamp' \
    'time that decides in SQL is billing.now(), which tests can move'
  # The helper that polls, the simulator (it plays a slow provider) and benchmarks are no tests.
  forbid sleep '^tests/.*\.cc$|_test\.cc$' '^tests/(stripesim|bench)/' 'sleep_for|sleep_until|SleepFor|usleep *\(|[^a-zA-Z_.]sleep *\(' \
    'tests wait for a condition (WaitUntil in common/testing), not for time'
}

# All SQL is in stores, migrations and the database room.
sql_in_its_places() {
  forbid sql "$CODE" "$TESTS|_store\.cc$|^common/db/" \
    'R"sql|"[[:space:]]*(SELECT[[:space:]]|INSERT INTO |UPDATE [a-z_.]+ SET |DELETE FROM |WITH [a-z_]+ AS |TRUNCATE |ALTER |CREATE (TABLE|FUNCTION|INDEX))' \
    'SQL belongs in a *_store.cc'
  forbid select-star '_store\.cc$|^common/db/.*\.cc$' '_test\.cc$' 'SELECT[[:space:]]+([a-z_]+\.)?\*' 'list the columns'
  forbid transaction "$CODE" "$TESTS|^common/db/" '"(BEGIN|COMMIT|ROLLBACK|START TRANSACTION|SAVEPOINT [a-z_]+)[;"]' \
    'only common/db begins and ends transactions'
}

# main → server → service → {rules, store} → common; services meet only through protos; the simulator shares no code with our client.
includes_one_way() {
  local service
  forbid common-includes-services '^common/' '' '#include "(services|tests|deploy)/' 'common/ includes only common/'
  for service in checkout webhook entitlements reconciler edge; do
    forbid service-includes-service "^services/$service/" '' "#include \"services/$(other_services "$service")/" \
      'services meet only through protos'
  done
  forbid product-includes-tests '^(services|deploy)/' '_test\.cc$' '#include "(tests|common/testing)/' 'the product uses nothing of the tests'
  forbid testing-in-product '^common/' "$TESTS" '#include "common/testing/' 'only tests use common/testing'
  forbid simulator-apart '^tests/stripesim/' '' '#include "(common/(stripe|provider)|services)/' \
    'the simulator shares no code with our Stripe client: one misunderstanding must not hide in both'
  forbid pure-rules '_rules\.(cc|h)$' '' '#include "common/(db|http|rpc|outbox|audit|lease|daemon|telemetry)/|#include "common/time/clock' \
    'rules are pure: no I/O and no clock'
}

# (a|b|c): all services but one.
other_services() {
  local list
  list=$(printf '%s\n' checkout webhook entitlements reconciler edge | grep -vx "$1" | paste -sd'|')
  echo "($list)"
}

# Headers that cost seconds of compile time, or that tie us to a library, stay in the files named here.
libraries_behind_headers() {
  local library files words='stays behind our own header; see tests/tidy/rules.sh for its files'
  while read -r library files; do
    forbid "include-$library" "$CODE" "$files" "#include [<\"]$(header_of "$library")" "$library $words"
  done <<'TABLE'
beast ^common/http/server\.cc$|^common/http/beast_[a-z_]+\.(cc|h)$|^tests/stripesim/[a-z_]*server[a-z_]*\.cc$
curl ^common/http/client\.cc$|^tests/
libpq ^common/db/
yaml ^common/catalog/
hiredis ^services/edge/
spdlog ^common/telemetry/
prometheus ^common/telemetry/
simdjson ^common/(stripe|json)/|^services/webhook/|^tests/
TABLE
  forbid include-nlohmann '\.h$' "$TESTS" '#include [<"]nlohmann/json\.hpp' 'headers include nlohmann/json_fwd.hpp: json.hpp costs 3 s a file'
}

header_of() {
  case $1 in
    beast) echo 'boost/beast' ;;
    curl) echo 'curl/' ;;
    libpq) echo '(postgresql/)?libpq-fe\.h' ;;
    yaml) echo 'yaml-cpp/' ;;
    hiredis) echo 'hiredis/' ;;
    spdlog) echo 'spdlog/' ;;
    prometheus) echo 'prometheus/' ;;
    simdjson) echo 'simdjson' ;;
  esac
}

house_rules() {
  forbid getenv "$CODE" "$TESTS|(^|/)main\.cc$|^common/(config|fault)/|^deploy/billctl/" '[^a-z_]getenv *\(' 'flags and environment are read in main.cc only'
  # daemon.cc: what switches gRPC's own off.
  forbid mutex "$CODE" '^common/daemon/daemon\.cc$' 'absl::Mutex|absl/synchronization' 'std::mutex: the sanitizers cannot see into the packaged Abseil'
  forbid using-namespace "$CODE" '(^|/)main\.cc$' '^[[:space:]]*using namespace ' 'names are qualified'
  forbid standard-output '^(common|services)/.*\.cc$' '_test\.cc$|(^|/)main\.cc$|^common/testing/' 'std::(cout|cerr|clog)|[^a-z_n]printf *\(' \
    'daemons speak through common/telemetry'
}

# Things that no text of ours holds, whatever its language. This folder names them and is left out.
text_rules() {
  forbid_text unfinished '.' '^tests/tidy/' '(^|[^A-Za-z_])(TODO|FIXME|XXX|HACK)([^A-Za-z_X]|$)|not implemented yet|unimplemented!' 'finish it, or leave it out'
  forbid_text machine-path '.' '^tests/tidy/' '(^|[^A-Za-z0-9_.])/(work|home|root|Users)/|/tmp/bm' 'no path of one machine'
  forbid_text registry-host 'package-lock\.json$|(^|/)\.npmrc$' '' '"resolved":|registry *=' 'locks name no registry host (npm config omit-lockfile-registry-resolved)'
}

file_sizes() {
  local file lines
  while IFS= read -r file; do
    lines=$(wc -l <"$file")
    if ((lines > MAX_LINES)); then
      breach "$file" "$lines" file-size "$lines lines; at most $MAX_LINES"
    fi
    if [[ $file =~ ^services/[a-z]+/main\.cc$ ]] && ((lines > MAX_MAIN_LINES)); then
      breach "$file" "$lines" main-size "$lines lines; a main is a parts list of at most $MAX_MAIN_LINES"
    fi
  done < <(grep -E '\.(cc|h|proto|sql|sh|mjs)$|^(deploy/local|tests)/[a-z_/]+$' "$SCRATCH/files")
}

headers_once() {
  local file
  while IFS= read -r file; do
    grep -qx '#pragma once' "$file" || breach "$file" 1 pragma-once 'a header begins with #pragma once'
  done < <(grep -E '\.h$' "$SCRATCH/files" || true)
}

# A source of a room is tested when a test includes its header, or when a tested header or source of the same room does (a room's
# inner parts are reached through its door). Mains have no header; gRPC servers and settings, which only convert, are run by the
# end-to-end tests; exceptions are listed with a reason in untested.txt.
every_source_tested() {
  local file
  grep -E "$CODE" "$SCRATCH/files" | tr '\n' '\0' | xargs -0 -r grep -HoE '^#include "[^"]+"' | sed -E 's/:#include "/ /; s/"$//' \
    >"$SCRATCH/includes" || true
  TEST_FILES=$TESTS awk "$REACHED" "$SCRATCH/includes" >"$SCRATCH/tested"
  while IFS= read -r file; do
    [[ -f ${file%.cc}.h ]] || continue
    grep -qxF "${file%.cc}.h" "$SCRATCH/tested" || grep -qE "^$file " "$HERE/untested.txt" \
      || breach "$file" 1 untested "no test reaches ${file%.cc}.h; test it, or give a reason in tests/tidy/untested.txt"
  done < <(grep -E '^(common|services)/.*\.cc$' "$SCRATCH/files" | grep -vE "$TESTS|/main\.cc$|_(server|config)\.cc$" || true)
  while read -r file _; do
    [[ -z $file || $file == "#" || -f $file ]] || breach tests/tidy/untested.txt 1 untested "$file is gone"
  done <"$HERE/untested.txt"
}

# From lines "<file> <header that it includes>": the headers that tests include, and what those reach within their folders. A source
# without a header of its own belongs to the tested headers that it includes.
# shellcheck disable=SC2016  # awk's
readonly REACHED='
  function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
  { file[NR] = $1; header[NR] = $2; known[$1] = 1; if ($1 ~ ENVIRON["TEST_FILES"]) tested[$2] = 1 }
  END {
    do {
      grown = 0
      for (i = 1; i <= NR; i++) {
        if (folder(file[i]) != folder(header[i])) continue
        own = file[i]; sub(/\.cc$/, ".h", own)
        if (own in tested || file[i] in part) {
          if (!(header[i] in tested)) { tested[header[i]] = 1; grown = 1 }
        } else if (file[i] ~ /\.cc$/ && !(own in known) && header[i] in tested && header[i] != own) {
          part[file[i]] = 1; grown = 1
        }
      }
    } while (grown)
    for (h in tested) print h
  }'
