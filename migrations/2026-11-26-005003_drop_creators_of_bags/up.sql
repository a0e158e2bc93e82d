-- Nothing asks who made a bag, and people are not deleted.
DROP INDEX CONCURRENTLY IF EXISTS bags_created_by_idx;
