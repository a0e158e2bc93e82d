CREATE INDEX CONCURRENTLY IF NOT EXISTS bags_parents_status_idx ON bags (status, id DESC) WHERE kind = 'parent';
