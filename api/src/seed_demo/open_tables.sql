-- Building an index over all rows, and checking a foreign key with one join, is several times faster than doing it
-- row by row as they come in.
CREATE TEMP TABLE seed_closing ON COMMIT DROP AS
SELECT format('DROP INDEX %s', indexrelid::regclass) AS open,
       replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') AS close
FROM pg_index
WHERE indrelid IN ('bags'::regclass, 'scans'::regclass, 'audit_logs'::regclass) AND NOT indisunique
UNION ALL
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint
WHERE conrelid IN ('bags'::regclass, 'bag_links'::regclass) AND contype = 'f';

DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT open FROM seed_closing LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
