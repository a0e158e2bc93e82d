//! Situations of a warehouse, and the statements that create them.

use proptest::prelude::*;

/// Parents and children that exist before the first step.
pub const PARENTS: u8 = 3;
pub const CHILDREN: u8 = 5;
/// Codes that a step may name beside those. The child `CHILDREN` does not exist before it is
/// scanned.
const DAMAGED_LABEL: u8 = CHILDREN + 1;
const PARENT_AS_CHILD: u8 = CHILDREN + 2;
const CHILD_AS_PARENT: u8 = PARENTS;
pub const UNKNOWN_PARENT: u8 = PARENTS + 1;

#[derive(Debug, Clone)]
struct ParentBefore {
    /// Places that are free before the first step.
    free: i16,
    is_completed_by_hand: bool,
    bill: Option<&'static str>,
    area: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct ChildBefore {
    parent: Option<u8>,
    area: Option<&'static str>,
}

/// The bags of a warehouse, and children that are put into parents one after the other.
#[derive(Debug, Clone)]
pub struct Situation {
    parents: Vec<ParentBefore>,
    children: Vec<ChildBefore>,
    /// Child and parent of each step.
    pub steps: Vec<(u8, u8)>,
}

fn any_area() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![3 => Just(Some("Lucknow")), 1 => Just(Some("Indore")), 1 => Just(None)]
}

fn any_parent() -> impl Strategy<Value = ParentBefore> {
    let bill = prop_oneof![6 => Just(None), 1 => Just(Some("processing")), 1 => Just(Some("completed"))];
    (0..4_i16, proptest::bool::weighted(0.2), bill, any_area()).prop_map(|(free, is_completed_by_hand, bill, area)| ParentBefore {
        free,
        is_completed_by_hand,
        bill,
        area,
    })
}

fn any_child() -> impl Strategy<Value = ChildBefore> {
    (proptest::option::of(0..PARENTS), any_area()).prop_map(|(parent, area)| ChildBefore { parent, area })
}

pub fn any_situation() -> impl Strategy<Value = Situation> {
    let step = (0..=PARENT_AS_CHILD, prop_oneof![8 => 0..PARENTS, 1 => PARENTS..=UNKNOWN_PARENT]);
    (
        proptest::collection::vec(any_parent(), PARENTS as usize),
        proptest::collection::vec(any_child(), CHILDREN as usize),
        proptest::collection::vec(step, 1..14),
    )
        .prop_map(|(parents, children, steps)| Situation { parents, children, steps })
}

/// A situation in which scans, by an admin and by a packer of Lucknow, come to every outcome.
pub fn every_outcome() -> Situation {
    let parent = |free, is_completed_by_hand, bill| ParentBefore { free, is_completed_by_hand, bill, area: Some("Lucknow") };
    let child = |parent, area| ChildBefore { parent, area: Some(area) };
    Situation {
        parents: vec![parent(2, false, None), parent(2, true, None), parent(2, false, Some("completed"))],
        children: vec![
            child(Some(0), "Lucknow"),
            child(Some(1), "Lucknow"),
            child(Some(2), "Lucknow"),
            child(None, "Lucknow"),
            child(None, "Indore"),
        ],
        steps: vec![
            (4, 0),
            (3, 0),
            (3, 0),
            (CHILDREN, 0),
            (CHILDREN, 1),
            (CHILDREN, 2),
            (0, 1),
            (DAMAGED_LABEL, 0),
            (PARENT_AS_CHILD, 1),
            (1, CHILD_AS_PARENT),
            (1, UNKNOWN_PARENT),
        ],
    }
}

/// The codes of one copy of a situation; the same place has another code in every copy.
pub struct Copy {
    pub tag: String,
}

impl Copy {
    pub fn parent(&self, n: u8) -> String {
        match n {
            CHILD_AS_PARENT => self.child(0),
            _ => format!("SB{}{n}", self.tag),
        }
    }

    pub fn child(&self, n: u8) -> String {
        match n {
            DAMAGED_LABEL => format!("SBX-{}", self.tag),
            PARENT_AS_CHILD => self.parent(0),
            _ => format!("CB-{}-{n}", self.tag),
        }
    }

    /// The statements that create the bags of the situation.
    pub fn sql(&self, situation: &Situation) -> String {
        let mut text = String::new();
        let area = |area: Option<&str>| match area {
            Some(area) => format!("(SELECT id FROM dispatch_areas WHERE code = '{area}')"),
            None => "NULL".to_owned(),
        };
        let count = |n: u8| situation.children.iter().filter(|c| c.parent == Some(n)).count();
        for (n, parent) in (0..).zip(&situation.parents) {
            let (code, count) = (self.parent(n), count(n) as i16);
            // A format never has a capacity of 0.
            let capacity = (count + parent.free).max(1);
            let is_full = count == capacity;
            let is_completed = is_full || (parent.is_completed_by_hand && count > 0);
            let status = if is_completed { "completed" } else { "open" };
            text += &format!(
                "INSERT INTO bags (qr_code, kind, status, format_id, capacity, child_count, \
                   auto_completed, dispatch_area_id) \
                 SELECT '{code}', 'parent', '{status}', id, {capacity}, {count}, {is_full}, {} \
                 FROM bag_formats WHERE name = 'Mustard'; ",
                area(parent.area)
            );
            if let Some(status) = parent.bill {
                let finished = if status == "completed" { "now()" } else { "NULL" };
                text += &format!(
                    "WITH bill AS (INSERT INTO bills (bill_number, destination, \
                       vehicle_number, expected_parent_bags, status, finished_at) \
                       VALUES ('B-{code}', 'Delhi', 'RJ14', 1, '{status}', {finished}) \
                       RETURNING id) \
                     INSERT INTO bill_bags (bag_id, bill_id) \
                     SELECT b.id, bill.id FROM bags b, bill WHERE b.qr_code = '{code}'; "
                );
            }
        }
        for (n, child) in (0..).zip(&situation.children) {
            let code = self.child(n);
            let inside = child.parent.map(|n| &situation.parents[usize::from(n)]);
            text += &format!(
                "INSERT INTO bags (qr_code, kind, format_id, dispatch_area_id) \
                 SELECT '{code}', 'child', id, {} FROM bag_formats WHERE kind = 'child' \
                 ORDER BY priority DESC LIMIT 1; ",
                area(inside.map_or(child.area, |parent| parent.area))
            );
            if let Some(parent) = child.parent {
                let parent = self.parent(parent);
                text += &format!(
                    "INSERT INTO bag_links (child_id, parent_id) \
                     SELECT c.id, p.id FROM bags c, bags p \
                     WHERE c.qr_code = '{code}' AND p.qr_code = '{parent}'; "
                );
            }
        }
        text
    }

    pub fn steps(&self, steps: &[(u8, u8)]) -> Vec<(String, String)> {
        steps.iter().map(|(child, parent)| (self.child(*child), self.parent(*parent))).collect()
    }
}
