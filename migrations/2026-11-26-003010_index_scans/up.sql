-- Lists of scans by area (every list of a dispatcher), and of what is rare among them. A child that is linked, which nearly
-- every scan is, touches the first alone.
--
-- On the partitioned tables alone: CONCURRENTLY is not possible there. New partitions get theirs with the table; after the
-- migrations the application builds those of the others CONCURRENTLY and attaches them (db/partition_indexes.rs).
CREATE INDEX IF NOT EXISTS scans_area_idx ON ONLY scans (dispatch_area_id, id DESC);
CREATE INDEX IF NOT EXISTS scans_outcome_idx ON ONLY scans (outcome, id DESC) WHERE outcome <> 'linked';
CREATE INDEX IF NOT EXISTS scans_kind_idx ON ONLY scans (kind, id DESC) WHERE kind <> 'child';
