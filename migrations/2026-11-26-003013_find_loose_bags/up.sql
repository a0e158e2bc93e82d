-- Scans wait while the bags are looked through, a second for 1.8 million: one that linked a bag meanwhile would be missed.
LOCK TABLE bag_links IN SHARE ROW EXCLUSIVE MODE;
UPDATE bags b SET is_loose = true WHERE b.kind = 'child' AND NOT b.is_loose AND NOT EXISTS (SELECT FROM bag_links l WHERE l.child_id = b.id);
