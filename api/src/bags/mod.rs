//! Bags: parents, children, which child is in which parent.
//!
//! Owns `bags` and `bag_links`. Links made by scanning are written by `scans`.

pub mod change_parent;
pub mod complete_parent;
pub mod delete_bags;
pub mod edit_bag;
pub mod edit_routes;
pub mod history;
pub mod kept_bags;
mod list_bags;
pub mod model;
pub mod packing;
pub mod queries;
pub mod routes;
