-- Work that is done after the answer: e-mails, imports, reports. Workers take rows with FOR UPDATE SKIP LOCKED.

CREATE TYPE job_status AS ENUM ('queued', 'running', 'succeeded', 'failed');

CREATE TABLE jobs (
    id           uuid        NOT NULL CONSTRAINT jobs_pkey PRIMARY KEY,
    kind         text        NOT NULL,
    status       job_status  NOT NULL DEFAULT 'queued',
    payload      jsonb       NOT NULL,
    progress     jsonb,
    result       jsonb,
    error        text,
    attempts     smallint    NOT NULL DEFAULT 0,
    max_attempts smallint    NOT NULL DEFAULT 5,
    run_at       timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    unique_key   text,
    created_by   bigint,
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    CONSTRAINT jobs_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id),
    CONSTRAINT jobs_kind_check CHECK (kind ~ '^[a-z][a-z_]{1,63}$'),
    CONSTRAINT jobs_attempts_check CHECK (attempts BETWEEN 0 AND max_attempts)
);
CREATE UNIQUE INDEX jobs_unique_key_key ON jobs (unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX jobs_due_idx ON jobs (run_at) WHERE status IN ('queued', 'running');
CREATE INDEX jobs_kind_idx ON jobs (kind, id DESC);
CREATE INDEX jobs_created_by_idx ON jobs (created_by);
COMMENT ON COLUMN jobs.leased_until IS 'A worker that died holds its job no longer than this';
COMMENT ON COLUMN jobs.unique_key IS 'At most one job has it, whatever the number of processes: the end-of-day mail of a date';
