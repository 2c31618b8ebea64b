#include "services/entitlements/change_feed_store.h"

#include "common/status/status.h"

namespace billmesh::entitlements {

absl::StatusOr<PolledFeed> ReadFeed(db::Tx& tx, int64_t above, const std::vector<FeedGap>& gaps) {
  std::vector<int64_t> firsts;
  std::vector<int64_t> lasts;
  for (const FeedGap& gap : gaps) {
    firsts.push_back(gap.first);
    lasts.push_back(gap.last);
  }
  // pg_current_snapshot() is the snapshot of this very statement, which is what makes the proof of FeedCursor hold.
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec(R"sql(
    WITH snap AS MATERIALIZED (
      SELECT pg_current_snapshot() AS s
    ), found AS (
      (SELECT f.seq, f.entity_id, f.revision, f.created_at, false AS in_gap
       FROM billing.change_feed f
       WHERE f.seq > $1
       ORDER BY f.seq
       LIMIT $4)
      UNION ALL
      (SELECT f.seq, f.entity_id, f.revision, f.created_at, true AS in_gap
       FROM unnest($2::bigint[], $3::bigint[]) AS g (first, last)
       CROSS JOIN LATERAL (
         SELECT c.seq, c.entity_id, c.revision, c.created_at
         FROM billing.change_feed c
         WHERE c.seq BETWEEN g.first AND g.last
         ORDER BY c.seq
         LIMIT $4) f
       ORDER BY f.seq
       LIMIT $4)
    )
    SELECT pg_snapshot_xmin(snap.s)::text::bigint, pg_snapshot_xmax(snap.s)::text::bigint,
           coalesce((SELECT m.seq FROM billing.change_feed m ORDER BY m.seq DESC LIMIT 1), 0),
           (SELECT c.revision FROM billing.catalog_state c),
           billing.now(),
           found.seq, found.entity_id, found.revision, found.created_at, found.in_gap
    FROM snap LEFT JOIN found ON true
    ORDER BY found.seq
  )sql",
                           {above, db::Param::IntArray(firsts), db::Param::IntArray(lasts), kMaxFeedRows}));
  PolledFeed out;
  // The left join gives a row also where nothing was found.
  const db::Row head = rows[0];
  out.page.snapshot = FeedSnapshot{head.Int(0), head.Int(1)};
  out.page.max_seq = head.Int(2);
  out.catalog_revision = head.Int(3);
  out.now = head.Time(4);
  int in_tail = 0;
  int in_gaps = 0;
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    if (row.IsNull(5)) continue;
    out.page.rows.push_back(FeedRow{row.Int(5), row.Text(6), row.Int(7), row.Time(8)});
    ++(row.Bool(9) ? in_gaps : in_tail);
  }
  out.page.tail_cut = in_tail == kMaxFeedRows;
  out.page.gaps_cut = in_gaps == kMaxFeedRows;
  return out;
}

absl::StatusOr<FeedStart> ReadFeedStart(db::Tx& tx) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    WITH snap AS MATERIALIZED (
      SELECT pg_current_snapshot() AS s
    ), top AS MATERIALIZED (
      SELECT coalesce((SELECT f.seq FROM billing.change_feed f ORDER BY f.seq DESC LIMIT 1), 0) AS seq
    )
    SELECT pg_snapshot_xmin(snap.s)::text::bigint, pg_snapshot_xmax(snap.s)::text::bigint, top.seq, f.seq
    FROM snap CROSS JOIN top LEFT JOIN billing.change_feed f ON f.seq > top.seq - $1
    ORDER BY f.seq
  )sql",
                                                  {FeedCursor::kStartWindow}));
  FeedStart out;
  out.snapshot = FeedSnapshot{rows[0].Int(0), rows[0].Int(1)};
  out.max_seq = rows[0].Int(2);
  for (int i = 0; i < rows.size(); ++i) {
    if (!rows[i].IsNull(3)) out.recent.push_back(rows[i].Int(3));
  }
  return out;
}

}  // namespace billmesh::entitlements
