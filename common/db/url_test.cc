#include "common/db/url.h"

#include "gtest/gtest.h"

namespace billmesh::db {
namespace {

TEST(DatabaseUrlTest, TakesWhatLibpqTakes) {
  for (const char* good :
       {"postgresql://billmesh_checkout@127.0.0.1:5432/billing", "postgres://u:p%40ss@a,b:5433/x?sslmode=verify-full",
        "postgresql://u@[::1]/x", "host=/var/run/postgresql dbname=billing user=u", "host=a,b port=5432,5433"}) {
    EXPECT_TRUE(CheckUrl(good).ok()) << good << ": " << CheckUrl(good);
  }
}

TEST(DatabaseUrlTest, RefusesOthersWithoutQuotingThem) {
  for (const char* bad : {"hunter2", "mysql://u:hunter2@h/d", "https://u:hunter2@h/d?a=b", "hunter2=x host=a", " ",
                          "postgresql://u:hunter2@h:port/d", "postgresql://u:hunter2@h:70000/d", "postgresql://[::1/x",
                          "postgresql://u@h/d?hunter2=1", "host='hunter2"}) {
    const absl::Status status = CheckUrl(bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(status.message().find("hunter2"), absl::string_view::npos) << status;
  }
}

}  // namespace
}  // namespace billmesh::db
