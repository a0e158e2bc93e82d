-- Access tokens signed with Ed25519, and the key of secrets that are encrypted at rest.

ALTER TABLE signing_keys
    ADD COLUMN algorithm text NOT NULL DEFAULT 'HS256',
    ADD CONSTRAINT signing_keys_algorithm_check CHECK (algorithm IN ('HS256', 'EdDSA'));
COMMENT ON TABLE signing_keys IS 'Keys of access tokens; the newest of the algorithm in use signs, all verify';
COMMENT ON COLUMN signing_keys.secret IS 'HS256: the key itself; EdDSA: the Ed25519 key pair in PKCS #8';

CREATE TABLE data_keys (
    id         smallint    NOT NULL DEFAULT 1 CONSTRAINT data_keys_pkey PRIMARY KEY,
    secret     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT data_keys_only_one_check CHECK (id = 1),
    CONSTRAINT data_keys_secret_check CHECK (octet_length(secret) >= 32)
);
COMMENT ON TABLE data_keys IS 'What secrets are encrypted with when neither DATA_ENCRYPTION_KEY is set nor the server has a data folder of its own';
