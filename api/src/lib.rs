//! TraitorTrack: bag tracking for warehouses. One folder per thing the business has.

pub mod audit;
pub mod auth;
pub mod bags;
pub mod bills;
pub mod config;
pub mod db;
pub mod dispatch_areas;
pub mod embedded;
pub mod error;
pub mod exports;
pub mod health;
pub mod http;
pub mod idempotency;
pub mod imports;
pub mod jobs;
pub mod openapi;
pub mod redis;
pub mod reports;
pub mod scans;
pub mod seed_demo;
pub mod server;
pub mod state;
pub mod stats;
pub mod telemetry;
pub mod users;
