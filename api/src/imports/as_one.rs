//! Dry runs, and imports of which every row is written or none.
//!
//! All rows are staged in a temporary table and checked by sets. Then either nothing more happens, or one statement
//! for each table writes them, in the same transaction.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use serde_json::Value;
use uuid::Uuid;

use super::rules::{BagRow, LinkRow, Rules};
use super::write_rows::scan_id;
use crate::audit::Actor;
use crate::bag_formats::kind::BagKind;
use crate::bag_formats::qr_code::QrCode;
use crate::bags::packing::ON_COMPLETED_BILL;
use crate::db::sql::Sql;
use crate::db::{connect, sql};

/// The time limits of requests are not those of a million rows.
const OPEN: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '10min'; \
     CREATE TEMP TABLE import_rows (line bigint NOT NULL, cells jsonb NOT NULL, qr_code text COLLATE \"C\" NOT NULL, kind bag_kind NOT NULL, \
         format_id smallint NOT NULL, capacity smallint NOT NULL, is_kind_given boolean, name text, area_id integer, \
         parent text COLLATE \"C\", parent_kind bag_kind, parent_format_id smallint, parent_capacity smallint, scan_id uuid, parent_scan_id uuid, \
         label_fault text, label_reason text, parent_label_fault text, parent_label_reason text, child_id bigint, parent_id bigint, is_linked boolean NOT NULL DEFAULT false, code text, reason text) ON COMMIT DROP";

/// An id for an audit entry that is written now.
const AUDIT_ID: &str = "(left(replace(uuidv7_floor(clock_timestamp())::text, '-', ''), 12) || '7' || \
     substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid";

/// Makes the table that rows are staged in, in the transaction that `conn` is in.
pub async fn open(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    connect::allow_long_statements(conn);
    conn.batch_execute(OPEN).await
}

/// Stages bags.
pub async fn stage_bags(conn: &mut AsyncPgConnection, rows: &[BagRow]) -> QueryResult<()> {
    sql("INSERT INTO import_rows (line, cells, qr_code, kind, format_id, capacity, is_kind_given, name, area_id) \
         SELECT n.line, n.cells, n.qr_code, n.kind::bag_kind, n.format_id, n.capacity, n.is_kind_given, n.name, n.area_id \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS n (line, cells, qr_code, kind, format_id, capacity, is_kind_given, name, area_id)")
    .bind::<Array<BigInt>, _>(column(rows, |row| row.raw.line))
    .bind::<Array<Jsonb>, _>(column(rows, |row| Value::from(row.raw.cells.clone())))
    .bind::<Array<Text>, _>(column(rows, |row| row.code.clone()))
    .bind::<Array<Text>, _>(column(rows, |row| row.format.kind.as_str()))
    .bind::<Array<SmallInt>, _>(column(rows, |row| row.format.id))
    .bind::<Array<SmallInt>, _>(column(rows, |row| row.format.capacity))
    .bind::<Array<Bool>, _>(column(rows, |row| row.is_kind_given))
    .bind::<Array<Nullable<Text>>, _>(column(rows, |row| row.name.clone()))
    .bind::<Array<Nullable<Integer>>, _>(column(rows, |row| row.area_id))
    .execute_on(conn)
    .await?;
    Ok(())
}

/// Stages links, with the ids that their scans will have.
pub async fn stage_links(conn: &mut AsyncPgConnection, rules: &Rules, import_id: Uuid, at: DateTime<Utc>, rows: &[LinkRow]) -> QueryResult<()> {
    let format = |row: &LinkRow, is_parent: bool| {
        // The child format takes every code; were it gone, the bag could not be made and its format would be missed below.
        rules
            .formats
            .of(if is_parent { &row.parent } else { &row.child })
            .map_or((BagKind::Child, 0, 0), |format| (format.kind, format.id, format.capacity))
    };
    let fault = |code: &QrCode| {
        let fault = rules.formats.fault_of(code);
        fault.map(|fault| (fault.code().as_str(), fault.sentence_in_file(code))).unzip()
    };
    let (child_faults, child_reasons): (Vec<Option<&str>>, Vec<Option<String>>) = rows.iter().map(|row| fault(&row.child)).unzip();
    let (parent_faults, parent_reasons): (Vec<Option<&str>>, Vec<Option<String>>) = rows.iter().map(|row| fault(&row.parent)).unzip();
    sql(
        "INSERT INTO import_rows (line, cells, qr_code, kind, format_id, capacity, parent, parent_kind, parent_format_id, parent_capacity, scan_id, \
                parent_scan_id, label_fault, label_reason, parent_label_fault, parent_label_reason) \
         SELECT n.line, n.cells, n.qr_code, n.kind::bag_kind, n.format_id, n.capacity, n.parent, n.parent_kind::bag_kind, n.parent_format_id, \
                n.parent_capacity, n.scan_id, n.parent_scan_id, n.label_fault, n.label_reason, \
                n.parent_label_fault, n.parent_label_reason \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) AS n (line, cells, qr_code, kind, format_id, \
              capacity, parent, parent_kind, parent_format_id, parent_capacity, scan_id, parent_scan_id, label_fault, label_reason, \
              parent_label_fault, parent_label_reason)",
    )
    .bind::<Array<BigInt>, _>(column(rows, |row| row.raw.line))
    .bind::<Array<Jsonb>, _>(column(rows, |row| Value::from(row.raw.cells.clone())))
    .bind::<Array<Text>, _>(column(rows, |row| row.child.clone()))
    .bind::<Array<Text>, _>(column(rows, |row| format(row, false).0.as_str()))
    .bind::<Array<SmallInt>, _>(column(rows, |row| format(row, false).1))
    .bind::<Array<SmallInt>, _>(column(rows, |row| format(row, false).2))
    .bind::<Array<Text>, _>(column(rows, |row| row.parent.clone()))
    .bind::<Array<Text>, _>(column(rows, |row| format(row, true).0.as_str()))
    .bind::<Array<SmallInt>, _>(column(rows, |row| format(row, true).1))
    .bind::<Array<SmallInt>, _>(column(rows, |row| format(row, true).2))
    .bind::<Array<SqlUuid>, _>(column(rows, |row| scan_id(import_id, at, row.raw.line, true)))
    .bind::<Array<SqlUuid>, _>(column(rows, |row| scan_id(import_id, at, row.raw.line, false)))
    .bind::<Array<Nullable<Text>>, _>(child_faults)
    .bind::<Array<Nullable<Text>>, _>(child_reasons)
    .bind::<Array<Nullable<Text>>, _>(parent_faults)
    .bind::<Array<Nullable<Text>>, _>(parent_reasons)
    .execute_on(conn)
    .await?;
    Ok(())
}

/// Checks the staged bags against those that exist, and notes the refused rows.
pub async fn check_bags(conn: &mut AsyncPgConnection, import_id: Uuid) -> QueryResult<()> {
    conn.batch_execute("ANALYZE import_rows").await?;
    sql("UPDATE import_rows r SET code = 'kind_mismatch', \
                reason = format('There is a bag %s already, and it is not a %s bag.', r.qr_code, r.kind) \
         FROM bags b WHERE b.qr_code = r.qr_code AND r.is_kind_given AND b.kind <> r.kind")
    .execute_on(conn)
    .await?;
    note_refused(conn, import_id).await
}

/// Checks the staged links by the rules of packing, and notes the refused rows. With `is_final` the bags are locked
/// first, in id order as everyone locks bags, so that what was found stays true until the end of the transaction.
///
/// The declared exception to [`crate::bags::packing`], the one place of the rules of packing: a million rows are
/// checked as sets, as an admin would scan them. A property test holds both to the same answers
/// (`tests/it/packing`). Two things differ. A parent that does not exist is created. A child that the file names twice
/// belongs to its first parent, also if that line is refused for another reason; then the whole file is refused anyway.
pub async fn check_links(conn: &mut AsyncPgConnection, import_id: Uuid, is_final: bool) -> QueryResult<()> {
    conn.batch_execute("CREATE INDEX ON import_rows (qr_code); CREATE INDEX ON import_rows (parent); ANALYZE import_rows").await?;
    if is_final {
        sql("SELECT id FROM bags WHERE qr_code IN (SELECT qr_code FROM import_rows UNION SELECT parent FROM import_rows) ORDER BY id FOR UPDATE")
            .execute_on(conn)
            .await?;
    }
    // A fixed sentence of the program, with its apostrophe doubled for SQL.
    let locked = ON_COMPLETED_BILL.replace('\'', "''");
    let statement = format!(
        "UPDATE import_rows r SET child_id = c.id, parent_id = p.id, is_linked = coalesce(l.parent_id = p.id, false), \
                parent_capacity = coalesce(p.capacity, r.parent_capacity), code = d.code, reason = d.reason \
         FROM (SELECT line, first_value(parent) OVER (PARTITION BY qr_code ORDER BY line) AS first_parent FROM import_rows) AS f, \
              import_rows s LEFT JOIN bags c ON c.qr_code = s.qr_code LEFT JOIN bags p ON p.qr_code = s.parent \
              LEFT JOIN bag_links l ON l.child_id = c.id LEFT JOIN bags e ON e.id = l.parent_id \
              LEFT JOIN bill_bags bb ON bb.bag_id = p.id LEFT JOIN bills b ON b.id = bb.bill_id, \
              LATERAL (SELECT CASE \
                    WHEN p.id IS NULL AND s.parent_kind = 'child' THEN coalesce(s.parent_label_fault, 'kind_mismatch') \
                    WHEN coalesce(c.kind, s.kind) = 'parent' THEN 'kind_mismatch' \
                    WHEN s.label_fault IS NOT NULL AND NOT coalesce(l.parent_id = p.id, false) THEN s.label_fault \
                    WHEN p.kind = 'child' THEN 'kind_mismatch' \
                    WHEN l.parent_id = p.id THEN NULL \
                    WHEN b.status = 'completed' THEN 'parent_on_completed_bill' \
                    WHEN l.parent_id IS NOT NULL THEN 'linked_elsewhere' \
                    WHEN p.status = 'completed' AND p.child_count < p.capacity THEN 'parent_completed' END AS code) AS k, \
              LATERAL (SELECT k.code, CASE \
                    WHEN p.id IS NULL AND s.parent_label_fault IS NOT NULL THEN s.parent_label_reason \
                    WHEN k.code = s.label_fault THEN s.label_reason ELSE CASE k.code \
                    WHEN 'kind_mismatch' THEN format('%s can''t go into %s: a child bag goes into a parent bag.', s.qr_code, s.parent) \
                    WHEN 'parent_on_completed_bill' THEN s.parent || ' {locked}' \
                    WHEN 'linked_elsewhere' THEN format('%s is in %s.', s.qr_code, e.qr_code) \
                    WHEN 'parent_completed' THEN format('%s was completed with %s of %s child bags.', s.parent, p.child_count, p.capacity) \
                    END END AS reason) AS d \
         WHERE s.line = r.line AND f.line = r.line"
    );
    sql(&statement).execute_on(conn).await?;
    sql("UPDATE import_rows r SET code = 'linked_elsewhere', reason = format('%s is in %s, by an earlier line of this file.', r.qr_code, f.parent) \
         FROM (SELECT line, first_value(parent) OVER (PARTITION BY qr_code ORDER BY line) AS parent FROM import_rows WHERE code IS NULL) AS f \
         WHERE f.line = r.line AND f.parent <> r.parent")
    .execute_on(conn)
    .await?;
    // What comes after the last place of a parent, in the order of the file.
    sql("UPDATE import_rows r SET code = 'parent_full', reason = format('%s can hold %s child bags, and would get more.', r.parent, r.parent_capacity) \
         FROM (SELECT s.line, coalesce(p.child_count, 0) + row_number() OVER (PARTITION BY s.parent ORDER BY s.line) AS place \
               FROM (SELECT DISTINCT ON (qr_code) line, parent, parent_id FROM import_rows WHERE code IS NULL AND NOT is_linked ORDER BY qr_code, line) AS s \
               LEFT JOIN bags p ON p.id = s.parent_id) AS q \
         WHERE q.line = r.line AND q.place > r.parent_capacity")
    .execute_on(conn)
    .await?;
    // A further line of a child that found no place finds none either.
    sql("UPDATE import_rows r SET code = f.code, reason = f.reason FROM import_rows f \
         WHERE f.qr_code = r.qr_code AND f.parent = r.parent AND f.code = 'parent_full' AND r.code IS NULL")
    .execute_on(conn)
    .await?;
    note_refused(conn, import_id).await
}

async fn note_refused(conn: &mut AsyncPgConnection, import_id: Uuid) -> QueryResult<()> {
    sql("INSERT INTO import_errors (import_id, line, cells, code, reason) \
         SELECT $1, line, ARRAY(SELECT jsonb_array_elements_text(cells)), code, reason FROM import_rows WHERE code IS NOT NULL")
    .bind::<SqlUuid, _>(import_id)
    .execute_on(conn)
    .await?;
    Ok(())
}

/// Writes the staged bags that are new.
pub async fn apply_bags(conn: &mut AsyncPgConnection, actor: &Actor) -> QueryResult<()> {
    let text = format!(
        "WITH made AS (INSERT INTO bags (qr_code, kind, status, format_id, capacity, name, dispatch_area_id, created_by) \
                       SELECT DISTINCT ON (qr_code) qr_code, kind, CASE kind WHEN 'parent' THEN 'open'::bag_status END, format_id, capacity, name, area_id, $1 \
                       FROM import_rows ORDER BY qr_code, line ON CONFLICT (qr_code) DO NOTHING RETURNING qr_code, dispatch_area_id) \
         INSERT INTO audit_logs (id, at, actor_id, actor_name, action, entity_type, entity_id, ip, user_agent, request_id, area_id, api_key_id) \
         SELECT {AUDIT_ID}, now(), $1, $2, 'bag_created', 'bag', qr_code, $3, $4, $5, coalesce(dispatch_area_id, 0), $6 FROM made"
    );
    by(sql(&text), actor).execute_on(conn).await?;
    Ok(())
}

/// Writes the staged links, none of which may have been refused: new bags, links, counts, scan events and audit entries.
///
/// # Errors
/// A unique violation when somebody made or linked one of the new bags meanwhile; trying again finds it.
pub async fn apply_links(conn: &mut AsyncPgConnection, actor: &Actor, at: DateTime<Utc>) -> QueryResult<()> {
    // The scan that comes first for each link and for each new parent; all others find it done.
    conn.batch_execute(
        "SET LOCAL traitortrack.links_are_noted = 'on'; \
         CREATE TEMP TABLE import_links ON COMMIT DROP AS \
             SELECT DISTINCT ON (qr_code) line, qr_code, parent, format_id, scan_id, child_id FROM import_rows WHERE NOT is_linked ORDER BY qr_code, line; \
         CREATE TEMP TABLE import_parents ON COMMIT DROP AS \
             SELECT DISTINCT ON (parent) line, parent, parent_format_id, parent_capacity, parent_scan_id FROM import_rows WHERE parent_id IS NULL ORDER BY parent, line; \
         ANALYZE import_links; ANALYZE import_parents",
    )
    .await?;
    let text = format!(
        "INSERT INTO audit_logs (id, at, actor_id, actor_name, action, entity_type, entity_id, after, ip, user_agent, request_id, \
                area_id, previous_area_id, api_key_id) \
         SELECT {AUDIT_ID}, now(), $1, $2, e.action, 'bag', e.entity_id, e.after, $3, $4, $5, coalesce(p.dispatch_area_id, 0), \
                CASE WHEN e.action = 'child_linked' AND c.dispatch_area_id IS DISTINCT FROM p.dispatch_area_id \
                     AND c.id IS NOT NULL THEN coalesce(c.dispatch_area_id, 0) END, $6 \
         FROM (SELECT line, 1 AS n, 'bag_created' AS action, parent AS entity_id, parent, NULL::jsonb AS after FROM import_parents \
               UNION ALL SELECT line, 2, 'bag_created', qr_code, parent, NULL FROM import_links WHERE child_id IS NULL \
               UNION ALL SELECT line, 3, 'child_linked', qr_code, parent, jsonb_build_object('parent_qr_code', parent) FROM import_links) AS e \
         LEFT JOIN bags p ON p.qr_code = e.parent LEFT JOIN bags c ON c.qr_code = e.entity_id \
         ORDER BY e.line, e.n"
    );
    by(sql(&text), actor).execute_on(conn).await?;
    // A bag that appeared meanwhile breaks bags_qr_code_key: then everything is checked again.
    sql("INSERT INTO bags (qr_code, kind, status, format_id, capacity, created_by, last_scan_at, is_loose) \
         SELECT n.qr_code, n.kind::bag_kind, n.status::bag_status, n.format_id, n.capacity, $1, $2, n.kind = 'parent' \
         FROM (SELECT parent AS qr_code, 'parent' AS kind, 'open' AS status, parent_format_id AS format_id, parent_capacity AS capacity FROM import_parents \
               UNION ALL SELECT qr_code, 'child', NULL, format_id, 0 FROM import_links WHERE child_id IS NULL) AS n \
         ORDER BY n.qr_code")
    .bind::<Nullable<BigInt>, _>(actor.id)
    .bind::<Timestamptz, _>(at)
    .execute_on(conn)
    .await?;
    sql("INSERT INTO bag_links (child_id, parent_id, scan_id, linked_by, linked_at) \
         SELECT c.id, p.id, n.scan_id, $1, now() + n.line * interval '1 microsecond' \
         FROM import_links n JOIN bags c ON c.qr_code = n.qr_code JOIN bags p ON p.qr_code = n.parent ORDER BY c.id")
    .bind::<Nullable<BigInt>, _>(actor.id)
    .execute_on(conn)
    .await?;
    let text = format!(
        "WITH changed AS (UPDATE bags b SET child_count = b.child_count + n.children, last_scan_at = greatest(b.last_scan_at, $7), \
                                 status = CASE WHEN b.child_count + n.children = b.capacity THEN 'completed' ELSE b.status END, \
                                 auto_completed = b.auto_completed OR (b.child_count + n.children = b.capacity AND b.status = 'open') \
                          FROM (SELECT parent, count(*) AS children FROM import_links GROUP BY parent) AS n \
                          WHERE b.qr_code = n.parent RETURNING b.qr_code, b.status, b.dispatch_area_id) \
         INSERT INTO audit_logs (id, at, actor_id, actor_name, action, entity_type, entity_id, before, after, ip, user_agent, request_id, area_id, api_key_id) \
         SELECT {AUDIT_ID}, now(), $1, $2, 'parent_completed', 'bag', qr_code, '{{\"status\": \"open\"}}', \
                '{{\"status\": \"completed\", \"by\": \"last_child\"}}', $3, $4, $5, coalesce(dispatch_area_id, 0), $6 FROM changed WHERE status = 'completed'"
    );
    by(sql(&text), actor).bind::<Timestamptz, _>(at).execute_on(conn).await?;
    // The child stands where its parent stands.
    sql("UPDATE bags c SET dispatch_area_id = p.dispatch_area_id, last_scan_at = greatest(c.last_scan_at, $1), is_loose = false \
         FROM import_links n JOIN bags p ON p.qr_code = n.parent \
         WHERE c.qr_code = n.qr_code AND (n.child_id IS NOT NULL OR c.dispatch_area_id IS DISTINCT FROM p.dispatch_area_id)")
    .bind::<Timestamptz, _>(at)
    .execute_on(conn)
    .await?;
    // A worker that died after its commit has written them: then every row is linked already.
    sql("INSERT INTO scans (id, kind, outcome, source, qr_code, parent_qr_code, user_id, dispatch_area_id, scanned_at, status_after, child_count_after, bill_id) \
         SELECT n.id, n.kind::scan_kind, n.outcome::scan_outcome, 'import', n.qr_code, n.parent_qr_code, $1, p.dispatch_area_id, $2, p.status, p.child_count, bb.bill_id \
         FROM (SELECT parent_scan_id AS id, 'parent' AS kind, 'opened' AS outcome, parent AS qr_code, NULL AS parent_qr_code, parent FROM import_parents \
               UNION ALL \
               SELECT r.scan_id, 'child', CASE WHEN l.line IS NULL THEN 'already_linked' ELSE 'linked' END, r.qr_code, r.parent, r.parent \
               FROM import_rows r LEFT JOIN import_links l ON l.line = r.line) AS n \
         JOIN bags p ON p.qr_code = n.parent LEFT JOIN bill_bags bb ON bb.bag_id = p.id ORDER BY n.id \
         ON CONFLICT (id) DO NOTHING")
    .bind::<Nullable<BigInt>, _>(actor.id)
    .bind::<Timestamptz, _>(at)
    .execute_on(conn)
    .await?;
    Ok(())
}

/// Binds `$1` to `$6`: who does it, from where, and with which API key.
fn by<'f>(statement: Sql<'f>, actor: &Actor) -> Sql<'f> {
    statement
        .bind::<Nullable<BigInt>, _>(actor.id)
        .bind::<Nullable<Text>, _>(actor.name.clone())
        .bind::<Nullable<Text>, _>(actor.client.ip.clone())
        .bind::<Nullable<Text>, _>(actor.client.user_agent.clone())
        .bind::<Nullable<Text>, _>(actor.client.request_id.clone())
        .bind::<Nullable<BigInt>, _>(actor.client.api_key_id)
}

fn column<T, V>(rows: &[T], value: impl Fn(&T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
