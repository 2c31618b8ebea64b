#include "tests/fault/crash_run.h"

#include <deque>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/checkout/fault_points.h"
#include "tests/fault/crash_oracle.h"

namespace billmesh::crash {
namespace {

namespace points = checkout::fault_points;
using nlohmann::json;

constexpr char kKey[] = "the-key";
constexpr absl::Duration kPastLease = absl::Seconds(121);
// Past the replay deadline, while a session that was made still is open.
constexpr absl::Duration kPastDeadline = absl::Minutes(23 * 60 + 2);
// Recoveries until an operation must have ended; a 500 that is replayed takes some before anybody looks for the object.
constexpr size_t kMaxRecoveries = 8;

json FaultRule(const CrashRun& run) {
  json rule = {{"match", run.action->write}};
  switch (run.outcome) {
    case ProviderOutcome::kDone:
      return nullptr;
    case ProviderOutcome::kRejected:
      rule["action"] = "error_400";
      break;
    case ProviderOutcome::kLostBefore:
      rule["action"] = "reset_before";
      break;
    case ProviderOutcome::kLostAfter:
      rule["action"] = "reset_after";
      break;
    case ProviderOutcome::kFailedAfter:
      rule["action"] = "error_500_after";
      rule["match"]["count"] = 1;
      break;
  }
  return rule;
}

// Whether a daemon that died there had its first call behind it.
bool HasSent(std::string_view point) {
  return point != points::kBeforeClaimCommit && point != points::kAfterClaimCommit &&
         point != points::kBeforeTakeoverCommit && point != points::kAfterTakeoverCommit &&
         point != points::kBeforeDispatch;
}

// The play of one run, and what it found.
class Player {
 public:
  Player(CrashWorld& world, const CrashRun& run) : world_(world), run_(run) {
    to_kill_.push_back(run.first);
    if (!run.second.empty()) to_kill_.push_back(run.second);
  }

  RunResult Result() {
    Prepare();
    Oracle oracle(world_, *run_.action, subject_);
    Serve();
    Recover();
    HoldEvents(false);
    result_.killed = to_kill_.empty();
    const CallEnd end = AskAgain();
    result_.passed = world_.Passages();
    CheckOperation(end);
    Add(oracle.CheckWrite(end.ok()));
    if (run_.action->purchase && end.ok()) BuyAndTryAnother();
    Add(oracle.CheckRules());
    CheckKill();
    CheckInvariants();
    return std::move(result_);
  }

 private:
  void Prepare() {
    world_.HealDaemon();
    world_.Sim("DELETE", "faults");
    subject_.entity_id = world_.NewEntity();
    run_.action->prepare(world_, subject_);
    world_.ForgetPassages();
    // No event comes first and ends what recovery is to end: a run would be another one each time.
    HoldEvents(true);
    if (const json rule = FaultRule(run_); !rule.is_null()) world_.Sim("POST", "faults", rule);
  }

  void HoldEvents(bool hold) { world_.Sim("POST", "webhooks", {{"hold", hold}}); }

  // The client's first call, of a daemon that is armed.
  void Serve() {
    Arm();
    NoteEnd(run_.action->send(world_, subject_, kKey));
  }

  // For the next kill, or for none.
  void Arm() { world_.StartDaemon(to_kill_.empty() ? "" : absl::StrCat(to_kill_.front(), "=abort")); }

  // A daemon that passed its point is dead: the next one takes its place.
  void NoteEnd(const CallEnd& end) {
    if (end.answered) return HealNetwork();
    if (!world_.DaemonDied()) return Find("the request got no answer from a living daemon: " + end.code);
    if (to_kill_.empty()) {
      Find("a daemon died that nobody killed");
    } else {
      if (HasSent(to_kill_.front())) HealNetwork();
      to_kill_.pop_front();
    }
    Arm();
  }

  // One call is lost, however often it's sent, and the next one isn't.
  void HealNetwork() {
    NoteFault();
    const bool lost = run_.outcome == ProviderOutcome::kLostBefore || run_.outcome == ProviderOutcome::kLostAfter;
    if (lost) world_.Sim("DELETE", "faults");
  }

  // Whether the run's outcome came about.
  void NoteFault() {
    const json rules = world_.Sim("GET", "faults").at("rules");
    for (const json& rule : rules) struck_ = struck_ || rule.at("struck").get<int64_t>() > 0;
  }

  bool LooksUpByDeadline() const {
    return (run_.second == points::kBeforeLookUp || run_.second == points::kAfterLookUp) &&
           run_.outcome != ProviderOutcome::kFailedAfter;
  }

