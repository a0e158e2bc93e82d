//! Connections, transactions, types and migrations. Knows no feature and no HTTP.

pub mod connect;
mod errors;
pub mod ids;
pub mod index_report;
pub mod list;
pub mod lsn;
pub mod migrations;
pub mod partition_indexes;
pub mod partitions;
pub mod pool;
pub mod pooler;
pub mod positions;
pub mod replicas;
pub mod schema;
pub mod sql;
pub mod sqlstate;
pub mod transaction;

pub use lsn::Lsn;
pub use pool::{Connection, Pool};
pub use sql::sql;
pub use transaction::transaction;
