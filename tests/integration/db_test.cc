// common/db against real PostgreSQL: transactions, roles, errors, time.
#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/db/pool.h"
#include "common/status/status.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"

namespace billmesh {
namespace {

using db::RunInTransaction;
using db::Scope;
using db::Tx;

class DbTest : public ::testing::Test {
 protected:
  testing::TestDatabase database_;
};

TEST_F(DbTest, OkCommitsAndErrorRollsBack) {
  db::Pool& pool = database_.Pool("checkout");
  const std::string id = database_.AddWorkspace("acme");
  const auto bump = [&](absl::Status outcome) {
    return pool.Run(Scope::System("test"), [&](Tx& tx) -> absl::Status {
      RETURN_IF_ERROR(tx.Exec("UPDATE billing.entities SET revision = revision + 1 WHERE id = $1", {id}).status());
      return outcome;
    });
  };
  EXPECT_TRUE(bump(absl::OkStatus()).ok());
  EXPECT_FALSE(bump(absl::InternalError("no")).ok());
  EXPECT_EQ(database_.Value("SELECT revision FROM billing.entities WHERE id = $1", {id}), "2");
}

TEST_F(DbTest, TransactionsTakeTheRolesOfTheirDaemon) {
  const std::string id = database_.AddWorkspace("acme");
  db::Pool& pool = database_.Pool("webhook");
  const auto role = [&](const Scope& scope) {
    return *RunInTransaction(pool, scope, [](Tx& tx) -> absl::StatusOr<std::string> {
      ASSIGN_OR_RETURN(const auto rows,
                       tx.Exec("SELECT current_user::text || ' ' || coalesce(billing.current_entity()::text, '-')"));
      return rows[0].Text(0);
    });
  };
  EXPECT_EQ(role(Scope::System("test")), "webhook_system -");
  EXPECT_EQ(role(Scope::Tenant(id)), "webhook_tenant " + id);
  // The binding ends with the transaction.
  EXPECT_EQ(role(Scope::System("test")), "webhook_system -");
}

TEST_F(DbTest, TenantScopeRefusesWhatIsNotAUuid) {
  const absl::Status status = database_.Pool("checkout").Run(Scope::Tenant("x'; DROP SCHEMA billing; --"), [](Tx&) {
    return absl::OkStatus();
  });
  EXPECT_EQ(ReasonOf(status), Reason::FAILURE_REASON_INVALID_ARGUMENT);
}

TEST_F(DbTest, ErrorsCarryReasonAndConstraint) {
  database_.AddWorkspace("acme");
  const auto exec = [&](const char* sql) {
    return database_.Pool("checkout").Run(Scope::System("test"), [&](Tx& tx) { return tx.Exec(sql).status(); });
  };
  const absl::Status twice =
      exec("INSERT INTO billing.entities (id, env, kind, ref) VALUES (gen_random_uuid(), 'test', 'workspace', 'acme')");
  EXPECT_EQ(ReasonOf(twice), Reason::FAILURE_REASON_CONSTRAINT_VIOLATION);
  EXPECT_EQ(MetadataOf(twice).at("constraint"), "entities_env_kind_ref_key");
  EXPECT_EQ(ReasonOf(exec("SELECT 'x'::uuid")), Reason::FAILURE_REASON_DATA_INVALID);
  EXPECT_EQ(ReasonOf(exec("SELECT no_such_function()")), Reason::FAILURE_REASON_UNSPECIFIED);
}

TEST_F(DbTest, DeadlocksAreRetriedUntilBothSucceed) {
  const std::string a = database_.AddWorkspace("a"), b = database_.AddWorkspace("b");
  db::Pool& pool = database_.Pool("checkout");
  std::atomic<int> holding = 0;
  const auto lock_both = [&](const std::string& first, const std::string& second) {
    bool met = false;
    return pool.Run(Scope::System("test"), [&](Tx& tx) -> absl::Status {
      RETURN_IF_ERROR(tx.Exec("SELECT 1 FROM billing.entities WHERE id = $1 FOR NO KEY UPDATE", {first}).status());
      // Only the first time round: wait until the other holds its first lock, so that the two must deadlock.
      if (!met) {
        met = true;
        ++holding;
        if (!testing::WaitUntil([&] { return holding.load() >= 2; })) return absl::InternalError("never met");
      }
      return tx.Exec("SELECT 1 FROM billing.entities WHERE id = $1 FOR NO KEY UPDATE", {second}).status();
    });
  };
  absl::Status one, two;
  std::thread first([&] { one = lock_both(a, b); });
  std::thread second([&] { two = lock_both(b, a); });
  first.join();
  second.join();
  EXPECT_TRUE(one.ok()) << one;
  EXPECT_TRUE(two.ok()) << two;
}

TEST_F(DbTest, AnAnswerIsWaitedForNoLongerThanTheTimeout) {
  db::PoolOptions options;
  options.url = database_.Url("checkout");
  options.daemon = "checkout";
  options.max_connections = 1;
  options.statement_timeout = absl::Milliseconds(200);
  db::Pool pool(options, database_.clock(), database_.ids());
  const absl::Status late =
      pool.Run(Scope::System("test"), [](Tx& tx) { return tx.Exec("SELECT pg_sleep(5)").status(); });
  EXPECT_EQ(ReasonOf(late), Reason::FAILURE_REASON_DATABASE_UNAVAILABLE) << late;
  EXPECT_EQ(MetadataOf(late).count("client_timeout"), 1u);
  EXPECT_EQ(pool.open_connections(), 0) << "its answer may still come";
}

TEST_F(DbTest, FullPoolAnswersOverloaded) {
  db::PoolOptions options;
  options.url = database_.Url("checkout");
  options.daemon = "checkout";
  options.max_connections = 1;
  options.acquire_timeout = absl::Milliseconds(20);
  db::Pool pool(options, database_.clock(), database_.ids());
  absl::Status inner;
  ASSERT_TRUE(pool.Run(Scope::System("test"),
                       [&](Tx&) {
                         inner = pool.Run(Scope::System("test"), [](Tx&) { return absl::OkStatus(); });
                         return absl::OkStatus();
                       })
                  .ok());
  EXPECT_EQ(ReasonOf(inner), Reason::FAILURE_REASON_OVERLOADED);
}

TEST_F(DbTest, AwayMeansUnavailableAndItComesBackByItself) {
  db::Pool& pool = database_.Pool("checkout");
  const auto run = [&] { return pool.Run(Scope::System("test"), [](Tx& tx) { return tx.Exec("SELECT 1").status(); }); };
  ASSERT_TRUE(run().ok());
  database_.TakeAway();
  EXPECT_EQ(ReasonOf(run()), Reason::FAILURE_REASON_DATABASE_UNAVAILABLE);
  EXPECT_EQ(ReasonOf(run()), Reason::FAILURE_REASON_DATABASE_UNAVAILABLE);
  database_.Restore();
  EXPECT_TRUE(run().ok());
}

// Connections that the server ended while they lay idle are not handed out: a caller after a restart needn't fail for
// it.
TEST_F(DbTest, IdleConnectionsThatEndedAreReplaced) {
  db::Pool& pool = database_.Pool("checkout");
  const auto run = [&] { return pool.Run(Scope::System("test"), [](Tx& tx) { return tx.Exec("SELECT 1").status(); }); };
  ASSERT_TRUE(run().ok());
  database_.TakeAway();
  database_.Restore();
  EXPECT_TRUE(testing::WaitUntil([&] {
    return database_.Value(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
               "pg_backend_pid()") == "0";
  }));
  EXPECT_TRUE(run().ok()) << run();
  EXPECT_EQ(pool.open_connections(), 1);
}

TEST_F(DbTest, ConnectionLostDuringCommitIsInDoubt) {
  // A deferred trigger that kills its own backend: the connection ends inside COMMIT.
  database_.AdminScript(R"sql(
    CREATE FUNCTION billing.test_die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
      $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$;
    CREATE CONSTRAINT TRIGGER test_die AFTER UPDATE ON billing.entities DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION billing.test_die();
  )sql");
  const std::string id = database_.AddWorkspace("acme");
  const absl::Status status = database_.Pool("checkout").Run(Scope::System("test"), [&](Tx& tx) {
    return tx.Exec("UPDATE billing.entities SET revision = 2 WHERE id = $1", {id}).status();
  });
  EXPECT_EQ(ReasonOf(status), Reason::FAILURE_REASON_COMMIT_IN_DOUBT) << status;
}

// Statements that travel together are as if they were run one by one.
TEST_F(DbTest, QueuedStatementsRunInOrderBeforeTheNextAndBeforeTheCommit) {
  db::Pool& pool = database_.Pool("checkout");
  const std::string id = database_.AddWorkspace("acme");
  const char* const kBump = "UPDATE billing.entities SET revision = revision + 1 WHERE id = $1 RETURNING revision";
  std::vector<int64_t> seen;
  const auto note = [&](const db::Result& rows) {
    seen.push_back(rows[0].Int(0));
    return absl::OkStatus();
  };
  for (int round = 0; round < 2; ++round) {  // prepared on the way, and prepared already
    ASSERT_TRUE(pool.Run(Scope::System("test"),
                         [&](Tx& tx) -> absl::Status {
                           tx.Queue(kBump, {id}, note);
                           tx.Queue(kBump, {id}, note);
                           ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(kBump, {id}));
                           seen.push_back(rows[0].Int(0));
                           tx.Queue(kBump, {id});
                           return absl::OkStatus();
                         })
                    .ok());
  }
  EXPECT_EQ(seen, (std::vector<int64_t>{2, 3, 4, 6, 7, 8}));
  EXPECT_EQ(database_.Value("SELECT revision FROM billing.entities WHERE id = $1", {id}), "9");
}

TEST_F(DbTest, AnErrorAmongQueuedStatementsFailsTheTransactionAndTheConnectionGoesOn) {
  db::Pool& pool = database_.Pool("checkout", 1);
  const std::string id = database_.AddWorkspace("acme");
  const char* const kBump = "UPDATE billing.entities SET revision = revision + 1 WHERE id = $1";
  for (int round = 0; round < 2; ++round) {
    bool later = false;
    const absl::Status status = pool.Run(Scope::System("test"), [&](Tx& tx) -> absl::Status {
      tx.Queue(kBump, {id});
      tx.Queue("SELECT 1 / $1::int", {int64_t{0}});
      tx.Queue(kBump, {id}, [&](const db::Result&) {
        later = true;
        return absl::OkStatus();
      });
      return tx.Flush();
    });
    EXPECT_EQ(ReasonOf(status), Reason::FAILURE_REASON_DATA_INVALID) << status;
    EXPECT_FALSE(later) << "what follows a statement that failed is not run";
    EXPECT_EQ(database_.Value("SELECT revision FROM billing.entities WHERE id = $1", {id}), "1");
  }
  EXPECT_EQ(pool.open_connections(), 1);
  // Queued last, seen before the commit; and an error of who looks at a result is one of the transaction.
  EXPECT_FALSE(pool.Run(Scope::System("test"),
                        [&](Tx& tx) {
                          tx.Queue(kBump, {id},
                                   [](const db::Result&) { return absl::InternalError("not as it should be"); });
                          return absl::OkStatus();
                        })
                   .ok());
  EXPECT_EQ(database_.Value("SELECT revision FROM billing.entities WHERE id = $1", {id}), "1");
  EXPECT_EQ(pool.open_connections(), 1);
}

// Where COMMIT travelled with them, who lost the connection can't know.
TEST_F(DbTest, AConnectionLostAmongQueuedStatementsIsInDoubtOnlyWhereTheCommitWasAmongThem) {
  db::Pool& pool = database_.Pool("checkout", 1);
  const auto look = [](const db::Result&) { return absl::OkStatus(); };
  struct Case {
    Tx::OnResult on_result;
    Reason reason;
  };
  for (const Case& c : {Case{look, Reason::FAILURE_REASON_DATABASE_UNAVAILABLE},
                        Case{nullptr, Reason::FAILURE_REASON_COMMIT_IN_DOUBT}}) {
    const absl::Status status = pool.Run(Scope::System("test"), [&](Tx& tx) -> absl::Status {
      tx.Queue("SELECT 1", {});
      RETURN_IF_ERROR(tx.Flush());
      database_.TakeAway();
      tx.Queue("SELECT 1", {});
      tx.Queue("SELECT 2", {}, c.on_result);
      return absl::OkStatus();
    });
    EXPECT_EQ(ReasonOf(status), c.reason) << status;
    database_.Restore();
    EXPECT_TRUE(pool.Check().ok());
  }
}

TEST_F(DbTest, WhatIsQueuedLastTravelsWithTheCommitAndIsTakenAfterIt) {
  db::Pool& pool = database_.Pool("checkout", 1);
  const std::string id = database_.AddWorkspace("acme");
  const char* const kBump = "UPDATE billing.entities SET revision = revision + 1 WHERE id = $1 RETURNING revision";
  const auto stored = [&] { return database_.Value("SELECT revision FROM billing.entities WHERE id = $1", {id}); };
  int64_t taken = 0;
  std::string stored_when_taken;
  const auto take = [&](const db::Result& rows) {
    taken = rows[0].Int(0);
    stored_when_taken = stored();
  };
  ASSERT_TRUE(pool.Run(Scope::System("test"),
                       [&](Tx& tx) {
                         tx.QueueAndTake(kBump, {id}, take);
                         return absl::OkStatus();
                       })
                  .ok());
  EXPECT_EQ(taken, 2);
  EXPECT_EQ(stored_when_taken, "2") << "others see it";
  // Together with one whose result may refuse all, it waits for that.
  const absl::Status refused = pool.Run(Scope::System("test"), [&](Tx& tx) {
    tx.QueueAndTake(kBump, {id}, take);
    tx.Queue("SELECT 1", {}, [](const db::Result&) { return absl::InternalError("not as it should be"); });
    return absl::OkStatus();
  });
  EXPECT_FALSE(refused.ok());
  EXPECT_EQ(stored_when_taken, "2");
  EXPECT_EQ(stored(), "2");
  EXPECT_EQ(pool.open_connections(), 1);
}

// The server answered: nothing is in doubt, and nothing is kept.
TEST_F(DbTest, AnErrorAmongWhatTravelsWithTheCommitIsCertain) {
  db::Pool& pool = database_.Pool("checkout", 1);
  const std::string id = database_.AddWorkspace("acme");
  bool taken = false;
  const auto run = [&](const char* failing) {
    return pool.Run(Scope::System("test"), [&](Tx& tx) {
      tx.QueueAndTake("UPDATE billing.entities SET revision = revision + 1 WHERE id = $1", {id},
                      [&](const db::Result&) { taken = true; });
      tx.Queue("SELECT set_config('statement_timeout', '50ms', true)", {});
      tx.Queue(failing, {});
      return absl::OkStatus();
    });
  };
  EXPECT_EQ(ReasonOf(run("SELECT 1 / 0")), Reason::FAILURE_REASON_DATA_INVALID);
  // 57014: unavailable, but not in doubt.
  const absl::Status late = run("SELECT pg_sleep(5)");
  EXPECT_EQ(ReasonOf(late), Reason::FAILURE_REASON_DATABASE_UNAVAILABLE) << late;
  EXPECT_FALSE(taken);
  EXPECT_EQ(database_.Value("SELECT revision FROM billing.entities WHERE id = $1", {id}), "1");
  EXPECT_EQ(pool.open_connections(), 1);
  EXPECT_TRUE(pool.Check().ok());
}

// The server answers COMMIT of a failed transaction with a rollback, and calls that a success.
TEST_F(DbTest, AnErrorThatWasPassedOverIsNoCommit) {
  db::Pool& pool = database_.Pool("checkout", 1);
  const absl::Status status = pool.Run(Scope::System("test"), [&](Tx& tx) {
    (void)tx.Exec("SELECT 1 / 0");
    return absl::OkStatus();
  });
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(pool.open_connections(), 1);
  EXPECT_TRUE(pool.Check().ok());
}

TEST_F(DbTest, AKeyOfAnotherRowIsRefusedByName) {
  const absl::Status status = database_.Pool("webhook").Run(Scope::System("test"), [&](Tx& tx) {
    tx.Queue("SELECT billing.refuse_key('some_key')", {});
    return absl::OkStatus();
  });
  EXPECT_EQ(ReasonOf(status), Reason::FAILURE_REASON_CONSTRAINT_VIOLATION) << status;
  EXPECT_EQ(MetadataOf(status).at("constraint"), "some_key");
}

TEST_F(DbTest, ATransactionThatRunsNothingOpensNothing) {
  db::Pool& pool = database_.Pool("checkout");
  EXPECT_TRUE(pool.Run(Scope::System("test"), [](Tx&) { return absl::OkStatus(); }).ok());
  EXPECT_FALSE(pool.Run(Scope::System("test"), [](Tx&) { return absl::InternalError("no"); }).ok());
}

TEST_F(DbTest, DecidingTimeIsTheDatabasesAndCanBeMoved) {
  database_.SetClockOffset(absl::Hours(25));
  const auto now = RunInTransaction(database_.Pool("checkout"), Scope::System("test"), [](Tx& tx) { return tx.Now(); });
  ASSERT_TRUE(now.ok());
  EXPECT_GT(*now, database_.clock().Now() + absl::Hours(24));
}

TEST_F(DbTest, BinaryValuesAndArraysArriveUnchanged) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  const auto back =
      RunInTransaction(database_.Pool("checkout"), Scope::System("test"), [&](Tx& tx) -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(const auto rows,
                         tx.Exec("SELECT $1::bytea || v FROM unnest($2::bytea[]) AS v",
                                 {db::Param::Bytes(bytes), db::Param::BytesArray({std::string_view(bytes)})}));
        return rows[0].Bytes(0);
      });
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, bytes + bytes);
}

