CREATE INDEX CONCURRENTLY IF NOT EXISTS bags_qr_code_trgm_idx ON bags USING gin (qr_code gin_trgm_ops);
