-- Of a block of children that was imported without an area, a dispatcher sees none: their list must not go through it.
-- Like bags_loose_idx it costs a scan nothing that makes its bag.
CREATE INDEX CONCURRENTLY IF NOT EXISTS bags_loose_area_idx ON bags (dispatch_area_id, id DESC) WHERE is_loose AND kind = 'child';
