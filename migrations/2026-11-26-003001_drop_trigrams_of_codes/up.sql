-- bags_qr_code_contains_idx does its work.
DROP INDEX CONCURRENTLY IF EXISTS bags_qr_code_trgm_idx;
