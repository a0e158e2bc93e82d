-- Who did what, append only.

CREATE TABLE audit_logs (
    id          uuid        NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    actor_id    bigint,
    actor_name  text,
    action      text        NOT NULL,
    entity_type text        NOT NULL,
    entity_id   text COLLATE "C" NOT NULL,
    before      jsonb,
    after       jsonb,
    ip          text,
    user_agent  text,
    request_id  text,
    CONSTRAINT audit_logs_pkey PRIMARY KEY (id),
    CONSTRAINT audit_logs_action_check CHECK (action ~ '^[a-z][a-z0-9_]{1,63}$')
) PARTITION BY RANGE (id);
CREATE INDEX audit_logs_entity_idx ON audit_logs (entity_id, entity_type, id DESC);
CREATE INDEX audit_logs_actor_id_idx ON audit_logs (actor_id, id DESC) WHERE actor_id IS NOT NULL;
-- The history of a parent names the children that were moved in and out; scans name those that were packed.
CREATE INDEX audit_logs_parent_left_idx ON audit_logs ((before->>'parent_qr_code'), id DESC)
    WHERE action IN ('child_unlinked', 'child_moved');
CREATE INDEX audit_logs_parent_entered_idx ON audit_logs ((after->>'parent_qr_code'), id DESC)
    WHERE action IN ('child_linked', 'child_moved') AND before IS NOT NULL;
COMMENT ON COLUMN audit_logs.before IS 'Changed fields only, never secrets';

CREATE TABLE audit_logs_default PARTITION OF audit_logs DEFAULT;
SELECT ensure_month_partitions('audit_logs', now() - interval '2 months', 6);
