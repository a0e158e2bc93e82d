//! TraitorTrack: bag tracking for warehouses. One folder per thing the business has.

pub mod api_keys;
pub mod audit;
pub mod auth;
pub mod bags;
pub mod config;
pub mod db;
pub mod dispatch_areas;
pub mod embedded;
pub mod error;
pub mod health;
pub mod http;
pub mod idempotency;
pub mod jobs;
pub mod mail;
pub mod openapi;
pub mod redis;
pub mod scans;
pub mod seed_demo;
pub mod server;
pub mod shared_limits;
pub mod state;
pub mod stats;
pub mod telemetry;
pub mod users;
