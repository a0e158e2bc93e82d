WITH indexes AS (
    SELECT i.indexrelid, i.indrelid, c.relname::text AS name, t.relname::text AS "table", pg_relation_size(c.oid) AS size_bytes,
           i.indisunique AS is_unique, i.indisvalid AS is_valid, i.indexprs IS NOT NULL AS has_expressions,
           am.amname, c.reltuples, coalesce(parent.inhparent, i.indexrelid) AS whole, coalesce(s.idx_scan, 0) AS scans,
           array_to_string((i.indkey::int2[])[0:i.indnkeyatts - 1], ' ') AS keys,
           array_to_string((i.indclass::oid[])[0:i.indnkeyatts - 1], ' ') AS classes,
           array_to_string((i.indcollation::oid[])[0:i.indnkeyatts - 1], ' ') AS collations,
           coalesce(pg_get_expr(i.indexprs, i.indrelid), '') AS expressions, coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_am am ON am.oid = c.relam
    JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
    LEFT JOIN pg_inherits parent ON parent.inhrelid = i.indexrelid
    LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
    WHERE t.relkind = 'r'
), widths AS (
    -- Bytes of an entry: a header of 8, a pointer of 4, and the columns, padded to 8.
    SELECT x.indexrelid, 12 + 8 * ceil(sum(coalesce(st.avg_width * (1 - st.null_frac), 8)) / 8) AS entry_bytes
    FROM indexes x
    JOIN pg_index i ON i.indexrelid = x.indexrelid
    JOIN pg_attribute own ON own.attrelid = x.indexrelid AND own.attnum > 0
    LEFT JOIN pg_attribute col ON col.attrelid = x.indrelid AND col.attnum = i.indkey[own.attnum - 1] AND col.attnum > 0
    LEFT JOIN pg_stats st ON st.schemaname = 'public'
        AND CASE WHEN col.attname IS NULL THEN st.tablename = x.name AND st.attname = own.attname ELSE st.tablename = x."table" AND st.attname = col.attname END
    GROUP BY x.indexrelid
), judged AS (
    SELECT x.*, sum(x.scans) OVER (PARTITION BY x.whole) AS all_scans,
           -- Pages hold 8,152 bytes of entries and are nine tenths full when new. Equal keys take less than is reckoned here.
           CASE WHEN x.amname = 'btree' AND x.reltuples >= 0
                THEN greatest(0, x.size_bytes - 8192 * (1 + ceil(x.reltuples * w.entry_bytes / (8152 * 0.9))))::bigint END AS wasted_bytes,
           (SELECT o.name FROM indexes o
            WHERE o.indrelid = x.indrelid AND o.indexrelid <> x.indexrelid AND o.amname = x.amname AND o.is_valid AND NOT x.is_unique
              AND o.predicate = x.predicate AND o.expressions = x.expressions
              AND (o.keys = x.keys AND o.classes = x.classes AND o.collations = x.collations AND (o.is_unique OR o.indexrelid < x.indexrelid)
                   OR x.amname = 'btree' AND NOT x.has_expressions AND o.keys LIKE x.keys || ' %'
                      AND o.classes LIKE x.classes || ' %' AND o.collations LIKE x.collations || ' %')
            ORDER BY length(o.keys), o.indexrelid LIMIT 1) AS covered_by
    FROM indexes x JOIN widths w ON w.indexrelid = x.indexrelid
), found AS (
    SELECT *, CASE WHEN NOT is_valid THEN 'invalid'
                   WHEN covered_by IS NOT NULL THEN 'duplicate'
                   WHEN size_bytes >= 1048576 AND wasted_bytes > size_bytes / 2 THEN 'bloated'
                   WHEN size_bytes > 1048576 AND all_scans = 0 AND NOT is_unique THEN 'unused' END AS finding
    FROM judged
)
SELECT name, "table", size_bytes, scans, is_unique, wasted_bytes, covered_by, finding
FROM found WHERE finding IS NOT NULL ORDER BY size_bytes DESC, name LIMIT 50
