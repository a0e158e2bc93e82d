CREATE INDEX CONCURRENTLY IF NOT EXISTS bags_parents_area_idx ON bags (dispatch_area_id, id DESC) WHERE kind = 'parent';
