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
mod cors;
mod durability;
mod errors;
mod events;
mod exports;
mod ground;
mod imports;
mod keys;
mod mail;
mod migrations;
mod openapi;
mod overview;
mod password_reset;
mod reports;
mod scale;
mod scans;
mod seed_demo;
mod serving;
mod sessions;
mod shared;
mod stats;
mod system;
mod two_factor;
mod undo;
mod users;
