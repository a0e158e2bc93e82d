//! What was sent and what was promised: the other side of the check.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use uuid::Uuid;

/// Scans by id: the outcome that was acknowledged, or none while no answer has come.
#[derive(Default)]
pub struct Ledger {
    scans: Mutex<HashMap<Uuid, Option<String>>>,
    contradictions: Mutex<Vec<String>>,
}

impl Ledger {
    /// A new scan's id, noted before it is sent.
    pub fn new_scan(&self) -> Uuid {
        let id = Uuid::now_v7();
        self.scans().insert(id, None);
        id
    }

    /// An answer came. A second answer to the same scan must say the same.
    pub fn acknowledge(&self, id: Uuid, outcome: &str) {
        let before = self.scans().insert(id, Some(outcome.to_owned())).flatten();
        if let Some(before) = before.filter(|before| before != outcome) {
            self.contradict(format!("scan {id} was answered {before}, then {outcome}"));
        }
    }

    /// Something was answered that can't be right.
    pub fn contradict(&self, what: String) {
        self.contradictions.lock().expect("nobody panics with it").push(what);
    }

    pub fn contradictions(&self) -> Vec<String> {
        self.contradictions.lock().expect("nobody panics with it").clone()
    }

    /// Acknowledged scans.
    pub fn acknowledged(&self) -> Vec<(Uuid, String)> {
        self.scans().iter().filter_map(|(id, outcome)| Some((*id, outcome.clone()?))).collect()
    }

    /// All as rows for COPY: id, outcome or `\N`.
    pub fn rows(&self) -> String {
        let mut rows = String::new();
        for (id, outcome) in self.scans().iter() {
            let _ = writeln!(rows, "{id}\t{}", outcome.as_deref().unwrap_or("\\N"));
        }
        rows
    }

    fn scans(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Option<String>>> {
        self.scans.lock().expect("nobody panics with it")
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