TEST_F(DbTest, TextsAndUuidsOfAnArrayArriveUnchanged) {
  using OptTexts = std::vector<std::optional<std::string>>;
  const OptTexts texts = {"", std::nullopt, "NULL", "a,b {\"\\}", "Grüße\n"};
  const OptTexts uuids = {"0190b2f4-89ab-7cde-8f01-23456789abcd", std::nullopt, "00000000-0000-0000-0000-000000000000",
                          "ffffffff-ffff-ffff-ffff-ffffffffffff", std::nullopt};
  const auto rows = RunInTransaction(database_.Pool("checkout"), Scope::System("test"), [&](Tx& tx) {
    return tx.Exec(
        "SELECT v.t, v.u FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS v (t, u, place) ORDER BY v.place",
        {db::Param::TextArray(texts), db::Param::UuidArray(uuids)});
  });
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 5);
  for (int i = 0; i < rows->size(); ++i) {
    EXPECT_EQ((*rows)[i].OptText(0), texts[static_cast<size_t>(i)]);
    EXPECT_EQ((*rows)[i].OptText(1), uuids[static_cast<size_t>(i)]);
  }
  const auto refused = RunInTransaction(database_.Pool("checkout"), Scope::System("test"), [&](Tx& tx) {
    return tx.Exec("SELECT unnest($1::uuid[])", {db::Param::UuidArray(std::vector<std::string>{"x"})});
  });
  EXPECT_NE(refused.status().message().find("malformed array literal: \"not a UUID: x\""), std::string::npos)
      << refused.status();
}

