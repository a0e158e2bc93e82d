ALTER FUNCTION anonymise_user(bigint) SECURITY INVOKER;
ALTER FUNCTION anonymise_user(bigint) RESET search_path;
ALTER FUNCTION ensure_month_partitions(regclass, timestamptz, integer) SECURITY INVOKER;
ALTER FUNCTION ensure_month_partitions(regclass, timestamptz, integer) RESET search_path;
DROP TRIGGER audit_logs_append_only ON audit_logs;
DROP FUNCTION refuse_audit_change();
DO $$
BEGIN
    -- The role itself stays: other databases of this server may use it.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'traitortrack_app') THEN
        DROP OWNED BY traitortrack_app;
    END IF;
END
$$;
