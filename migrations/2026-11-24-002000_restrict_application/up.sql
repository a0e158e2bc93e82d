-- The application works as a role that can't change or delete what is written in the audit log, nor delete scans.
-- Whoever runs the migrations owns the tables; retention and anonymisation run as that owner, in functions of their own.

DO $$
DECLARE
    partition regclass;
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'traitortrack_app') THEN
            CREATE ROLE traitortrack_app NOLOGIN;
        END IF;
        EXECUTE format('GRANT traitortrack_app TO %I', current_user);
    EXCEPTION
        -- Roles are the whole server's: another database's migration may be making it at this moment.
        WHEN duplicate_object OR unique_violation THEN NULL;
        WHEN insufficient_privilege THEN
            RAISE WARNING 'role traitortrack_app could not be made; the audit log is guarded by its trigger alone';
    END;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'traitortrack_app') THEN
        GRANT USAGE ON SCHEMA public TO traitortrack_app;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO traitortrack_app;
        GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO traitortrack_app;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO traitortrack_app;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO traitortrack_app;
        FOR partition IN SELECT relid FROM pg_partition_tree('audit_logs') LOOP
            EXECUTE format('REVOKE UPDATE, DELETE ON %s FROM traitortrack_app', partition);
        END LOOP;
        FOR partition IN SELECT relid FROM pg_partition_tree('scans') LOOP
            EXECUTE format('REVOKE DELETE ON %s FROM traitortrack_app', partition);
        END LOOP;
    END IF;
END
$$;

-- For installations whose database user may not make roles, and against slips of the owner's own hand.
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('traitortrack.maintenance', true) = 'on' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_logs_append_only BEFORE UPDATE OR DELETE ON audit_logs
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();

-- As before, but run by the owner; new partitions are guarded like their parents.
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

CREATE OR REPLACE FUNCTION anonymise_user(person bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    alias text := 'deleted-' || person;
BEGIN
    UPDATE users SET username = alias, email = NULL, password_hash = '!', is_active = false, two_factor_enabled = false, totp_secret = NULL,
           totp_last_step = NULL, locked_until = NULL, anonymised_at = now(), version = version + 1
    WHERE id = person;
    UPDATE sessions SET ip = NULL, user_agent = NULL WHERE user_id = person;
    UPDATE imports SET ip = NULL, user_agent = NULL WHERE created_by = person;
    UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE user_id = person;
    DELETE FROM recovery_codes WHERE user_id = person;
    DELETE FROM password_resets WHERE user_id = person;
    DELETE FROM notifications WHERE user_id = person;
    UPDATE promotion_requests SET reason = '(deleted)' WHERE user_id = person;
    DELETE FROM idempotency_keys WHERE caller = 'user:' || person;
    PERFORM set_config('traitortrack.maintenance', 'on', true);
    -- What this person did, and what was done to this person.
    UPDATE audit_logs SET actor_name = alias, ip = NULL, user_agent = NULL WHERE actor_id = person;
    UPDATE audit_logs
    SET before = CASE WHEN before ? 'username' THEN jsonb_set(before, '{username}', to_jsonb(alias)) ELSE before END - 'email',
        after  = CASE WHEN after  ? 'username' THEN jsonb_set(after,  '{username}', to_jsonb(alias)) ELSE after  END - 'email'
    WHERE entity_type = 'user' AND entity_id = person::text;
    PERFORM set_config('traitortrack.maintenance', 'off', true);
END
$$;
