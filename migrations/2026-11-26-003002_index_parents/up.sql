-- Lists of parents. One bag in thirty-one is a parent: a new child touches none of these.
CREATE INDEX CONCURRENTLY IF NOT EXISTS bags_parents_idx ON bags (id DESC) WHERE kind = 'parent';
