//! Tests of the whole API: the real application, over HTTP, on a real PostgreSQL.

mod support;

mod administration;
mod api_keys;
mod audit;
mod auth;
mod auth_matrix;
mod bags;
mod bills;
mod concurrency;
mod conventions;
mod durability;
mod errors;
mod events;
mod exports;
mod ground;
mod migrations;
mod openapi;
mod overview;
mod reports;
mod scans;
mod seed_demo;
mod shared;
mod stats;
mod system;
mod undo;
mod users;
