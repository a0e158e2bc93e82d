-- The indexes of parents do its work, and children need none: they are nearly all there is.
DROP INDEX CONCURRENTLY IF EXISTS bags_kind_status_idx;