// Each type that Row reads, in both forms, NULL and the ends of its range among them.
constexpr char kOfEachType[] = R"sql(
  SELECT * FROM (VALUES
    ('Grüße'::text, '0190b2f4-89ab-7cde-8f01-23456789abcd'::uuid, true, '32767'::smallint, '-2147483648'::integer,
     '9223372036854775807'::bigint, '2026-11-20 10:00:00.25+00'::timestamptz, '\x00ff'::bytea),
    ('', 'ffffffff-ffff-ffff-ffff-ffffffffffff', false, '-32768', '2147483647', '-9223372036854775808', 'infinity', ''),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('0', '00000000-0000-0000-0000-000000000000', true, '0', '0', '0', '-infinity', '0'),
    ('1', '00000000-0000-0000-0000-000000000001', true, '-1', '-1', '-1', '1999-12-31 23:59:59.999999+00', '1')
  ) v (t, u, b, i2, i4, i8, at, bytes) WHERE pg_typeof(v.i2) = 'smallint'::regtype
)sql";

std::vector<std::string> Described(const db::Result& rows) {
  std::vector<std::string> out;
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row r = rows[i];
    if (r.IsNull(0)) {
      const bool nulls = !r.OptText(1).has_value() && !r.OptInt(3).has_value() && !r.OptTime(6).has_value();
      out.push_back(nulls ? "nulls" : "half a row");
      continue;
    }
    out.push_back(absl::StrCat(r.Text(0), " ", r.Text(1), " ", r.Bool(2), " ", r.Int(3), " ", r.Int(4), " ", r.Int(5),
                               " ", absl::FormatTime(r.Time(6), absl::UTCTimeZone()), " ",
                               crypto::HexEncode(r.Bytes(7))));
  }
  return out;
}

