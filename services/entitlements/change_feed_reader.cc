#include "services/entitlements/change_feed_reader.h"

#include "common/status/status.h"
#include "services/entitlements/change_feed_store.h"

namespace billmesh::entitlements {

absl::StatusOr<ChangeFeedReader::Pass> ChangeFeedReader::Run() {
  Pass pass;
  PolledFeed feed;
  FeedStart start;
  const bool starting = !cursor_.started();
  RETURN_IF_ERROR(pool_.Run(db::Scope::System("entitlements.feed"), [&](db::Tx& tx) -> absl::Status {
    if (starting) {
      ASSIGN_OR_RETURN(start, ReadFeedStart(tx));
    }
    const absl::Duration before = clock_.Monotonic();
    ASSIGN_OR_RETURN(feed, ReadFeed(tx, starting ? start.max_seq : cursor_.above(),
                                    starting ? std::vector<FeedGap>{} : cursor_.gaps()));
    pass.monotonic = before + (clock_.Monotonic() - before) / 2;
    return absl::OkStatus();
  }));
  if (starting) cursor_.Start(start.max_seq, start.snapshot, start.recent);
  pass.step = cursor_.Apply(feed.page);
  pass.catalog_revision = feed.catalog_revision;
  pass.database_now = feed.now;
  return pass;
}

}  // namespace billmesh::entitlements
