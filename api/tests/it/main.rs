//! Tests of the whole API: the real application, over HTTP, on a real PostgreSQL.

mod support;

mod auth;
mod bags;
mod bills;
mod concurrency;
mod conventions;
mod durability;
mod errors;
mod exports;
mod ground;
mod imports;
mod migrations;
mod openapi;
mod scans;
mod seed_demo;
mod shared;
mod stats;
mod undo;
mod users;