TEST_F(DbTest, ResultsAreReadAlikeInTextAndInBinary) {
  std::vector<std::string> read[2];
  for (const bool prepared : {true, false}) {
    db::PoolOptions options = {.url = database_.Url("checkout"), .daemon = "checkout"};
    options.prepare_statements = prepared;
    db::Pool pool(options, database_.clock(), database_.ids());
    const absl::Status status = pool.Run(Scope::System("test"), [&](Tx& tx) {
      for (const db::Format format : {db::Format::kText, db::Format::kBinary}) {
        tx.Queue(
            kOfEachType, {},
            [&read, format](const db::Result& rows) {
              read[static_cast<size_t>(format)] = Described(rows);
              return absl::OkStatus();
            },
            format);
      }
      return tx.Flush();
    });
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(read[0].size(), 5);
    EXPECT_EQ(read[0], read[1]);
    EXPECT_EQ(read[1][0],
              "Grüße 0190b2f4-89ab-7cde-8f01-23456789abcd 1 32767 -2147483648 9223372036854775807 "
              "2026-11-20T10:00:00.25+00:00 00ff");
    EXPECT_EQ(read[1][2], "nulls");
  }
}

// A store that asks for binary where Row can't read it must not get garbage.
TEST_F(DbTest, WhatCantBeReadInBinaryEndsTheProcess) {
  const struct {
    const char* sql;
    void (*read)(const db::Row& row);
    const char* said;
  } kCases[] = {
      {"SELECT 1.5::numeric", [](const db::Row& r) { (void)r.Text(0); }, "not a text"},
      {"SELECT '{}'::jsonb", [](const db::Row& r) { (void)r.Text(0); }, "not a text"},
      {"SELECT 1", [](const db::Row& r) { (void)r.Text(0); }, "not a text"},
      {"SELECT gen_random_uuid()", [](const db::Row& r) { (void)r.View(0); }, "not a text"},
      {"SELECT 1.5::float8", [](const db::Row& r) { (void)r.Int(0); }, "not an integer"},
      {"SELECT 1", [](const db::Row& r) { (void)r.Bool(0); }, "not a boolean"},
      {"SELECT '2026-11-20'::timestamp", [](const db::Row& r) { (void)r.Time(0); }, "not a timestamp"},
      {"SELECT 'x'::text", [](const db::Row& r) { (void)r.Bytes(0); }, "not a bytea"},
  };
  for (const auto& c : kCases) {
    const auto read = [&] {
      return database_.Pool("checkout").Run(Scope::System("test"), [&](Tx& tx) {
        const auto take = [&](const db::Result& rows) {
          c.read(rows[0]);
          return absl::OkStatus();
        };
        tx.Queue(c.sql, {}, take, db::Format::kBinary);
        return tx.Flush();
      });
    };
    EXPECT_DEATH((void)read(), c.said) << c.sql;
  }
}

