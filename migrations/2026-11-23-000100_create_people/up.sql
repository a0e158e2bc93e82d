-- People, where they work, and how they sign in.

CREATE TYPE user_role AS ENUM ('dispatcher', 'biller', 'admin');

CREATE TABLE dispatch_areas (
    id         integer GENERATED ALWAYS AS IDENTITY CONSTRAINT dispatch_areas_pkey PRIMARY KEY,
    code       text        NOT NULL,
    name       text        NOT NULL,
    is_active  boolean     NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT dispatch_areas_code_check CHECK (char_length(code) BETWEEN 1 AND 64),
    CONSTRAINT dispatch_areas_name_check CHECK (char_length(name) BETWEEN 1 AND 100)
);
CREATE UNIQUE INDEX dispatch_areas_code_key ON dispatch_areas (lower(code));

INSERT INTO dispatch_areas (code, name)
SELECT area, area
FROM unnest(ARRAY['Lucknow', 'Indore', 'Jaipur', 'Hisar', 'Sri Ganganagar', 'Sangaria', 'Bathinda',
                  'Raipur', 'Ranchi', 'Akola']) AS area;

CREATE TABLE users (
    id                       bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT users_pkey PRIMARY KEY,
    username                 text        NOT NULL,
    email                    text,
    password_hash            text        NOT NULL,
    role                     user_role   NOT NULL,
    dispatch_area_id         integer,
    is_active                boolean     NOT NULL DEFAULT true,
    password_change_required boolean     NOT NULL DEFAULT false,
    two_factor_enabled       boolean     NOT NULL DEFAULT false,
    failed_sign_ins          smallint    NOT NULL DEFAULT 0,
    locked_until             timestamptz,
    last_login_at            timestamptz,
    created_at               timestamptz NOT NULL DEFAULT now(),
    version                  bigint      NOT NULL DEFAULT 1,
    CONSTRAINT users_dispatch_area_id_fkey FOREIGN KEY (dispatch_area_id) REFERENCES dispatch_areas (id),
    CONSTRAINT users_username_check CHECK (char_length(username) BETWEEN 1 AND 64),
    CONSTRAINT users_email_check CHECK (char_length(email) BETWEEN 3 AND 254),
    -- A dispatcher packs for one area; without it every own-area rule would have nothing to compare with.
    CONSTRAINT users_dispatcher_has_area_check CHECK (role <> 'dispatcher' OR dispatch_area_id IS NOT NULL)
);
CREATE UNIQUE INDEX users_username_key ON users (lower(username));
CREATE UNIQUE INDEX users_email_key ON users (lower(email)) WHERE email IS NOT NULL;
CREATE INDEX users_dispatch_area_id_idx ON users (dispatch_area_id);
COMMENT ON COLUMN users.password_hash IS 'argon2id, PHC string format';

CREATE TABLE sessions (
    id             uuid        NOT NULL CONSTRAINT sessions_pkey PRIMARY KEY,
    user_id        bigint      NOT NULL,
    token_hash     bytea       NOT NULL,
    user_agent     text,
    ip             text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    last_used_at   timestamptz NOT NULL DEFAULT now(),
    idle_expires_at timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    revoked_reason text,
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT sessions_token_hash_check CHECK (octet_length(token_hash) = 32)
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
CREATE INDEX sessions_revoked_at_idx ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
COMMENT ON TABLE sessions IS 'One refresh-token family; token_hash is the SHA-256 of the only refresh token that is good now';

CREATE TABLE signing_keys (
    kid        text        NOT NULL CONSTRAINT signing_keys_pkey PRIMARY KEY,
    secret     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT signing_keys_secret_check CHECK (octet_length(secret) >= 32)
);
COMMENT ON TABLE signing_keys IS 'HS256 keys of access tokens; the newest signs, all verify';
