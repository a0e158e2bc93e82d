CREATE INDEX CONCURRENTLY IF NOT EXISTS bags_parents_area_status_idx
    ON bags (dispatch_area_id, status, id DESC) WHERE kind = 'parent';
