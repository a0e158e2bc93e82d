-- Which parents there are: who packed them, when, how fast, how full. One bag in 31 is a parent, 96 of 100 parents are
-- full, the newest are still being packed; what is left over are children in no parent.
CREATE TEMP TABLE seed_parents ON COMMIT DROP AS
WITH wish AS (
    SELECT bags, ends_at, days * interval '1 day' AS span, greatest(1, bags / 31) AS parents FROM seed_wish
), packers AS (
    SELECT id, username, dispatch_area_id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS total
    FROM users WHERE role = 'dispatcher' AND is_active
), wanted AS (
    SELECT k, parents, ends_at, bags - parents AS children,
           CASE WHEN k > parents * 0.96 THEN 1 + (k * 7919) % 29 ELSE 30 END AS wanted,
           ends_at - (1 - (k - 0.5) / parents) * span AS even_at
    FROM wish, generate_series(1, parents) AS k
), filled AS (
    SELECT *, greatest(0, least(wanted, children - (sum(wanted) OVER (ORDER BY k) - wanted)))::int AS child_count,
           even_at AT TIME ZONE 'Asia/Kolkata' AS local_at
    FROM wanted
)
SELECT f.k,
       f.child_count,
       (sum(f.child_count) OVER (ORDER BY f.k) - f.child_count) AS children_before,
       (f.children - sum(f.child_count) OVER ()) AS loose_children,
       CASE WHEN f.child_count = 30 OR f.child_count > 0 AND f.k % 5 = 0 THEN 'completed' ELSE 'open' END::bag_status AS status,
       -- Four hundred thousand parents in, five digits of Moong codes are used up.
       CASE WHEN f.k % 4 = 0 AND f.k / 4 <= 99999 THEN 'M444-' || lpad((f.k / 4)::text, 5, '0')
            ELSE 'SB' || lpad(f.k::text, greatest(5, length(f.k::text)), '0') END AS qr_code,
       -- Work goes from 8 to 20 o'clock; of today, what has been till now.
       date_trunc('milliseconds',
           CASE WHEN f.local_at::date = (f.ends_at AT TIME ZONE 'Asia/Kolkata')::date THEN f.even_at
                ELSE (f.local_at::date + time '08:00' + (f.local_at - f.local_at::date::timestamp) * 0.5) AT TIME ZONE 'Asia/Kolkata'
           END) AS opened_at,
       (3 + f.k * 31 % 6) * interval '1 second' AS pace,
       p.id AS user_id, p.username, p.dispatch_area_id
FROM filled f JOIN packers p ON p.n = (f.k * 7 + f.k / 11) % p.total;

ALTER TABLE seed_parents ADD bag_id bigint, ADD scan_id uuid;
UPDATE seed_parents p
SET bag_id = (SELECT coalesce(max(id), 0) FROM bags) + p.loose_children + p.children_before + p.k,
    scan_id = pg_temp.uuidv7(p.opened_at);
ANALYZE seed_parents;

-- Who is in them, in the order of their scans: what is made of them in that order need not be sorted again.
CREATE TEMP TABLE seed_children ON COMMIT DROP AS
SELECT p.bag_id + n AS bag_id, 'CH' || 10000000 + p.loose_children + p.children_before + n AS qr_code, n, p.bag_id AS parent_id, p.qr_code AS parent_qr_code,
       p.opened_at + n * p.pace AS scanned_at, pg_temp.uuidv7(p.opened_at + n * p.pace) AS scan_id,
       p.user_id, p.username, p.dispatch_area_id
FROM seed_parents p, generate_series(1, p.child_count) AS n
ORDER BY scan_id;
ANALYZE seed_children;
