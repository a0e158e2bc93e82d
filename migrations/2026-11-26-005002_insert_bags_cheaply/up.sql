-- A new bag cost its index of parts 23 to 49 µs, half of what it cost altogether; over a pending list that is moved in
-- whenever it has some thousand bags, 9 to 17 µs. A list that short costs a search a third of a millisecond: the default of
-- 4 MB was the trouble.
ALTER INDEX bags_qr_code_contains_idx SET (fastupdate = on, gin_pending_list_limit = 256);
