//! Tests of the whole API: the real application, over HTTP, on a real PostgreSQL.

mod support;

mod administration;
mod audit;
mod auth;
mod bags;
mod bills;
mod concurrency;
mod conventions;
mod durability;
mod errors;
mod ground;
mod migrations;
mod openapi;
mod overview;
mod scans;
mod seed_demo;
mod shared;
mod stats;
mod undo;
mod users;
