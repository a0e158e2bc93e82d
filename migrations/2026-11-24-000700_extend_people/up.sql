-- Second factor, forgotten passwords, keys of integrators, notifications, promotion requests.

ALTER TABLE users
    ADD COLUMN totp_secret        bytea,
    ADD COLUMN totp_last_step     bigint,
    ADD COLUMN failed_codes       smallint NOT NULL DEFAULT 0,
    ADD COLUMN anonymised_at      timestamptz,
    ADD COLUMN language           text NOT NULL DEFAULT 'en',
    ADD CONSTRAINT users_language_check CHECK (language IN ('en', 'hi')),
    ADD CONSTRAINT users_two_factor_check CHECK (NOT two_factor_enabled OR totp_secret IS NOT NULL);
COMMENT ON COLUMN users.totp_secret IS 'Encrypted: 12 bytes nonce, then AES-256-GCM of the 20 bytes of RFC 6238';
COMMENT ON COLUMN users.totp_last_step IS 'Time step of the last code taken, so that none is good twice';

CREATE TABLE recovery_codes (
    user_id   bigint NOT NULL,
    code_hash bytea  NOT NULL,
    used_at   timestamptz,
    CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, code_hash),
    CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);

CREATE TABLE password_resets (
    token_hash bytea       NOT NULL CONSTRAINT password_resets_pkey PRIMARY KEY,
    user_id    bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    CONSTRAINT password_resets_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX password_resets_user_id_idx ON password_resets (user_id, created_at DESC);

CREATE TABLE api_keys (
    id           bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT api_keys_pkey PRIMARY KEY,
    name         text        NOT NULL,
    prefix       text        NOT NULL CONSTRAINT api_keys_prefix_key UNIQUE,
    secret_hash  bytea       NOT NULL,
    scopes       text[]      NOT NULL,
    user_id      bigint      NOT NULL,
    requests_per_minute integer,
    created_by   bigint,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT api_keys_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id),
    CONSTRAINT api_keys_name_check CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT api_keys_secret_hash_check CHECK (octet_length(secret_hash) = 32),
    CONSTRAINT api_keys_scopes_check CHECK (cardinality(scopes) >= 1),
    CONSTRAINT api_keys_requests_per_minute_check CHECK (requests_per_minute >= 1)
);
CREATE INDEX api_keys_user_id_idx ON api_keys (user_id);
CREATE INDEX api_keys_created_by_idx ON api_keys (created_by);
COMMENT ON COLUMN api_keys.user_id IS 'The key acts as this person, narrowed to its scopes, and stops when the person is disabled';

CREATE TYPE notification_type AS ENUM ('info', 'success', 'warning', 'error');
CREATE TYPE notification_priority AS ENUM ('low', 'normal', 'high');

CREATE TABLE notifications (
    id         uuid        NOT NULL CONSTRAINT notifications_pkey PRIMARY KEY,
    user_id    bigint      NOT NULL,
    type       notification_type     NOT NULL,
    priority   notification_priority NOT NULL DEFAULT 'normal',
    code       text        NOT NULL,
    parameters jsonb       NOT NULL DEFAULT '{}',
    title      text        NOT NULL,
    message    text        NOT NULL,
    link       text,
    created_at timestamptz NOT NULL DEFAULT now(),
    read_at    timestamptz,
    CONSTRAINT notifications_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX notifications_user_id_idx ON notifications (user_id, id DESC);
COMMENT ON COLUMN notifications.code IS 'What it tells, for translation; title and message are its English';

CREATE TYPE promotion_status AS ENUM ('pending', 'approved', 'rejected');

CREATE TABLE promotion_requests (
    id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT promotion_requests_pkey PRIMARY KEY,
    user_id     bigint           NOT NULL,
    wanted_role user_role        NOT NULL,
    reason      text             NOT NULL,
    status      promotion_status NOT NULL DEFAULT 'pending',
    note        text,
    decided_by  bigint,
    decided_at  timestamptz,
    created_at  timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT promotion_requests_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT promotion_requests_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES users (id),
    CONSTRAINT promotion_requests_reason_check CHECK (char_length(reason) BETWEEN 1 AND 1000),
    CONSTRAINT promotion_requests_note_check CHECK (char_length(note) BETWEEN 1 AND 1000),
    CONSTRAINT promotion_requests_decided_check CHECK ((status = 'pending') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX promotion_requests_one_pending_key ON promotion_requests (user_id) WHERE status = 'pending';
CREATE INDEX promotion_requests_user_id_idx ON promotion_requests (user_id);
CREATE INDEX promotion_requests_decided_by_idx ON promotion_requests (decided_by);
