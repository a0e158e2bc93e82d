DROP INDEX CONCURRENTLY IF EXISTS bags_qr_code_contains_idx;
