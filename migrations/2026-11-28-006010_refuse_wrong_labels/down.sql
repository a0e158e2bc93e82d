-- PostgreSQL can't remove a value from an enumeration, so the type keeps both. The earlier version can't read them:
-- its nearest refusals take their place.
UPDATE scans SET outcome = CASE kind WHEN 'lookup' THEN 'bag_not_found'::scan_outcome ELSE 'kind_mismatch'::scan_outcome END
WHERE outcome IN ('looks_like_parent', 'product_barcode');
