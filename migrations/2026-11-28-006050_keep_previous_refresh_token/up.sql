-- The refresh token before the current one is accepted for a short time, so that a lost answer or a second tab does not
-- end the session. The successor is computed from the previous token, the salt and the encryption key; it is not stored.

ALTER TABLE sessions
    ADD COLUMN previous_token_hash bytea,
    ADD COLUMN rotation_salt       bytea,
    ADD COLUMN rotated_at          timestamptz,
    ADD CONSTRAINT sessions_previous_token_hash_check CHECK (octet_length(previous_token_hash) = 32),
    ADD CONSTRAINT sessions_rotation_salt_check CHECK (octet_length(rotation_salt) = 16),
    ADD CONSTRAINT sessions_rotation_check CHECK (num_nulls(previous_token_hash, rotation_salt, rotated_at) IN (0, 3));
COMMENT ON TABLE sessions IS 'One refresh-token family; token_hash is the SHA-256 of the secret of the current refresh token';
COMMENT ON COLUMN sessions.previous_token_hash IS 'SHA-256 of the secret of the token that the last rotation replaced';
COMMENT ON COLUMN sessions.rotation_salt IS 'Random input of the last rotation: with it the same successor can be computed again';
COMMENT ON COLUMN sessions.rotated_at IS 'When the last rotation took place; NULL for a session that was never refreshed';