  // Leases end, and the client and the reconciler take turns, until the operation has ended.
  void Recover() {
    const size_t first = run_.Name().size() % 2;
    for (size_t round = 0; round < kMaxRecoveries && !Ended(); ++round) {
      world_.MoveClocks(round == 0 && LooksUpByDeadline() ? kPastDeadline : kPastLease);
      const bool by_client = (round + first) % 2 != 0 || operation_.empty();
      NoteEnd(by_client ? run_.action->send(world_, subject_, kKey) : RecoverOperation());
    }
    NoteFault();
    world_.Sim("DELETE", "faults");
  }

  CallEnd RecoverOperation() {
    pb::RecoverOperationRequest request;
    request.set_operation(operation_);
    pb::RecoverOperationResponse response;
    return CrashWorld::Call(world_.as_reconciler(), &pb::CheckoutService::Stub::RecoverOperation, request, response);
  }

  // Also reads the operation's id.
  bool Ended() {
    const std::string row =
        world_.Value(absl::StrCat("SELECT id || ' ' || status || ' ' || coalesce(failure_code, '') FROM "
                                  "billing.request_idempotency WHERE entity_id = '",
                                  subject_.entity_id, "' AND client_key = '", kKey, "'"));
    const size_t space = row.find(' ');
    operation_ = row.substr(0, space);
    status_ = space == std::string::npos ? "" : row.substr(space + 1);
    return !status_.empty() && !absl::StartsWith(status_, "pending");
  }

  // What the client is told in the end; the same when it asks once more.
  CallEnd AskAgain() {
    world_.HealDaemon();
    const CallEnd end = run_.action->send(world_, subject_, kKey);
    const CallEnd again = run_.action->send(world_, subject_, kKey);
    if (again.code != end.code) Find(absl::StrCat("the key was answered with ", end.code, ", then with ", again.code));
    return end;
  }

  void CheckOperation(const CallEnd& end) {
    if (!Ended()) Find(absl::StrCat("the operation isn't terminal: \"", status_, "\""));
    if (!Expected(end)) Find(absl::StrCat("the client was told ", end.code, " (operation: ", status_, ")"));
  }

  bool Expected(const CallEnd& end) const {
    if (end.ok()) return run_.outcome != ProviderOutcome::kRejected;
    if (end.code == "checkout_provider_error") return run_.outcome == ProviderOutcome::kRejected;
    // Nobody can tell any more whether it was done, where nothing was found.
    return end.code == "checkout_recovery_window_elapsed" && LooksUpByDeadline() &&
           (run_.outcome == ProviderOutcome::kRejected || run_.outcome == ProviderOutcome::kLostBefore);
  }

  void BuyAndTryAnother() {
    if (!PayAndProject(world_, subject_))
      return Find("the checkout can't be paid, or its subscription isn't projected");
    pb::StartCheckoutResponse response;
    const CallEnd another = SendCheckout(world_, subject_, "another-key", response);
    if (another.code != "subscription_exists_use_portal") Find("a second purchase got " + another.code);
  }

  // The run was what it is called: killed there, after that answer of the provider's.
  void CheckKill() {
    const bool reachable = WhyUnreachable(run_).empty();
    if (!result_.killed && reachable) Find("no daemon died at " + to_kill_.front());
    if (result_.killed && !reachable) Find("a daemon died where the plan says that none can");
    if (!struck_ && run_.outcome != ProviderOutcome::kDone) Find("the provider's fault never struck");
    for (const std::string& point : result_.passed) {
      if (!run_.action->Reaches(point)) Find("passed, and isn't declared for the action: " + point);
    }
  }

  void CheckInvariants() {
    const testing::CommandResult verified = world_.mesh().Billctl({"verify"});
    if (verified.exit_code != 0) Find("billctl verify: " + verified.output);
  }

  void Find(const std::string& finding) { result_.findings.push_back(finding); }
  void Add(const std::vector<std::string>& findings) {
    for (const std::string& finding : findings) Find(finding);
  }

  CrashWorld& world_;
  const CrashRun& run_;
  Subject subject_;
  std::deque<std::string> to_kill_;  // where the present daemon dies, and its successors
  bool struck_ = false;
  std::string operation_, status_;
  RunResult result_;
};

}  // namespace

RunResult Play(CrashWorld& world, const CrashRun& run) { return Player(world, run).Result(); }

}  // namespace billmesh::crash
