//! Every list, filter and sort of the API on 1.8 million bags: no statement may read a large table row by row, nor far
//! more of it than the page it answers.

mod calls;
mod filled;
mod plans;

use std::collections::BTreeMap;

use calls::Call;
use filled::Filled;

use crate::support::{Person, Warehouse};

/// Statements whose plan was wrong, with the call they were for.
type Faults = BTreeMap<String, Vec<String>>;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fills a database of its own with 1.8 million bags; `.ci/test` runs it in a step of its own"]
async fn every_list_filter_and_sort_is_answered_by_an_index() {
    let filled = Filled::make().await;
    let large = filled.large_tables().await;
    assert!(["bags", "bag_links", "scans", "audit_logs"].iter().all(|table| large.iter().any(|name| name.starts_with(table))), "{large:?}");
    let warehouse = Warehouse::open_on(filled.url.clone(), |_| ()).await;
    // Billers see what admins see; dispatchers see their area, so each of their calls has one filter more.
    let people = [("admin", warehouse.admin().await), ("dispatcher", warehouse.nobody().signed_in("asha", filled::PASSWORD).await)];

    let mut made: Vec<(u64, String)> = Vec::new();
    for (role, person) in &people {
        for call in calls::all(&filled) {
            made.push((filled.log_length(), format!("{role}: GET {}", call.path)));
            walk(&filled, &mut made, role, person, call).await;
        }
    }
    warehouse.close().await;

    let statements = plans::logged(&filled.log());
    assert!(statements.len() > made.len(), "{} statements of {} calls were explained", statements.len(), made.len());
    let mut faults = Faults::new();
    for statement in &statements {
        for fault in plans::faults(&statement.plan, &statement.text, &large) {
            let call = made.iter().take_while(|(offset, _)| *offset <= statement.offset).last().map_or("start", |(_, call)| call);
            faults.entry(format!("{fault}\n    {}", statement.text)).or_default().push(call.to_owned());
        }
    }
    eprintln!("{} calls, {} statements", made.len(), statements.len());
    let told: Vec<String> = faults
        .iter()
        .map(|(fault, calls)| {
            let some: Vec<&str> = calls.iter().take(3).map(String::as_str).collect();
            format!("{fault}\n    {} calls: {}", calls.len(), some.join(", "))
        })
        .collect();
    assert!(faults.is_empty(), "{} of {} statements\n{}", faults.len(), statements.len(), told.join("\n"));
}

/// Makes a call, and the one for the page after it.
async fn walk(filled: &Filled, made: &mut Vec<(u64, String)>, role: &str, person: &Person, call: Call) {
    let first = person.get(&call.path).await;
    // Others may not see everything; of what they may, another person's test is whether they do.
    if role != "admin" && matches!(first.status, 403 | 404) {
        return;
    }
    let first = first.expect(200);
    if let Some(cursor) = first.body["next_cursor"].as_str().filter(|_| call.turns_the_page) {
        let sign = if call.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{sign}cursor={cursor}", call.path);
        made.push((filled.log_length(), format!("{role}: GET {path}")));
        person.get(&path).await.expect(200);
    }
}
