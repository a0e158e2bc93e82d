//! Tests of the whole API: the real application, over HTTP, on a real PostgreSQL.

mod support;

mod api_keys;
mod auth;
mod bags;
mod concurrency;
mod durability;
mod errors;
mod ground;
mod keys;
mod mail;
mod migrations;
mod openapi;
mod password_reset;
mod scans;
mod seed_demo;
mod sessions;
mod shared;
mod stats;
mod two_factor;
mod undo;
mod users;
