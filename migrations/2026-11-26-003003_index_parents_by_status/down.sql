DROP INDEX CONCURRENTLY IF EXISTS bags_parents_status_idx;
