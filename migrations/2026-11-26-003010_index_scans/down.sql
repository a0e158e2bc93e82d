DROP INDEX IF EXISTS scans_area_idx;
DROP INDEX IF EXISTS scans_outcome_idx;
DROP INDEX IF EXISTS scans_kind_idx;
