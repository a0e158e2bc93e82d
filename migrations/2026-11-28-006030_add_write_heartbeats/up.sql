-- The last heartbeat of each process. Updated once a second while no scans are written. The fill
-- factor leaves space for many row versions in the page, and autovacuum does not run for every few
-- of them.
CREATE TABLE write_heartbeats (
    process_id uuid        PRIMARY KEY,
    written_at timestamptz NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 20000, autovacuum_analyze_threshold = 20000);

-- Needs what a scan needs: takes the same table locks, allocates disk space, writes a row and
-- commits with the end of the statement. The row fits into its page, so the update alone would
-- succeed on a full disk. A set of rows larger than work_mem is written to a temporary file, which
-- is deleted at the end of the statement.
CREATE FUNCTION write_heartbeat(process uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' SET work_mem = '64kB' AS $$
BEGIN
    LOCK TABLE ONLY bags, ONLY bag_links, ONLY scans, ONLY audit_logs IN ROW EXCLUSIVE MODE;
    PERFORM count(*) FROM generate_series(1, 4000);
    INSERT INTO write_heartbeats VALUES (process, now())
    ON CONFLICT (process_id) DO UPDATE SET written_at = excluded.written_at;
END
$$;
