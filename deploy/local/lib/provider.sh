# shellcheck shell=bash
# Which provider the local mesh talks to: the simulator, or real Stripe in test mode when STRIPE_SECRET_KEY is set.
# Uses base, ports, process and mesh.

# kind (simulator or stripe), key, base (URL), webhook_secret.
declare -A STRIPE=()

# Real Stripe and the simulator have databases of their own: neither knows the other's objects.
choose_provider() {
  if [[ -z ${STRIPE_SECRET_KEY:-} ]]; then
    STRIPE=([kind]=simulator [key]=sk_test_billmesh_local [base]="http://$(address stripesim)"
      [webhook_secret]=$(secret stripe-webhook whsec_))
    DATABASE=billmesh
    return
  fi
  case $STRIPE_SECRET_KEY in
    sk_test_?* | rk_test_?*) ;;
    *) fail "STRIPE_SECRET_KEY is not a test-mode key (sk_test_… or rk_test_…); this mesh never touches live data" ;;
  esac
  [[ ${STRIPE_WEBHOOK_SECRET:-} == whsec_?* ]] || fail "STRIPE_WEBHOOK_SECRET is missing: run" \
    "\"stripe listen --forward-to http://$(address edge)/api/billing/webhooks/stripe\" and set it to the whsec_… that it prints"
  STRIPE=([kind]=stripe [key]=$STRIPE_SECRET_KEY [base]=${STRIPE_API_BASE:-https://api.stripe.com}
    [webhook_secret]=$STRIPE_WEBHOOK_SECRET)
  # shellcheck disable=SC2034  # read by database.sh
  DATABASE=billmesh_stripe
}

start_redis() {
  step "starting redis" "$LOG_DIR/redis.log"
  ensure_process redis redis "tcp:${PORT[redis]}" "$(command -v redis-server)" --port "${PORT[redis]}" --bind 127.0.0.1 \
    --save "" --appendonly no --dir "$RUN_DIR" --daemonize no
  wait_until "$READY_SECONDS" healthy "tcp:${PORT[redis]}" \
    || fail "redis does not listen: $(reason_from_log "$LOG_DIR/redis.log") (log: $LOG_DIR/redis.log)"
}

# Sets STARTED, as ensure_process does.
start_simulator() {
  step "starting the Stripe simulator" "$LOG_DIR/stripesim.log"
  write_environment stripesim "STRIPESIM_LISTEN=$(address stripesim)" \
    "STRIPESIM_WEBHOOK_URL=http://$(address edge)/api/billing/webhooks/stripe" "STRIPE_WEBHOOK_SECRET=${STRIPE[webhook_secret]}"
  ensure_process stripesim stripesim "http://$(address stripesim)/_sim/health" "$(binary_of stripesim)"
  wait_ready stripesim "http://$(address stripesim)/_sim/health" "$READY_SECONDS" "${LOG_START[stripesim]:-1}"
}
