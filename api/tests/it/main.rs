//! Tests of the whole API: the real application, over HTTP, on a real PostgreSQL.

mod support;

mod api_keys;
mod auth;
mod bags;
mod concurrency;
mod durability;
mod errors;
mod ground;
mod migrations;
mod openapi;
mod scans;
mod seed_demo;
mod shared;
mod stats;
mod undo;
mod users;
