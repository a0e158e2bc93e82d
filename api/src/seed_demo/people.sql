-- Three packers for each dispatch area, and three billers. Names that exist already are left alone.
INSERT INTO users (username, password_hash, role, dispatch_area_id, created_at, last_login_at)
SELECT p.name, w.password_hash, 'dispatcher', a.id, w.ends_at - (w.days + 10) * interval '1 day', w.ends_at - p.n * interval '7 minutes'
FROM seed_wish w,
     (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM dispatch_areas) AS a
     JOIN unnest(ARRAY['asha', 'ravi', 'meena', 'suresh', 'kavita', 'imran', 'pooja', 'vijay', 'anjali', 'deepak',
                       'farida', 'gopal', 'harpreet', 'jyoti', 'karan', 'lata', 'mohan', 'nisha', 'omprakash', 'priya',
                       'rahul', 'sunita', 'tara', 'umesh', 'vimla', 'yusuf', 'zoya', 'arjun', 'bhavna', 'chetan'])
          WITH ORDINALITY AS p (name, n) ON (p.n - 1) / 3 = a.n
ON CONFLICT (lower(username)) DO NOTHING;

INSERT INTO users (username, password_hash, role, created_at, last_login_at)
SELECT p.name, w.password_hash, 'biller', w.ends_at - (w.days + 10) * interval '1 day', w.ends_at - p.n * interval '23 minutes'
FROM seed_wish w, unnest(ARRAY['shanti', 'bhushan', 'rekha']) WITH ORDINALITY AS p (name, n)
ON CONFLICT (lower(username)) DO NOTHING;
