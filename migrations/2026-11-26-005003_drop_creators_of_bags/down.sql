CREATE INDEX CONCURRENTLY IF NOT EXISTS bags_created_by_idx ON bags (created_by);
