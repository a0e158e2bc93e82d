//! Records what was sent and what was acknowledged, for verification.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use uuid::Uuid;

/// Scans by id, with the acknowledged outcome, or `None` until a response arrives.
#[derive(Default)]
pub struct Ledger {
    scans: Mutex<HashMap<Uuid, Option<String>>>,
    contradictions: Mutex<Vec<String>>,
}

impl Ledger {
    /// Creates the id of a new scan, and records it before the scan is sent.
    pub fn new_scan(&self) -> Uuid {
        let id = Uuid::now_v7();
        self.scans().insert(id, None);
        id
    }

    /// Records a response. A second response to the same scan must be the same.
    pub fn acknowledge(&self, id: Uuid, outcome: &str) {
        let before = self.scans().insert(id, Some(outcome.to_owned())).flatten();
        if let Some(before) = before.filter(|before| before != outcome) {
            self.contradict(format!("scan {id} got the outcome {before}, then {outcome}"));
        }
    }

    /// Records a response that can't be correct.
    pub fn contradict(&self, what: String) {
        self.contradictions.lock().expect("no thread panics while it holds the lock").push(what);
    }

    pub fn contradictions(&self) -> Vec<String> {
        self.contradictions.lock().expect("no thread panics while it holds the lock").clone()
    }

    /// Acknowledged scans.
    pub fn acknowledged(&self) -> Vec<(Uuid, String)> {
        self.scans().iter().filter_map(|(id, outcome)| Some((*id, outcome.clone()?))).collect()
    }

    /// All scans as rows for COPY: id, and outcome or `\N`.
    pub fn rows(&self) -> String {
        let mut rows = String::new();
        for (id, outcome) in self.scans().iter() {
            let _ = writeln!(rows, "{id}\t{}", outcome.as_deref().unwrap_or("\\N"));
        }
        rows
    }

    fn scans(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Option<String>>> {
        self.scans.lock().expect("no thread panics while it holds the lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_answers_that_differ_are_a_contradiction() {
        let ledger = Ledger::default();
        let (one, other) = (ledger.new_scan(), ledger.new_scan());
        ledger.acknowledge(one, "linked");
        ledger.acknowledge(one, "linked");
        assert!(ledger.contradictions().is_empty());
        ledger.acknowledge(one, "already_linked");
        assert_eq!(ledger.contradictions().len(), 1);
        assert_eq!(ledger.acknowledged().len(), 1);
        assert!(ledger.rows().contains(&format!("{other}\t\\N\n")));
    }
}
