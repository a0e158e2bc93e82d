ALTER TABLE sessions
    DROP COLUMN previous_token_hash,
    DROP COLUMN rotation_salt,
    DROP COLUMN rotated_at;
COMMENT ON TABLE sessions IS 'One refresh-token family; token_hash is the SHA-256 of the only refresh token that is good now';
