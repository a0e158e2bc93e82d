//! Bills: which parent bags go on which vehicle.
//!
//! Owns `bills` and `bill_bags`. A completed bill locks its bags and their links. `bags` and
//! `scans` read that lock together with every bag.

pub mod add_bags;
pub mod edit_bill;
pub mod finish_bill;
pub mod model;
pub mod queries;
pub mod report;
pub mod routes;
pub mod rules;
