-- A child that is packed touches it only when it was loose before.
CREATE INDEX CONCURRENTLY IF NOT EXISTS bags_loose_idx ON bags (id DESC) WHERE is_loose AND kind = 'child';
