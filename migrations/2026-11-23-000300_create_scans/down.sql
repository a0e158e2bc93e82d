DROP TABLE scans;
DROP FUNCTION ensure_month_partitions(regclass, timestamptz, integer);
DROP FUNCTION uuidv7_time(uuid);
DROP FUNCTION uuidv7_floor(timestamptz);
DROP TYPE scan_source;
DROP TYPE scan_outcome;
DROP TYPE scan_kind;
