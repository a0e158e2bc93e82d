-- When each process of the application wrote last. Updated once a second while no scans are written, in place: the page has
-- room for many versions of a row, and vacuum is not called for each of them.
CREATE TABLE write_heartbeats (
    process_id uuid        PRIMARY KEY,
    written_at timestamptz NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 20000, autovacuum_analyze_threshold = 20000);

-- Does what a scan needs to be written: takes the locks that scans take, takes room on the disk, writes and (with the end of the
-- statement) commits. An update fits into its old page, so it alone would succeed on a full disk; a function that returns more
-- rows than work_mem holds writes them to a file, which is gone again with the statement.
CREATE FUNCTION write_heartbeat(process uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' SET work_mem = '64kB' AS $$
BEGIN
    LOCK TABLE ONLY bags, ONLY bag_links, ONLY scans, ONLY audit_logs IN ROW EXCLUSIVE MODE;
    PERFORM count(*) FROM generate_series(1, 4000);
    INSERT INTO write_heartbeats VALUES (process, now())
    ON CONFLICT (process_id) DO UPDATE SET written_at = excluded.written_at;
END
$$;
