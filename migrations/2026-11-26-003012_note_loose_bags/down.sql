DROP TRIGGER bag_links_note_delete ON bag_links;
DROP TRIGGER bag_links_note_insert ON bag_links;
DROP FUNCTION note_links;
ALTER TABLE bags DROP COLUMN is_loose;
