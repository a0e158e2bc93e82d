CREATE OR REPLACE FUNCTION ensure_month_partitions(parent regclass, first timestamptz, months integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month_start timestamptz;
    partition   text;
    made        integer := 0;
BEGIN
    IF parent NOT IN ('scans'::regclass, 'audit_logs'::regclass) THEN
        RAISE EXCEPTION '% is not partitioned by month', parent;
    END IF;
    FOR i IN 0 .. months - 1 LOOP
        month_start := (date_trunc('month', first AT TIME ZONE 'UTC') + make_interval(months => i)) AT TIME ZONE 'UTC';
        partition := format('%s_%s', parent, to_char(month_start AT TIME ZONE 'UTC', 'YYYY_MM'));
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)',
                           partition, parent,
                           uuidv7_floor(month_start),
                           uuidv7_floor((month_start AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'));
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'traitortrack_app') THEN
                EXECUTE format('REVOKE DELETE ON %I FROM traitortrack_app', partition);
                IF parent = 'audit_logs'::regclass THEN
                    EXECUTE format('REVOKE UPDATE ON %I FROM traitortrack_app', partition);
                END IF;
            END IF;
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$;

DROP FUNCTION make_month_partition(regclass, date);
DROP FUNCTION missing_month_partitions(regclass, timestamptz, integer);
DROP FUNCTION months_in_default_partition(regclass);
DROP FUNCTION month_partition(regclass, date);
DROP FUNCTION month_after(date);
DROP FUNCTION month_start(date);
DROP FUNCTION is_permanent_audit_action(text);
DROP TABLE audit_archives;
