ALTER INDEX bags_qr_code_contains_idx SET (fastupdate = off);
ALTER INDEX bags_qr_code_contains_idx RESET (gin_pending_list_limit);
