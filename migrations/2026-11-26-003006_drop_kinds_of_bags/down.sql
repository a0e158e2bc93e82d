CREATE INDEX CONCURRENTLY IF NOT EXISTS bags_kind_status_idx ON bags (kind, status, id DESC);
