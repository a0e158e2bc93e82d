//! Circles in a graph of names.

use std::collections::{BTreeMap, BTreeSet};

/// The groups of names that all reach each other, the largest first. A name alone is no cycle.
pub fn cycles(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = arrows.keys().map(|name| (name.as_str(), reachable(arrows, name))).collect();
    let mut found: BTreeSet<BTreeSet<String>> = BTreeSet::new();
    for (name, targets) in &reached {
        let back = |target: &&&str| reached.get(**target).is_some_and(|targets| targets.contains(name));
        let cycle: BTreeSet<String> = targets.iter().filter(back).map(|&target| target.to_owned()).collect();
        if cycle.len() > 1 {
            found.insert(cycle);
        }
    }
    let mut found: Vec<BTreeSet<String>> = found.into_iter().collect();
    found.sort_by_key(|cycle| std::cmp::Reverse(cycle.len()));
    found
}

/// All names that arrows lead to from this one.
fn reachable<'a>(arrows: &'a BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = arrows.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(name) = next.pop() {
        if seen.insert(name) {
            next.extend(arrows.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    seen
}
