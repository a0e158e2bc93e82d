CREATE FUNCTION drop_audit_partition(partition text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    kept bigint;
BEGIN
    -- Nobody who may call this can take away what happened lately.
    IF partition !~ '^audit_logs_[0-9]{4}_[0-9]{2}$'
       OR partition >= 'audit_logs_' || to_char(now() - interval '30 days', 'YYYY_MM')
       OR NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'audit_logs'::regclass AND inhrelid = to_regclass(partition)) THEN
        RAISE EXCEPTION '% is not an old month of the audit log', partition USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('ALTER TABLE audit_logs DETACH PARTITION %I', partition);
    -- Their month is gone, so they go where rows without a month are.
    EXECUTE format('INSERT INTO audit_logs SELECT * FROM %I WHERE action = ''role_changed'' OR action LIKE ''%%\_deleted''', partition);
    GET DIAGNOSTICS kept = ROW_COUNT;
    EXECUTE format('DROP TABLE %I', partition);
    RETURN kept;
END
$$;

DROP FUNCTION finish_audit_archive(date, text, bigint);
DROP FUNCTION lock_to_detach(regclass);
DROP FUNCTION lock_audit_month(date);
DROP FUNCTION check_audit_month(date);
