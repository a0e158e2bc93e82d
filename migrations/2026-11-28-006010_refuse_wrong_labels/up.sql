-- Refusals of codes that are no labels of bags: what is left of a torn parent label, and the barcodes of products.

ALTER TYPE scan_outcome ADD VALUE IF NOT EXISTS 'looks_like_parent';
ALTER TYPE scan_outcome ADD VALUE IF NOT EXISTS 'product_barcode';
