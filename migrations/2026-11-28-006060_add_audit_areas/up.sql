-- An entry about a bag or a bill records which dispatch areas it concerns when it is written. Events
-- and the history of a bag are filtered by these columns. Until now both used the area that a bag
-- has today, so a bag that moved showed its new area what it had been before.
--
-- Entries written before this migration have NULL: dispatchers see no details of them.
ALTER TABLE audit_logs
    ADD COLUMN area_id          integer,
    ADD COLUMN previous_area_id integer,
    ADD COLUMN codes_by_area    jsonb;
COMMENT ON COLUMN audit_logs.area_id IS
    'Of entries about a bag: id of its dispatch area after the change, 0 for none. Values in "after" belong to this area';
COMMENT ON COLUMN audit_logs.previous_area_id IS
    'Set when it differs from area_id: the area before the change, 0 for none. Values in "before" belong to this area';
COMMENT ON COLUMN audit_logs.codes_by_area IS
    'Of entries about a bill: ids of the areas with bags on it, each with those codes in the entry that are its own';
