//! The connection of a read.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use super::token::token_of;
use super::writes::Writes;
use crate::auth::caller::authenticate;
use crate::db::Lsn;
use crate::db::replicas::ReadConnection;
use crate::error::{Error, Result};
use crate::state::AppState;

/// Extractor of handlers that only read: the way to a database that has what the caller has written.
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

    /// A connection to a replica that has it all, else to the primary.
    ///
    /// # Errors
    /// 503 when no connection to the primary is free.
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

    /// This read has written too (an audit entry), or has shown what is new on the primary: what follows must include that.
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
