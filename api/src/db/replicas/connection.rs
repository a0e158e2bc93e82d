//! A read connection to the primary or to a replica.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::PoolableConnection;

use super::replica::Replica;
use crate::db::Connection;

/// A connection to a replica, or to the primary.
pub struct ReadConnection {
    conn: Connection,
    replica: Option<Arc<Replica>>,
}

impl ReadConnection {
    pub(super) fn to_replica(conn: Connection, replica: Arc<Replica>) -> Self {
        Self { conn, replica: Some(replica) }
    }

    /// Whether the connection can write.
    pub fn is_to_primary(&self) -> bool {
        self.replica.is_none()
    }

    /// Its target, for metrics: `primary`, or the name of the replica.
    pub fn target(&self) -> &str {
        self.replica.as_ref().map_or("primary", |replica| replica.name())
    }
}

impl From<Connection> for ReadConnection {
    /// Wraps a connection to the primary.
    fn from(conn: Connection) -> Self {
        Self { conn, replica: None }
    }
}

impl Deref for ReadConnection {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.conn
    }
}

impl DerefMut for ReadConnection {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.conn
    }
}

impl Drop for ReadConnection {
    fn drop(&mut self) {
        if let Some(replica) = &self.replica
            && self.conn.is_broken()
        {
            replica.look_at_once();
        }
    }
}
