# shellcheck shell=bash
# A purchase from click to entitlement through the running mesh, each step with the time it took. Uses base, ports, process, postgres,
# tokens, mesh and provider.

# What is bought, and a key that it grants and the free plan doesn't (catalog.yaml).
readonly DEMO_PLAN=pro-monthly-v1
readonly DEMO_KEY=priority-support
readonly TOKEN_SECONDS=$((30 * 86400))
# How long an event may take from the simulator, and how long a person may take on Stripe's own page.
readonly SIMULATOR_SECONDS=30
readonly PERSON_SECONDS=600

# billctl with the operator's certificate, whatever the caller's shell has set for another mesh.
billctl() (
  unset CA_CERT CLIENT_CERT CLIENT_KEY STRIPE_API_KEY BILLING_CURRENCY
  export TLS_CA_FILE=$IDENTITY/ca.pem TLS_CERT_FILE=$IDENTITY/operator.pem TLS_KEY_FILE=$IDENTITY/operator.key BILLING_ENV=test
  CHECKOUT_ADDR=$(address checkout) WEBHOOK_ADDR=$(address webhook) ENTITLEMENTS_ADDR=$(address entitlements)
  RECONCILER_ADDR=$(address reconciler)
  export CHECKOUT_ADDR WEBHOOK_ADDR ENTITLEMENTS_ADDR RECONCILER_ADDR
  exec "$(binary_of billctl)" "$@"
)

# edge <method> <path> <token> [body] [idempotency key]: sets STATUS and BODY. The token goes in through a file descriptor, not a
# command line.
edge() {
  local answer arguments=(--silent --show-error --max-time 30 --request "$1" --write-out '\n%{http_code}' --header @-)
  [[ -z ${4:-} ]] || arguments+=(--header 'Content-Type: application/json' --data "$4")
  [[ -z ${5:-} ]] || arguments+=(--header "Idempotency-Key: $5")
  answer=$(curl "${arguments[@]}" "http://$(address edge)$2" <<<"Authorization: Bearer $3" 2>&1) || true
  STATUS=${answer##*$'\n'}
  BODY=${answer%$'\n'*}
}

# Begins a step of the demo, and ends it with a line: "  checkout opened        34 ms  http://…".
demo_step() {
  # shellcheck disable=SC2034  # base.sh reads it
  CURRENT_STEP="the demo's step \"$1\""
  DEMO_STEP=$1
  DEMO_STARTED=$(now_ms)
}

demo_done() {
  say "$(printf '  %-22s %6d ms  %s' "$DEMO_STEP" "$(($(now_ms) - DEMO_STARTED))" "$1")"
}

# Ends the script when the edge's answer isn't 200, naming its code.
require_200() {
  [[ $STATUS == 200 ]] || fail "$1: HTTP $STATUS $(jq -r '[.code, .detail] | map(select(. != null)) | join(": ")' <<<"$BODY" 2>/dev/null ||
    head -c 200 <<<"$BODY") (log: $LOG_DIR/edge.log)"
}

# What the entitlements daemon answers a service that asks for the demo's key: "granted: …" or "denied: …".
check_key() {
  billctl entitlements check --entity "$WORKSPACE_ID" --key "$DEMO_KEY" 2>&1
}

key_granted() {
  [[ $(check_key) == granted:* ]]
}

# "plan pro-monthly-v1 (active)", from the edge's answer about the workspace's entitlements.
describe_plan() {
  edge GET /api/billing/entitlements "$OWNER_TOKEN"
  require_200 "entitlements of the workspace"
  jq -r '"plan " + (if .planCode == "" then "none" else .planCode end) + " ("
    + (.status | ltrimstr("ENTITLEMENT_STATUS_") | ascii_downcase) + ")"' <<<"$BODY"
}

# The events of this workspace that were verified, stored and applied, as "type, type".
delivered_events() {
  pg_sql "$(pg_home)" "$DATABASE" --set=entity="$WORKSPACE_ID" <<<"SELECT coalesce(string_agg(type, ', ' ORDER BY provider_created_at, type), '')
    FROM billing.webhook_events WHERE entity_id = :'entity' AND status = 'processed'"
}

subscription_event_applied() {
  [[ $(delivered_events) == *customer.subscription.* ]]
}

