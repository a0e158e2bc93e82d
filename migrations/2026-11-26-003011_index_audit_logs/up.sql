-- What is rare in the audit log. The entries of a packed child touch neither of the first two; the third is a summary of
-- every 64 pages, written when they are full.
CREATE INDEX IF NOT EXISTS audit_logs_action_idx ON ONLY audit_logs (action, id DESC) WHERE action NOT IN ('bag_created', 'child_linked');
CREATE INDEX IF NOT EXISTS audit_logs_entity_type_idx ON ONLY audit_logs (entity_type, id DESC) WHERE entity_type <> 'bag';
CREATE INDEX IF NOT EXISTS audit_logs_origin_idx ON ONLY audit_logs
    USING brin (request_id text_bloom_ops (n_distinct_per_range = 2500), ip text_bloom_ops (n_distinct_per_range = 100)) WITH (pages_per_range = 64);

-- Summaries are written by the owner of the table alone, which the application is not.
CREATE FUNCTION summarize_audit_origins() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM brin_summarize_new_values(part.relid)
    FROM pg_partition_tree('audit_logs_origin_idx') AS part JOIN pg_index x ON x.indexrelid = part.relid
    WHERE part.isleaf AND x.indisvalid;
END
$$;
