-- An upsert that meets a key of another row than its own ends with the key's error, as an insert would: nobody has to look at its
-- answer before the commit, which therefore travels with it. For the WHERE of ON CONFLICT DO UPDATE.
CREATE FUNCTION billing.refuse_key(p_constraint text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  RAISE unique_violation USING
    MESSAGE = format('an object of the provider''s belongs to another row already (%s)', p_constraint),
    CONSTRAINT = p_constraint;
END
$$;

-- The logs of events are read by key, never by what a column usually holds: a tenth of the usual sample is enough for ANALYZE,
-- which else took the better part of a second of each minute in the first hours of a day's partition.
CREATE FUNCTION billing.sample_lightly(p_table regclass) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  EXECUTE (SELECT format('ALTER TABLE %s %s', p_table, string_agg(format('ALTER COLUMN %I SET STATISTICS 10', a.attname), ', '))
           FROM pg_attribute a WHERE a.attrelid = p_table AND a.attnum > 0 AND NOT a.attisdropped);
END
$$;
REVOKE ALL ON FUNCTION billing.sample_lightly(regclass) FROM PUBLIC;
-- Of a partitioned table its partitions too.
SELECT billing.sample_lightly(t::regclass)
FROM unnest(ARRAY['billing.webhook_events', 'billing.webhook_event_keys', 'billing.audit_log', 'billing.change_feed']) AS t;

CREATE OR REPLACE FUNCTION billing.ensure_partitions(p_table text, p_days integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  day date;
  part text;
  made integer := 0;
BEGIN
  IF p_table NOT IN ('audit_log', 'webhook_events') THEN
    RAISE EXCEPTION 'billing.% is not partitioned by time', p_table;
  END IF;
  IF p_days NOT BETWEEN 0 AND 60 THEN
    RAISE EXCEPTION 'p_days is %, expected 0 to 60', p_days;
  END IF;
  FOR offset_days IN 0 .. p_days LOOP
    day := (billing.now() AT TIME ZONE 'UTC')::date + offset_days;
    part := format('%s_%s', p_table, to_char(day, 'YYYYMMDD'));
    IF to_regclass('billing.' || quote_ident(part)) IS NULL THEN
      -- Rows that landed in the DEFAULT partition meanwhile would refuse the new one: they stay there, and so does the day.
      BEGIN
        EXECUTE format('CREATE TABLE billing.%I PARTITION OF billing.%I FOR VALUES FROM (%L) TO (%L)',
                       part, p_table, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
        EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', part);
        EXECUTE format('ALTER TABLE billing.%I FORCE ROW LEVEL SECURITY', part);
        -- What a column is sampled by isn't inherited.
        PERFORM billing.sample_lightly(format('billing.%I', part)::regclass);
        made := made + 1;
      EXCEPTION WHEN check_violation OR duplicate_table THEN
        NULL;
      END;
    END IF;
  END LOOP;
  RETURN made;
END
$$;