make_workspace() {
  local slug=$1 owner=$2 answer
  demo_step "workspace made"
  answer=$(billctl workspace ensure --slug "$slug" --name "Demo $slug" --owner "$owner" --json 2>&1) \
    || fail "billctl workspace ensure failed: $(tail -n 1 <<<"$answer") (log: $LOG_DIR/checkout.log)"
  WORKSPACE_ID=$(jq -r '.entity.entityId // .entityId // empty' <<<"$answer")
  [[ -n $WORKSPACE_ID ]] || fail "billctl workspace ensure answered without an entity id: $answer"
  demo_done "$slug, owned by $owner ($WORKSPACE_ID)"
}

show_denied() {
  local answer plan
  demo_step "entitlement denied"
  answer=$(check_key) || fail "billctl entitlements check failed: $answer (log: $LOG_DIR/entitlements.log)"
  [[ $answer == denied:* ]] || fail "the new workspace has $DEMO_KEY before anything was bought: $answer"
  plan=$(describe_plan)
  demo_done "$answer; $plan"
}

open_checkout() {
  local slug=$1
  demo_step "checkout opened"
  edge POST /api/billing/checkout "$OWNER_TOKEN" \
    "{\"planCode\":\"$DEMO_PLAN\",\"successPath\":\"/billing/done\",\"cancelPath\":\"/billing\"}" "$slug"
  require_200 "checkout of $DEMO_PLAN"
  CHECKOUT_URL=$(jq -r '.url // empty' <<<"$BODY")
  [[ -n $CHECKOUT_URL ]] || fail "the checkout has no URL: $BODY"
  demo_done "$CHECKOUT_URL"
}

pay() {
  local status
  demo_step "paid on the page"
  if [[ ${STRIPE[kind]} == stripe ]]; then
    printf '\n  Open this page and pay with card 4242 4242 4242 4242 (waiting %d min):\n  %s\n\n' $((PERSON_SECONDS / 60)) "$CHECKOUT_URL"
    wait_for_person
    demo_done "by a person, on Stripe's page"
    return
  fi
  status=$(curl --silent --output /dev/null --max-time 30 --write-out '%{http_code}' --data "" "$CHECKOUT_URL/pay") || true
  [[ $status == 303 ]] || fail "the simulator's page answered HTTP $status to the payment (log: $LOG_DIR/stripesim.log)"
  demo_done "the simulator sends the buyer back"
}

# Said every half minute, so that the wait isn't silence.
wait_for_person() {
  local waited
  for ((waited = 0; waited < PERSON_SECONDS; waited += 30)); do
    ! wait_until 30 subscription_event_applied || return 0
    say "  still waiting for the payment and its webhook ($((PERSON_SECONDS - waited - 30)) s left)"
  done
  fail "no payment arrived within $((PERSON_SECONDS / 60)) min; does \"stripe listen\" run, and with this STRIPE_WEBHOOK_SECRET?" \
    "(log: $LOG_DIR/webhook.log)"
}

show_delivered() {
  demo_step "webhook delivered"
  wait_until "$SIMULATOR_SECONDS" subscription_event_applied \
    || fail "no webhook about the purchase was applied within $SIMULATOR_SECONDS s: $(reason_from_log "$LOG_DIR/webhook.log")" \
      "(logs: $LOG_DIR/webhook.log, $LOG_DIR/stripesim.log)"
  demo_done "signed, stored and applied: $(delivered_events)"
}

show_granted() {
  local plan
  demo_step "entitlement granted"
  wait_until "$SIMULATOR_SECONDS" key_granted \
    || fail "$DEMO_KEY was not granted within $SIMULATOR_SECONDS s: $(check_key || true) (log: $LOG_DIR/entitlements.log)"
  plan=$(describe_plan)
  [[ $plan == "plan $DEMO_PLAN "* ]] || fail "the edge says $plan, but $DEMO_PLAN was bought (log: $LOG_DIR/entitlements.log)"
  demo_done "$(check_key); $plan"
}

# Each run buys for a workspace and an owner of its own, so that every run shows a purchase, and the owner has one workspace:
# calls with its token need not name it.
run_demo() {
  local number slug owner
  number=$(date -u +%y%m%d%H%M%S)
  slug=demo-$number
  owner=user_owner_$number
  step "a purchase, from click to entitlement"
  OWNER_TOKEN=$(mint_token "$IDENTITY/issuer.key" "$owner" "$TOKEN_SECONDS" "$DEV_ISSUER" "$DEV_AUDIENCE")
  make_workspace "$slug" "$owner"
  write_endpoints "$WORKSPACE_ID" "$OWNER_TOKEN"
  show_denied
  open_checkout "$slug"
  pay
  show_delivered
  show_granted
}
