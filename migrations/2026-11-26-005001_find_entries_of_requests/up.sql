-- The audit entries that one request wrote: at most as many as a batch has scans, twice. Over audit_logs_origin_idx, always:
-- of a summary of pages the planner expects that it leaves out none, and reads whole months instead.
CREATE FUNCTION audit_entries_of_request(wanted text) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE STRICT ROWS 100
    SET enable_seqscan = off SET max_parallel_workers_per_gather = 0 AS $$
BEGIN
    RETURN QUERY SELECT l.id FROM audit_logs l WHERE l.request_id = wanted;
END
$$;
