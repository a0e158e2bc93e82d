-- Files of bags or links that admins hand in: what came of them, the file itself, and its refused rows.

CREATE TYPE import_kind AS ENUM ('bags', 'links');
CREATE TYPE import_mode AS ENUM ('partial', 'all_or_nothing');
CREATE TYPE import_format AS ENUM ('csv', 'xlsx');

CREATE TABLE imports (
    id            uuid          NOT NULL CONSTRAINT imports_pkey PRIMARY KEY,
    job_id        uuid,
    kind          import_kind   NOT NULL,
    mode          import_mode   NOT NULL,
    dry_run       boolean       NOT NULL,
    status        job_status    NOT NULL DEFAULT 'queued',
    file_name     text          NOT NULL,
    file_format   import_format NOT NULL,
    file_bytes    bigint        NOT NULL,
    columns       jsonb         NOT NULL,
    rows_read     bigint        NOT NULL DEFAULT 0,
    rows_accepted bigint        NOT NULL DEFAULT 0,
    rows_refused  bigint        NOT NULL DEFAULT 0,
    error_code    text,
    error         text,
    created_by    bigint        NOT NULL,
    ip            text,
    user_agent    text,
    request_id    text,
    created_at    timestamptz   NOT NULL DEFAULT now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    CONSTRAINT imports_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs (id) ON DELETE SET NULL,
    CONSTRAINT imports_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id),
    CONSTRAINT imports_file_name_check CHECK (char_length(file_name) BETWEEN 1 AND 255),
    CONSTRAINT imports_finished_at_check CHECK ((status IN ('succeeded', 'failed')) = (finished_at IS NOT NULL))
);
CREATE INDEX imports_job_id_idx ON imports (job_id);
CREATE INDEX imports_created_by_idx ON imports (created_by);
COMMENT ON COLUMN imports.ip IS 'Of who handed the file in, with user agent and request id: for the audit entries that the job writes later';

CREATE TABLE import_chunks (
    import_id uuid    NOT NULL,
    n         integer NOT NULL,
    bytes     bytea   NOT NULL,
    CONSTRAINT import_chunks_pkey PRIMARY KEY (import_id, n),
    CONSTRAINT import_chunks_import_id_fkey FOREIGN KEY (import_id) REFERENCES imports (id) ON DELETE CASCADE
);
COMMENT ON TABLE import_chunks IS 'The file in pieces of a megabyte, so that any process can do the work; deleted when it is done';

CREATE TABLE import_errors (
    import_id uuid   NOT NULL,
    line      bigint NOT NULL,
    cells     text[] NOT NULL,
    code      text   NOT NULL,
    reason    text   NOT NULL,
    CONSTRAINT import_errors_pkey PRIMARY KEY (import_id, line),
    CONSTRAINT import_errors_import_id_fkey FOREIGN KEY (import_id) REFERENCES imports (id) ON DELETE CASCADE
);
