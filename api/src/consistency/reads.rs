//! The database connection of a read.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use super::token::token_of;
use super::writes::Writes;
use crate::db::Lsn;
use crate::db::replicas::ReadConnection;
use crate::error::{Error, Result};
use crate::identity::caller::authenticate;
use crate::state::AppState;

/// Extractor for read-only handlers: provides a database that includes the caller's writes.
pub struct Reads {
    state: web::Data<AppState>,
    caller: String,
    token: Option<Lsn>,
    writes: Writes,
}

impl Reads {
    fn of(req: &HttpRequest) -> Result<Self> {
        let state = req.app_data::<web::Data<AppState>>().expect("the server always has its state").clone();
        Ok(Self { state, caller: authenticate(req)?.key(), token: token_of(req)?, writes: Writes::of(req) })
    }

    /// A connection to a replica that includes all of them, otherwise to the primary.
    ///
    /// # Errors
    /// Returns 503 if no connection to the primary is free.
    pub async fn get(&self) -> Result<ReadConnection> {
        let (state, replicas) = (&self.state, &self.state.replicas);
        if replicas.is_empty() {
            return Ok(state.pool.get().await?.into());
        }
        let on_replica = match state.positions.needed(&self.caller, self.token).await {
            Some(needed) => replicas.connect(needed).await,
            None => None,
        };
        let conn = match on_replica {
            Some(conn) => conn,
            None => state.pool.get().await?.into(),
        };
        metrics::counter!("db_reads_total", "target" => conn.target().to_owned()).increment(1);
        Ok(conn)
    }

    /// Marks this read as a write: it has written too (an audit entry), or has returned newer data
    /// from the primary. Later reads must include that.
    pub fn wrote(&self) {
        self.writes.note();
    }
}

impl FromRequest for Reads {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::of(req))
    }
}
