//! Lists of bags against the same question asked of the table in plain SQL: whatever way the answer is found, it is the same.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use crate::support::{Person, Warehouse, database};

/// More old bags than are fetched by the index of parts, older than the part of the list that is looked at first; then newer
/// ones. Parents among them, some on a bill; children of theirs, and children in no parent.
const BAGS: &str = "
    INSERT INTO bags (qr_code, kind, status, format_id, capacity, child_count, dispatch_area_id, created_at)
    SELECT CASE WHEN n <= 2600 THEN 'OLD-' ELSE 'NEW-' END || lpad(n::text, 5, '0'), kind::bag_kind,
           CASE WHEN kind = 'parent' THEN CASE WHEN n % 3 = 0 THEN 'open' ELSE 'completed' END END::bag_status, 1,
           CASE WHEN kind = 'parent' THEN 30 ELSE 0 END, 0, (SELECT min(id) FROM dispatch_areas) + n % 3, timestamptz '2026-01-01 00:00:00Z' + n * interval '1 minute'
    FROM (SELECT n, CASE WHEN n % 25 = 0 THEN 'parent' ELSE 'child' END AS kind FROM generate_series(1, 5000) n) AS numbered ORDER BY n;
    INSERT INTO bag_links (child_id, parent_id)
    SELECT c.id, p.id FROM bags c JOIN bags p ON p.kind = 'parent' AND p.id = (c.id - 1) / 25 * 25 + 25 WHERE c.kind = 'child' AND c.id % 7 <> 0;
    UPDATE bags p SET child_count = (SELECT count(*) FROM bag_links l WHERE l.parent_id = p.id) WHERE kind = 'parent';
    INSERT INTO bills (bill_number, destination, vehicle_number, expected_parent_bags) VALUES ('B-1', 'Delhi', 'RJ14', 100);
    INSERT INTO bill_bags (bag_id, bill_id) SELECT b.id, i.id FROM bags b, bills i WHERE b.kind = 'parent' AND b.id <= 3500 AND b.id % 50 = 0;
    ANALYZE";

/// Each filter with what it means.
const FILTERS: [(&str, &str); 19] = [
    ("q=old", "strpos(qr_code, 'OLD') > 0"),
    ("q=NEW", "strpos(qr_code, 'NEW') > 0"),
    ("q=W-04", "strpos(qr_code, 'W-04') > 0"),
    ("q=777", "strpos(qr_code, '777') > 0"),
    ("q=ZZZ", "false"),
    ("q=o", "qr_code LIKE 'O%'"),
    ("q=Ne", "qr_code LIKE 'NE%'"),
    ("q=%5C%25_", "false"),
    ("kind=parent", "kind = 'parent'"),
    ("kind=child", "kind = 'child'"),
    ("status=open", "status = 'open'"),
    ("area=Indore", "dispatch_area_id = (SELECT id FROM dispatch_areas WHERE code = 'Indore')"),
    ("area=Ranchi", "false"),
    ("billed=true", "EXISTS (SELECT FROM bill_bags x WHERE x.bag_id IN (bags.id, (SELECT parent_id FROM bag_links WHERE child_id = bags.id)))"),
    ("billed=false", "NOT EXISTS (SELECT FROM bill_bags x WHERE x.bag_id IN (bags.id, (SELECT parent_id FROM bag_links WHERE child_id = bags.id)))"),
    ("linked=true", "EXISTS (SELECT FROM bag_links WHERE child_id = bags.id)"),
    ("linked=false", "NOT EXISTS (SELECT FROM bag_links WHERE child_id = bags.id)"),
    ("created_after=2026-01-03T00:00:00Z", "created_at >= '2026-01-03 00:00:00Z'"),
    ("created_before=2026-01-03T00:00:00Z", "created_at < '2026-01-03 00:00:00Z'"),
];

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    qr_code: String,
}

