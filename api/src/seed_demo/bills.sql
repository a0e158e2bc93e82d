-- Forty completed parents of one area to a truck; the newest tenth of the parents still stands in the yard.
CREATE TEMP TABLE seed_bills ON COMMIT DROP AS
WITH loads AS (
    SELECT bag_id, dispatch_area_id, opened_at + child_count * pace AS done_at,
           (row_number() OVER (PARTITION BY dispatch_area_id ORDER BY k) - 1) / 40 AS load
    FROM seed_parents
    WHERE status = 'completed' AND k <= (SELECT max(k) * 0.9 FROM seed_parents)
)
SELECT dispatch_area_id, load, array_agg(bag_id) AS parents, max(done_at) + interval '1 hour' AS created_at,
       row_number() OVER (ORDER BY max(done_at)) AS n, count(*) OVER () AS total
FROM loads GROUP BY dispatch_area_id, load;

WITH billers AS (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS total FROM users WHERE role = 'biller'
)
INSERT INTO bills (bill_number, destination, vehicle_number, expected_parent_bags, status, created_by, created_at, finished_at)
SELECT 'BILL-' || lpad(s.n::text, greatest(6, length(s.n::text)), '0'),
       (ARRAY['Delhi', 'Kanpur', 'Mumbai', 'Nagpur', 'Ahmedabad', 'Kolkata', 'Patna'])[1 + s.n % 7],
       (ARRAY['UP32', 'MP09', 'RJ14', 'HR20', 'PB03', 'CG04', 'JH01', 'MH30'])[1 + s.n % 8] || ' ' || chr(65 + (s.n % 26)::int) || chr(65 + (s.n * 7 % 26)::int)
           || ' ' || lpad((s.n * 7919 % 10000)::text, 4, '0'),
       greatest(cardinality(s.parents), 40),
       CASE WHEN s.n > s.total * 0.95 THEN 'processing' ELSE 'completed' END::bill_status,
       b.id, s.created_at,
       CASE WHEN s.n <= s.total * 0.95 THEN s.created_at + interval '2 hours' END
FROM seed_bills s JOIN billers b ON b.n = s.n % b.total
ORDER BY s.n;

INSERT INTO bill_bags (bag_id, bill_id, added_by, created_at)
SELECT parent, b.id, b.created_by, b.created_at
FROM seed_bills s JOIN bills b ON b.bill_number = 'BILL-' || lpad(s.n::text, greatest(6, length(s.n::text)), '0'), unnest(s.parents) AS parent
ORDER BY parent;
