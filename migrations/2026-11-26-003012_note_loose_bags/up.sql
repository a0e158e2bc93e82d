-- Which children are in no parent. That a row of another table is missing is in no index; a column of the bag can be. Known
-- when a scan makes the bag, so it costs the scan nothing.
ALTER TABLE bags ADD COLUMN is_loose boolean NOT NULL DEFAULT false;
-- For bags to come; those that are there are looked through in the next migration.
ALTER TABLE bags ALTER COLUMN is_loose SET DEFAULT true;
COMMENT ON COLUMN bags.is_loose IS 'A child in no parent; always equal to there being no bag_links row of it. Means nothing for a parent';

CREATE FUNCTION note_links() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE bags b SET is_loose = false FROM new_rows n WHERE b.id = n.child_id AND b.is_loose;
    ELSE
        UPDATE bags b SET is_loose = true FROM old_rows o
        WHERE b.id = o.child_id AND NOT EXISTS (SELECT FROM bag_links l WHERE l.child_id = o.child_id);
    END IF;
    RETURN NULL;
END
$$;
-- The scan writer and imports write the column with the bag, and say so.
CREATE TRIGGER bag_links_note_insert AFTER INSERT ON bag_links REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT WHEN (current_setting('traitortrack.links_are_noted', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION note_links();
CREATE TRIGGER bag_links_note_delete AFTER DELETE ON bag_links REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_links();
