DROP FUNCTION finish_erasure(bigint);
DROP FUNCTION erase_from_tables(bigint);
DROP FUNCTION erase_audit_mentions(bigint, text, text[]);
DROP FUNCTION erasure_bag_codes(bigint);
DROP FUNCTION erase_own_audit_entries(bigint, uuid, integer);
DROP FUNCTION erased_audit_entry(jsonb, jsonb);
DROP FUNCTION erased_body(bytea, jsonb);
DROP FUNCTION erased_json(jsonb, jsonb, text);
DROP FUNCTION erased_text(text, text, jsonb);
DROP FUNCTION erasure_plan(bigint);
DROP FUNCTION regex_of_words(text[], text[]);
DROP FUNCTION regex_quote(text);
DROP FUNCTION erasure_treatment_of_key(text);
DROP FUNCTION erasure_rules();
DROP TABLE erasures;

-- As it was.
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
