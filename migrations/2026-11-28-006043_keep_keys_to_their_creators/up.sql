-- A key acts as the person who created it. Those that were created for another person let an admin
-- act under another's name, and giving them to their creator would let their holders do what the
-- creator may: they are revoked. So are keys whose creator is not known. Who needs one creates a
-- key of their own.

INSERT INTO audit_logs (id, action, entity_type, entity_id, before, after)
SELECT (left(replace(uuidv7_floor(clock_timestamp())::text, '-', ''), 12) || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid,
       'api_key_revoked', 'api_key', id::text, jsonb_build_object('name', name, 'prefix', prefix),
       '{"reason": "created_for_another"}'
FROM api_keys WHERE created_by IS DISTINCT FROM user_id AND revoked_at IS NULL;

UPDATE api_keys SET revoked_at = now() WHERE created_by IS DISTINCT FROM user_id AND revoked_at IS NULL;

ALTER TABLE api_keys ADD CONSTRAINT api_keys_of_creator_check
    CHECK (revoked_at IS NOT NULL OR created_by IS NOT DISTINCT FROM user_id);
