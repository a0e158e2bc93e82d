-- Scan events, append only, keyed and partitioned by the time inside their UUIDv7.

CREATE TYPE scan_kind AS ENUM ('parent', 'child', 'lookup', 'undo');
CREATE TYPE scan_outcome AS ENUM (
    'opened', 'found', 'linked', 'already_linked', 'undone',
    'linked_elsewhere', 'parent_full', 'parent_completed', 'parent_on_completed_bill', 'kind_mismatch',
    'other_dispatch_area', 'unknown_parent', 'bag_not_found'
);
CREATE TYPE scan_source AS ENUM ('wedge', 'camera', 'keypad', 'api', 'import');

-- The smallest UUIDv7 of a moment: its 48 bits of Unix milliseconds, all other bits zero (RFC 9562, 5.7).
CREATE FUNCTION uuidv7_floor(moment timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- The moment inside a UUIDv7, to the millisecond.
CREATE FUNCTION uuidv7_time(id uuid) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN to_timestamp((('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint) / 1000.0);

-- Makes the monthly partitions of a UUIDv7-keyed table from the month of `first` on, `months` of them.
-- Those that exist are left alone, so it can run at every start and from the partition keeper.
CREATE FUNCTION ensure_month_partitions(parent regclass, first timestamptz, months integer) RETURNS integer
    LANGUAGE plpgsql AS $$
DECLARE
    month_start timestamptz;
    partition   text;
    made        integer := 0;
BEGIN
    FOR i IN 0 .. months - 1 LOOP
        month_start := (date_trunc('month', first AT TIME ZONE 'UTC') + make_interval(months => i)) AT TIME ZONE 'UTC';
        partition := format('%s_%s', parent, to_char(month_start AT TIME ZONE 'UTC', 'YYYY_MM'));
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)',
                           partition, parent,
                           uuidv7_floor(month_start),
                           uuidv7_floor((month_start AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'));
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$;

CREATE TABLE scans (
    id                    uuid         NOT NULL,
    kind                  scan_kind    NOT NULL,
    outcome               scan_outcome NOT NULL,
    source                scan_source  NOT NULL,
    qr_code               text COLLATE "C" NOT NULL,
    parent_qr_code        text COLLATE "C",
    user_id               bigint       NOT NULL,
    dispatch_area_id      integer,
    scanned_at            timestamptz  NOT NULL,
    recorded_at           timestamptz  NOT NULL DEFAULT now(),
    linked_parent_qr_code text COLLATE "C",
    status_after          bag_status,
    child_count_after     smallint,
    bill_id               bigint,
    undoes_id             uuid,
    undone_at             timestamptz,
    undone_by             bigint,
    CONSTRAINT scans_pkey PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX scans_qr_code_idx ON scans (qr_code, id DESC);
CREATE INDEX scans_parent_qr_code_idx ON scans (parent_qr_code, id DESC) WHERE parent_qr_code IS NOT NULL;
CREATE INDEX scans_user_id_idx ON scans (user_id, id DESC);
COMMENT ON TABLE scans IS 'Append only; an undo sets undone_at and undone_by and adds its own row. '
    'No foreign keys: history outlives bags, users are never deleted, and a key check would lock the user''s row on every scan';
COMMENT ON COLUMN scans.status_after IS 'Status of the parent after this scan: with child_count_after it lets a retry get the first answer again';

CREATE TABLE scans_default PARTITION OF scans DEFAULT;
SELECT ensure_month_partitions('scans', now() - interval '2 months', 6);
