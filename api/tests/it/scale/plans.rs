//! How statements were executed, as `auto_explain` tells it in the server's log.

use serde_json::Value;

/// Rows of large tables that a statement may read to answer a page: a thirtieth of the bags, 8 ms.
const MOST_ROWS: f64 = 60_000.0;

/// And for a part of a code that is in more bags than the index of parts is asked for: a block of 60,000 bags that were
/// imported last and have it not, and a page of those that have it.
const MOST_ROWS_OF_PARTS: f64 = 100_000.0;

/// What no index can answer: whether a child is on a bill is in its parent's row of `bill_bags`. Along the links in the order
/// of the list, or through the parents that are on no bill yet; either reads what stands in the yard, not what ever was.
const YARD: [&str; 2] = ["bb.bag_id = l.parent_id", "l.parent_id = u.id"];
/// A tenth of the bags stand in the yard, and 60,000 that were imported and not packed yet.
const MOST_ROWS_OF_YARD: f64 = 400_000.0;
/// Counts, which are only made when asked for, of what no index holds: they read a table once.
const COUNTS_OF_ALL: [&str; 3] = ["b.qr_code LIKE", "b.qr_code COLLATE \"default\" LIKE", "JOIN bill_bags bb"];

/// One statement as it was executed.
pub struct Statement {
    /// Where in the log.
    pub offset: u64,
    pub text: String,
    pub plan: Value,
}

/// Every statement in a log that begins at an offset.
pub fn logged((start, log): &(u64, String)) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut offset = *start;
    let mut open: Option<(u64, String)> = None;
    for line in log.split_inclusive('\n') {
        if let (Some((_, json)), Some(rest)) = (&mut open, line.strip_prefix('\t')) {
            json.push_str(rest);
        } else {
            statements.extend(open.take().map(finished));
            if line.contains("LOG:  duration: ") && line.contains("plan:") {
                open = Some((offset, String::new()));
            }
        }
        offset += line.len() as u64;
    }
    statements.extend(open.map(finished));
    statements
}

fn finished((offset, json): (u64, String)) -> Statement {
    let mut explained: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let text = explained["Query Text"].as_str().expect("a statement").split_whitespace().collect::<Vec<_>>().join(" ");
    Statement { offset, text, plan: explained["Plan"].take() }
}

/// What is wrong with the plan of a statement.
pub fn faults(plan: &Value, statement: &str, large: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    let is_count = statement.starts_with("SELECT count(*)") || statement.starts_with("SELECT (SELECT count(*)");
    let is_of_yard = YARD.iter().any(|join| statement.contains(join));
    let most = if is_count {
        f64::INFINITY
    } else if is_of_yard {
        MOST_ROWS_OF_YARD
    } else if statement.contains("bags_with_code_part") {
        MOST_ROWS_OF_PARTS
    } else {
        MOST_ROWS
    };
    if !(is_count && COUNTS_OF_ALL.iter().any(|condition| statement.contains(condition))) {
        look(plan, large, most, &mut faults);
    }
    faults
}

fn look(node: &Value, large: &[String], most: f64, faults: &mut Vec<String>) {
    let number = |name: &str| node[name].as_f64().unwrap_or_default();
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let table = node["Relation Name"].as_str().filter(|name| large.iter().any(|large| large == name));
    let loops = number("Actual Loops");
    let rows = (number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck")) * loops;
    if let Some(table) = table.filter(|_| loops > 0.0) {
        if kind == "Seq Scan" {
            faults.push(format!("reads all of {table}"));
        } else if rows > most {
            faults.push(format!("reads {rows} rows of {table} ({kind} of {})", node["Index Name"].as_str().unwrap_or("several indexes")));
        }
    }
    let inner = node["Plans"].as_array().map(Vec::as_slice).unwrap_or_default();
    if kind == "Sort" {
        let sorted: f64 =
            inner.iter().map(|input| input["Actual Rows"].as_f64().unwrap_or_default() * input["Actual Loops"].as_f64().unwrap_or_default()).sum();
        if sorted > most {
            faults.push(format!("sorts {sorted} rows"));
        }
    }
    for inner in inner {
        look(inner, large, most, faults);
    }
}

#[test]
fn plans_are_read_out_of_a_log() {
    let log = "2026-01-01 10:00:00.000 UTC [7] LOG:  duration: 0.1 ms  plan:\n\t{\n\t  \"Query Text\": \"SELECT\\n1\",\n\t  \"Plan\": {\"Node Type\": \"Limit\", \
               \"Plans\": [{\"Node Type\": \"Seq Scan\", \"Relation Name\": \"bags\", \"Actual Rows\": 1, \"Actual Loops\": 1}]}\n\t}\nsomething else\n";
    let statements = logged(&(10, log.to_owned()));
    assert_eq!((statements.len(), statements[0].offset, statements[0].text.as_str()), (1, 10, "SELECT 1"));
    assert_eq!(faults(&statements[0].plan, "SELECT 1", &["bags".into()]), ["reads all of bags"]);
    assert!(faults(&statements[0].plan, "SELECT 1", &["scans".into()]).is_empty());
}

#[test]
fn reading_far_more_than_a_page_is_a_fault() {
    let plan = serde_json::json!({"Node Type": "Sort", "Actual Rows": 50, "Actual Loops": 1, "Plans": [{"Node Type": "Index Scan", "Index Name": "bags_pkey",
        "Relation Name": "bags", "Actual Rows": 70_000, "Actual Loops": 1, "Rows Removed by Filter": 5}]});
    let large = ["bags".into()];
    assert_eq!(faults(&plan, "SELECT b.id FROM bags", &large), ["sorts 70000 rows", "reads 70005 rows of bags (Index Scan of bags_pkey)"]);
    assert!(faults(&plan, "SELECT count(*) AS n FROM bags", &large).is_empty());
}
