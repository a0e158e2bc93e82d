-- Deleting a person without deleting what they did (GDPR, article 17).

CREATE FUNCTION anonymise_user(person bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    alias text := 'deleted-' || person;
BEGIN
    UPDATE users SET username = alias, email = NULL, password_hash = '!', is_active = false, two_factor_enabled = false, totp_secret = NULL,
           totp_last_step = NULL, locked_until = NULL, anonymised_at = now(), version = version + 1
    WHERE id = person;
    UPDATE sessions SET ip = NULL, user_agent = NULL WHERE user_id = person;
    UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE user_id = person;
    DELETE FROM recovery_codes WHERE user_id = person;
    DELETE FROM password_resets WHERE user_id = person;
    DELETE FROM notifications WHERE user_id = person;
    UPDATE promotion_requests SET reason = '(deleted)' WHERE user_id = person;
    DELETE FROM idempotency_keys WHERE caller = 'user:' || person;
    -- What this person did, and what was done to this person.
    UPDATE audit_logs SET actor_name = alias, ip = NULL, user_agent = NULL WHERE actor_id = person;
    UPDATE audit_logs
    SET before = CASE WHEN before ? 'username' THEN jsonb_set(before, '{username}', to_jsonb(alias)) ELSE before END - 'email',
        after  = CASE WHEN after  ? 'username' THEN jsonb_set(after,  '{username}', to_jsonb(alias)) ELSE after  END - 'email'
    WHERE entity_type = 'user' AND entity_id = person::text;
END
$$;
