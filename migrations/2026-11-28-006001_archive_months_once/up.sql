-- An archive is never overwritten, and a month goes from the database only when its file was
-- counted: in the transaction that records the file.

-- Refuses months that have not ended, a day ago at least: nobody who may archive can take away what
-- happens now.
CREATE FUNCTION check_audit_month(month date) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
BEGIN
    IF month IS NULL OR month <> date_trunc('month', month::timestamp)::date
       OR month_start(month_after(month)) > now() - interval '1 day' THEN
        RAISE EXCEPTION '% is not an old month of the audit log', month USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

-- Keeps a month of the audit log as it is until the transaction ends, so that a file can be written
-- of it: its partition, or what came for it after that was archived.
CREATE FUNCTION lock_audit_month(month date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM check_audit_month(month);
    IF month_partition('audit_logs', month) IS NOT NULL THEN
        EXECUTE format('LOCK TABLE %s IN SHARE MODE', month_partition('audit_logs', month));
    ELSE
        LOCK TABLE audit_logs_default IN SHARE ROW EXCLUSIVE MODE;
    END IF;
END
$$;

-- Keeps everyone away from the audit log for the moment in which a partition is detached. In short
-- waits: whoever has to wait for this partition holds the log, and gives up in the end; a long wait
-- would be a deadlock, and keep everyone else waiting.
CREATE FUNCTION lock_to_detach(partition regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    FOR attempt IN 1 .. 16 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '500ms', true);
            LOCK TABLE ONLY audit_logs IN ACCESS EXCLUSIVE MODE;
            LOCK TABLE audit_logs_default IN ACCESS EXCLUSIVE MODE;
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', partition);
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
    RAISE EXCEPTION 'others hold the audit log; % stays for now', partition USING ERRCODE = 'lock_not_available';
END
$$;

-- Takes a month out of the database when `written` is the number of its rows, all of which are in
-- `archive`. Role changes and deletions stay, in the default partition. Returns how many stayed.
CREATE FUNCTION finish_audit_archive(archived date, archive text, written bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    partition regclass := month_partition('audit_logs', archived);
    low       uuid := uuidv7_floor(month_start(archived));
    high      uuid := uuidv7_floor(month_start(month_after(archived)));
    permanent uuid[] := '{}';
    columns   text;
    found     bigint;
BEGIN
    PERFORM lock_audit_month(archived);
    IF partition IS NOT NULL THEN
        EXECUTE format('SELECT count(*), coalesce(array_agg(id) FILTER (WHERE is_permanent_audit_action(action)), ''{}'') FROM %s', partition)
            INTO found, permanent;
    ELSIF EXISTS (SELECT FROM audit_archives WHERE month = archived) THEN
        PERFORM set_config('traitortrack.maintenance', 'on', true);
        DELETE FROM audit_logs_default WHERE id >= low AND id < high AND NOT is_permanent_audit_action(action);
        GET DIAGNOSTICS found = ROW_COUNT;
        PERFORM set_config('traitortrack.maintenance', 'off', true);
    END IF;
    IF found IS DISTINCT FROM written OR (written > 0 AND archive IS NULL) THEN
        RAISE EXCEPTION '% rows of % were archived, and there are %', written, archived, found;
    END IF;
    INSERT INTO audit_archives (month, file, rows) VALUES (archived, archive, written);
    IF partition IS NOT NULL THEN
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
        FROM pg_attribute WHERE attrelid = 'audit_logs'::regclass AND attnum > 0 AND NOT attisdropped;
        PERFORM lock_to_detach(partition);
        EXECUTE format('ALTER TABLE audit_logs DETACH PARTITION %s', partition);
        EXECUTE format('INSERT INTO audit_logs (%s) SELECT %1$s FROM %s WHERE id = ANY($1)', columns, partition) USING permanent;
        EXECUTE format('DROP TABLE %s', partition);
    END IF;
    RETURN cardinality(permanent);
END
$$;
DROP FUNCTION drop_audit_partition(text);