/// The codes of the first two pages, and how many there are in all.
async fn listed(person: &Person, query: &str) -> (Vec<String>, i64) {
    let codes = |page: &crate::support::Answer| page.rows().iter().map(|bag| bag["qr_code"].as_str().expect("a code").to_owned()).collect::<Vec<_>>();
    let first = person.get(&format!("/bags?{query}&limit=40&count=exact")).await.expect(200);
    let mut all = codes(&first);
    if let Some(cursor) = first.body["next_cursor"].as_str() {
        all.extend(codes(&person.get(&format!("/bags?{query}&limit=40&cursor={cursor}")).await.expect(200)));
    }
    (all, first.body["total"].as_i64().expect("a total"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_finds_what_it_says_in_either_order() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    database::execute(url, BAGS).await;
    let (admin, dispatcher) = (warehouse.admin().await, warehouse.packer("Lucknow").await);
    let mut conn = AsyncPgConnection::establish(url).await.expect("connects");
    let own = "dispatch_area_id = (SELECT id FROM dispatch_areas WHERE code = 'Lucknow')";
    for (a, (first, first_means)) in FILTERS.iter().enumerate() {
        for (second, second_means) in &FILTERS[a..] {
            let (name, other) = (first.split('=').next(), second.split('=').next());
            if first != second && name == other {
                continue;
            }
            let query = if first == second { (*first).to_owned() } else { format!("{first}&{second}") };
            // Every other pair as a dispatcher, who sees one area.
            let (person, narrowed) = if a % 2 == 0 { (&admin, "true") } else { (&dispatcher, own) };
            for (sort, direction) in [("newest", "DESC"), ("oldest", "ASC")] {
                let from = format!("FROM bags WHERE ({first_means}) AND ({second_means}) AND {narrowed}");
                let wanted: Vec<Row> =
                    diesel::sql_query(format!("SELECT qr_code {from} ORDER BY id {direction} LIMIT 80")).load(&mut conn).await.expect("reads");
                let total = database::number(url, &format!("SELECT count(*) AS n {from}")).await;
                let found = listed(person, &format!("{query}&sort={sort}")).await;
                assert_eq!(found, (wanted.into_iter().map(|row| row.qr_code).collect(), total), "{query} {sort}");
            }
        }
    }
}

/// Ids have gaps, and bags that were made together have one time.
#[tokio::test(flavor = "multi_thread")]
async fn times_are_found_among_ids_with_gaps() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    let admin = warehouse.admin().await;
    let count = async |query: &str| admin.get(&format!("/bags?limit=200&{query}")).await.expect(200).rows().len();
    assert_eq!(count("created_after=2026-01-01T00:00:00Z").await, 0, "there are no bags at all");
    database::execute(
        url,
        "INSERT INTO bags (id, qr_code, kind, format_id, created_at) OVERRIDING SYSTEM VALUE \
         SELECT CASE WHEN n <= 50 THEN n * 3 ELSE 1000000 + n * n END, 'CB-' || n, 'child', 3, timestamptz '2026-01-01 00:00:00Z' + n / 10 * interval '1 day' \
         FROM generate_series(1, 100) n",
    )
    .await;
    for (query, wanted) in [
        ("created_after=2026-01-01T00:00:00Z", 100),
        ("created_after=2026-01-02T00:00:00Z", 91),
        ("created_after=2026-01-02T00:00:00.000001Z", 81),
        ("created_before=2026-01-02T00:00:00Z", 9),
        ("created_after=2026-01-05T00:00:00Z&created_before=2026-01-07T00:00:00Z", 20),
        ("created_after=2026-01-11T00:00:00Z", 1),
        ("created_after=2026-01-12T00:00:00Z", 0),
        ("created_before=1900-01-01T00:00:00Z", 0),
        ("created_after=9999-12-31T23:59:59Z", 0),
        ("created_before=9999-12-31T23:59:59Z", 100),
    ] {
        assert_eq!(count(query).await, wanted, "{query}");
        assert_eq!(admin.get(&format!("/bags?count=exact&limit=1&{query}")).await.expect(200).body["total"], wanted, "{query}");
    }
}
