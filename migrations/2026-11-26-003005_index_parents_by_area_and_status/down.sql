DROP INDEX CONCURRENTLY IF EXISTS bags_parents_area_status_idx;
