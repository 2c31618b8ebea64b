-- A daemon finds its rows by key, and keeps a plan for as long as the session that made it (0001): in the first second of a day one
-- for an empty partition. PostgreSQL would rather read so small a table from end to end, and went on doing so while the day filled,
-- until the next ANALYZE: each event that was woken read all of its day. So reading a whole table, or both sides of a join, is the last
-- resort. Where there is no other way (a table of one row) the plan seems so dear that it would be compiled: that isn't worth it either.
DO $roles$
DECLARE
  daemon text;
  setting text;
BEGIN
  FOREACH daemon IN ARRAY ARRAY['checkout', 'webhook', 'entitlements', 'reconciler'] LOOP
    FOREACH setting IN ARRAY ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit'] LOOP
      EXECUTE format('ALTER ROLE %I SET %I = off', 'billmesh_' || daemon, setting);
    END LOOP;
  END LOOP;
END
$roles$;
