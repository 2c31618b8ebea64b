# shellcheck shell=bash
# The rules over migrations and documents: what they name must exist. Sourced by check; uses breach.
# shellcheck disable=SC2016  # backquotes in patterns are Markdown's

check_documents() {
  migrations_in_order
  fault_points_listed
  traceability_holds
  alerts_match_guardrails
}

# deploy/migrations/NNNN_name.sql, from 0001 on without a gap; the daemons were built for the last one.
migrations_in_order() {
  local file number expected=0
  while IFS= read -r file; do
    [[ $file =~ ^deploy/migrations/([0-9]{4})_[a-z0-9_]+\.sql$ ]] \
      || { breach "$file" 1 migration-name 'migrations are named NNNN_name.sql'; continue; }
    number=$((10#${BASH_REMATCH[1]}))
    expected=$((expected + 1))
    ((number == expected)) || breach "$file" 1 migration-order "expected number $(printf '%04d' "$expected")"
    expected=$number
  done < <(grep -E '^deploy/migrations/.*\.sql$' "$SCRATCH/files" || true)
  [[ -f common/daemon/daemon.h ]] || return 0
  grep -q "kSchemaVersion = $expected;" common/daemon/daemon.h \
    || breach common/daemon/daemon.h "$(line_of kSchemaVersion common/daemon/daemon.h)" schema-version \
      "the newest migration is $expected; kSchemaVersion must say so"
}

line_of() {
  grep -nm 1 -F -e "$1" "$2" | cut -d: -f1 || echo 1
}

# Each fault point of the code is one line "- `name`: …" of docs/fault-points.md, and the other way round; each name is used once.
fault_points_listed() {
  local list=docs/fault-points.md file line name place
  { grep -rsnoE 'FAULT_POINT(_STATUS)?\("[^"]+"' "$SCRATCH/code/common" "$SCRATCH/code/services" || true
    # A daemon may declare its points as constants in its fault_points.h.
    grep -rsnoE --include=fault_points.h '= "[a-z_]+\.[a-z_.]+"' "$SCRATCH/code/services" || true; } \
    | sed -E "s:^$SCRATCH/code/::; s:^([^\:]+\:[0-9]+)\:.*\"([^\"]+)\"\$:\\2 \\1:" \
    | sed -E '/ common\/fault\/|_test\.cc:/d' | sort >"$SCRATCH/points"
  while read -r name place; do
    IFS=: read -r file line <<<"$place"
    grep -qsF -e "- \`$name\`" "$list" || breach "$file" "$line" fault-point "$name is not listed in $list"
  done <"$SCRATCH/points"
  cut -d' ' -f1 "$SCRATCH/points" | uniq -d | while read -r name; do
    breach "$(grep -m 1 "^$name " "$SCRATCH/points" | cut -d' ' -f2 | cut -d: -f1)" \
      "$(grep -m 1 "^$name " "$SCRATCH/points" | cut -d: -f2)" fault-point "$name is used twice"
  done
  [[ -f $list ]] || return 0
  while IFS=: read -r line name; do
    grep -q "^$name " "$SCRATCH/points" || breach "$list" "$line" fault-point "$name is in no source"
  done < <(grep -nE '^- `[^`]+`' "$list" | sed -E 's/^([0-9]+):- `([^`]+)`.*/\1:\2/')
}

# docs/traceability.md: table rows "| ID | … |". Every id looks like ABC-1; every `token` in a row that looks like a path, a test
# (Suite.Name) or a CTest name (…_test) must exist.
traceability_holds() {
  local file=docs/traceability.md line row id token
  [[ -f $file ]] || return 0
  tests_by_name >"$SCRATCH/tests"
  while IFS=: read -r line row; do
    id=$(cut -d'|' -f2 <<<"$row" | tr -d ' `*')
    [[ $id =~ ^[A-Z]{3}-[0-9]+$ ]] || breach "$file" "$line" traceability "\"$id\" is not a requirement's id"
    while IFS= read -r token; do
      token_exists "$token" || breach "$file" "$line" traceability "\`$token\` does not exist"
    done < <(grep -oE '`[^`]+`' <<<"$row" | tr -d '`')
  done < <(grep -nE '^\|' "$file" | grep -vE '^[0-9]+:\|[ :-]*-[-| :]*$|^[0-9]+:\| *([Ii][Dd]|[Rr]equirement|[Rr]ule) *\|' || true)
}

# Suite.Name of each GoogleTest, and the CTest names.
tests_by_name() {
  grep -E '\.cc$' "$SCRATCH/files" | tr '\n' '\0' | xargs -0 -r cat \
    | tr '\n' ' ' | grep -oE '(TYPED_)?TEST(_F|_P)?\([A-Za-z0-9_]+, *[A-Za-z0-9_]+\)' \
    | sed -E 's/.*\(([A-Za-z0-9_]+), *([A-Za-z0-9_]+)\)/\1.\2/' || true
  grep -E '(^|/)CMakeLists\.txt$' "$SCRATCH/files" | tr '\n' '\0' | xargs -0 -r cat \
    | grep -oE '(billmesh_test\(|add_test\(NAME +)[a-z0-9_]+' | sed -E 's/.*[( ]//' || true
}

token_exists() {
  case $1 in
    */*) [[ -e $1 || -n $(compgen -G "$1" || true) ]] ;;
    *) if [[ $1 =~ ^[A-Z][A-Za-z0-9]*\.[A-Za-z0-9_]+$ || $1 =~ _test$ ]]; then grep -qxF "$1" "$SCRATCH/tests"; fi ;;
  esac
}

# deploy/monitoring/alerts.yaml has a rule for each guardrail code of the code, and names no other. Codes share their form with audit
# actions, which stand in audit_store.h, and with two settings.
alerts_match_guardrails() {
  local file=deploy/monitoring/alerts.yaml actions=common/audit/audit_store.h code place line
  [[ -f $file ]] || return 0
  { grep -rnoE '"BILLING_[A-Z_]+"' "$SCRATCH/code/common" "$SCRATCH/code/services" || true; } \
    | sed -E "s:^$SCRATCH/code/::; s:^([^\:]+\:[0-9]+)\:\"(.*)\"\$:\\2 \\1:" | grep -vE '_test\.cc:|^BILLING_(ENV|CURRENCY) ' | sort >"$SCRATCH/codes"
  while read -r code place; do
    ! grep -qsF -e "\"$code\"" "$actions" && ! grep -q -e "alert: $code\$" "$file" || continue
    breach "${place%%:*}" "${place##*:}" guardrail-alert "$code has no rule in $file"
  done <"$SCRATCH/codes"
  while IFS=: read -r line code; do
    grep -q "^$code " "$SCRATCH/codes" || breach "$file" "$line" guardrail-alert "$code is in no source"
  done < <(grep -nE 'alert: BILLING_' "$file" | sed -E 's/^([0-9]+):.*alert: (.*)$/\1:\2/')
}
