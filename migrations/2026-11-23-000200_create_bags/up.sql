-- Bags, which child is in which parent, and which parent is on which bill.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TYPE bag_kind AS ENUM ('parent', 'child');
CREATE TYPE bag_status AS ENUM ('open', 'completed');
CREATE TYPE bill_status AS ENUM ('new', 'processing', 'completed');

CREATE TABLE bag_formats (
    id              smallint GENERATED ALWAYS AS IDENTITY CONSTRAINT bag_formats_pkey PRIMARY KEY,
    name            text          NOT NULL CONSTRAINT bag_formats_name_key UNIQUE,
    kind            bag_kind      NOT NULL,
    pattern         text          NOT NULL,
    capacity        smallint,
    child_weight_kg numeric(8, 3) NOT NULL,
    priority        smallint      NOT NULL,
    created_at      timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT bag_formats_capacity_check CHECK ((kind = 'parent') = (capacity IS NOT NULL) AND capacity BETWEEN 1 AND 1000),
    CONSTRAINT bag_formats_child_weight_kg_check CHECK (child_weight_kg > 0)
);
COMMENT ON COLUMN bag_formats.pattern IS 'Regular expression over the normalised (trimmed, upper-case) code; anchored by the application';
COMMENT ON COLUMN bag_formats.priority IS 'Formats are tried in this order; parents come before the child format that would match them too';

INSERT INTO bag_formats (name, kind, pattern, capacity, child_weight_kg, priority) VALUES
    ('Mustard', 'parent', 'SB[0-9]{5,62}', 30, 1, 10),
    ('Moong', 'parent', 'M444-[0-9]{5}', 30, 1, 20),
    ('Child', 'child', '[A-Z0-9][A-Z0-9-]{1,62}[A-Z0-9]', NULL, 1, 1000);

CREATE TABLE bags (
    id               bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT bags_pkey PRIMARY KEY,
    qr_code          text COLLATE "C" NOT NULL,
    kind             bag_kind    NOT NULL,
    status           bag_status,
    format_id        smallint    NOT NULL,
    name             text,
    child_count      smallint    NOT NULL DEFAULT 0,
    capacity         smallint    NOT NULL DEFAULT 0,
    auto_completed   boolean     NOT NULL DEFAULT false,
    dispatch_area_id integer,
    created_by       bigint,
    created_at       timestamptz NOT NULL DEFAULT now(),
    last_scan_at     timestamptz,
    CONSTRAINT bags_format_id_fkey FOREIGN KEY (format_id) REFERENCES bag_formats (id),
    CONSTRAINT bags_dispatch_area_id_fkey FOREIGN KEY (dispatch_area_id) REFERENCES dispatch_areas (id),
    CONSTRAINT bags_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id),
    CONSTRAINT bags_qr_code_check CHECK (qr_code ~ '^[A-Z0-9][A-Z0-9-]{1,62}[A-Z0-9]$'),
    CONSTRAINT bags_name_check CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT bags_child_count_check CHECK (child_count BETWEEN 0 AND capacity),
    CONSTRAINT bags_status_check CHECK ((kind = 'parent') = (status IS NOT NULL)),
    CONSTRAINT bags_auto_completed_check CHECK (NOT auto_completed OR status = 'completed')
) WITH (fillfactor = 90);

-- Not covering: with child_count in the index every scan of a child would rewrite all indexes of its parent
-- instead of a heap-only (HOT) update.
CREATE UNIQUE INDEX bags_qr_code_key ON bags (qr_code);
CREATE INDEX bags_qr_code_trgm_idx ON bags USING gin (qr_code gin_trgm_ops);
CREATE INDEX bags_kind_status_idx ON bags (kind, status, id DESC);
CREATE INDEX bags_dispatch_area_id_idx ON bags (dispatch_area_id, id DESC);
CREATE INDEX bags_created_by_idx ON bags (created_by);
COMMENT ON COLUMN bags.child_count IS 'Number of bag_links rows of this parent; always equal to them';
COMMENT ON COLUMN bags.auto_completed IS 'Completed by its last child, so an undo of that child reopens it';

CREATE TABLE bag_links (
    child_id  bigint      NOT NULL CONSTRAINT bag_links_pkey PRIMARY KEY,
    parent_id bigint      NOT NULL,
    scan_id   uuid,
    linked_by bigint,
    linked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT bag_links_child_id_fkey FOREIGN KEY (child_id) REFERENCES bags (id),
    CONSTRAINT bag_links_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES bags (id),
    CONSTRAINT bag_links_not_self_check CHECK (child_id <> parent_id)
);
CREATE INDEX bag_links_parent_id_idx ON bag_links (parent_id) INCLUDE (child_id);
COMMENT ON TABLE bag_links IS 'Child is in parent, now. The primary key makes a child in two parents impossible to write down';
COMMENT ON COLUMN bag_links.scan_id IS 'The scan that made the link; NULL when it was made by a move or an import';

CREATE TABLE bills (
    id                   bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT bills_pkey PRIMARY KEY,
    bill_number          text        NOT NULL,
    description          text,
    destination          text        NOT NULL,
    vehicle_number       text        NOT NULL,
    expected_parent_bags integer     NOT NULL,
    status               bill_status NOT NULL DEFAULT 'new',
    created_by           bigint,
    created_at           timestamptz NOT NULL DEFAULT now(),
    finished_at          timestamptz,
    version              bigint      NOT NULL DEFAULT 1,
    CONSTRAINT bills_bill_number_key UNIQUE (bill_number),
    CONSTRAINT bills_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id),
    CONSTRAINT bills_bill_number_check CHECK (char_length(bill_number) BETWEEN 1 AND 64),
    CONSTRAINT bills_destination_check CHECK (char_length(destination) BETWEEN 1 AND 200),
    CONSTRAINT bills_vehicle_number_check CHECK (char_length(vehicle_number) BETWEEN 1 AND 32),
    CONSTRAINT bills_expected_parent_bags_check CHECK (expected_parent_bags >= 1),
    CONSTRAINT bills_finished_at_check CHECK ((status = 'completed') = (finished_at IS NOT NULL))
);
CREATE INDEX bills_created_by_idx ON bills (created_by);
CREATE INDEX bills_status_idx ON bills (status, id DESC);

CREATE TABLE bill_bags (
    bag_id     bigint      NOT NULL CONSTRAINT bill_bags_pkey PRIMARY KEY,
    bill_id    bigint      NOT NULL,
    added_by   bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT bill_bags_bag_id_fkey FOREIGN KEY (bag_id) REFERENCES bags (id),
    CONSTRAINT bill_bags_bill_id_fkey FOREIGN KEY (bill_id) REFERENCES bills (id)
);
CREATE INDEX bill_bags_bill_id_idx ON bill_bags (bill_id, bag_id) INCLUDE (created_at);
