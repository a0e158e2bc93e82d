-- Failed attempts at passwords, codes and tokens. A row counts one subject at one place; the server decides an attempt
-- while it holds the row locks, so the limits hold for requests in parallel, over all processes and after a restart.
-- users.failed_sign_ins and users.failed_codes are no longer used; processes of the previous version still write them
-- during an update, so a later migration drops them.

CREATE TABLE failed_attempts (
    scope          text        NOT NULL,
    subject        text        NOT NULL,
    place          text        NOT NULL,
    user_id        bigint,
    failures       integer     NOT NULL DEFAULT 0,
    refused        integer     NOT NULL DEFAULT 0,
    blocks         smallint    NOT NULL DEFAULT 0,
    window_ends_at timestamptz NOT NULL,
    blocked_until  timestamptz,
    forget_at      timestamptz NOT NULL,
    CONSTRAINT failed_attempts_pkey PRIMARY KEY (scope, subject, place),
    CONSTRAINT failed_attempts_counts_check CHECK (failures >= 0 AND refused >= 0 AND blocks >= 0)
);
CREATE INDEX failed_attempts_user_id_idx ON failed_attempts (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX failed_attempts_forget_at_idx ON failed_attempts (forget_at);
COMMENT ON COLUMN failed_attempts.subject IS 'Id of a user or session, or SHA-256 of the name that was typed: never the name itself';
COMMENT ON COLUMN failed_attempts.user_id IS 'The account concerned. No foreign key: its check would make attempts at existing names slower than at unknown ones';
COMMENT ON COLUMN failed_attempts.place IS 'Address (an IPv6 network of 64 bits counts as one) or id of a known device; empty for all places';
COMMENT ON COLUMN failed_attempts.refused IS 'Attempts during the current block or window that were refused without effect';
COMMENT ON COLUMN failed_attempts.blocks IS 'Blocks in a row; each lasts twice as long as the one before';
COMMENT ON COLUMN users.locked_until IS 'For display: latest end of a block of failed_attempts that concerns this user';
