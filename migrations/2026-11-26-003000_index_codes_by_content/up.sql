-- Contains-search. In another collation than the column, so that no plan ever takes it for an equality: joined by code, it
-- took four seconds for 330 rows. Without a pending list: the search after a rush of scans would have to read all of it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS bags_qr_code_contains_idx
    ON bags USING gin (qr_code COLLATE "default" gin_trgm_ops) WITH (fastupdate = off);