TEST_F(DbTest, TimesAndTruthsOfAnArrayArriveUnchanged) {
  const absl::Time time = absl::FromUnixMicros(1'790'000'000'123'456), early = absl::FromUnixMicros(-1);
  const auto rows = RunInTransaction(database_.Pool("checkout"), Scope::System("test"), [&](Tx& tx) {
    return tx.Exec("SELECT v.t, v.b FROM unnest($1::timestamptz[], $2::boolean[]) AS v (t, b)",
                   {db::Param::TimeArray({time, std::nullopt, early, absl::InfiniteFuture()}),
                    db::Param::BoolArray({true, false, true, false})});
  });
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 4);
  EXPECT_EQ((*rows)[0].Time(0), time);
  EXPECT_FALSE((*rows)[1].OptTime(0).has_value());
  EXPECT_EQ((*rows)[2].Time(0), early);
  EXPECT_EQ((*rows)[3].Time(0), absl::InfiniteFuture());
  for (int i = 0; i < rows->size(); ++i) EXPECT_EQ((*rows)[i].Bool(1), i % 2 == 0);
  const auto none = RunInTransaction(database_.Pool("checkout"), Scope::System("test"), [&](Tx& tx) {
    return tx.Exec("SELECT 1 FROM unnest($1::timestamptz[])", {db::Param::TimeArray({})});
  });
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_TRUE(none->empty());
}

}  // namespace
}  // namespace billmesh
