//! `Idempotency-Key`: a POST that is sent again because its answer was lost gets the first answer, and nothing
//! is done twice.
//!
//! Owns `idempotency_keys`. The answer is written in the transaction of the effect: either both are there or neither.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};
use chrono::{TimeDelta, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Binary, Bool, Nullable, SmallInt, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::db::transaction::Abort;
use crate::db::{sql, transaction};
use crate::error::{Error, ErrorCode, Result};
use crate::http::json::{BodyDigest, IDEMPOTENCY_KEY};
use crate::identity::caller::authenticate;

/// Tells that an answer is one from before.
const REPLAYED_HEADER: &str = "idempotent-replayed";
/// How long an answer is remembered.
const KEEP: TimeDelta = TimeDelta::hours(24);

/// An answer that can be stored and given again.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    location: Option<String>,
    etag: Option<String>,
    body: Vec<u8>,
}

impl Reply {
    /// 200 with a JSON body.
    ///
    /// # Errors
    /// When the value can't be written as JSON (never for plain structures).
    pub fn ok<T: Serialize>(value: &T) -> Result<Self> {
        Ok(Self { status: StatusCode::OK, location: None, etag: None, body: serde_json::to_vec(value).map_err(anyhow::Error::from)? })
    }

    /// 201 with `Location` and a JSON body.
    ///
    /// # Errors
    /// As [`Reply::ok`].
    pub fn created<T: Serialize>(location: String, value: &T) -> Result<Self> {
        Ok(Self { status: StatusCode::CREATED, location: Some(location), ..Self::ok(value)? })
    }

    /// 202 with `Location` and a JSON body.
    ///
    /// # Errors
    /// As [`Reply::ok`].
    pub fn accepted<T: Serialize>(location: String, value: &T) -> Result<Self> {
        Ok(Self { status: StatusCode::ACCEPTED, ..Self::created(location, value)? })
    }

    /// 204.
    pub fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, location: None, etag: None, body: Vec::new() }
    }

    /// A refusal that had an effect, which an error would undo: stored and given again like every
    /// other reply.
    ///
    /// # Errors
    /// As [`Reply::ok`].
    pub fn refused(error: Error) -> Result<Self> {
        let refusal = error.into_refusal();
        Ok(Self { status: refusal.code.status(), ..Self::ok(&refusal.problem())? })
    }

    /// Adds the `ETag` of a thing with a version.
    pub fn with_version(mut self, version: i64) -> Self {
        self.etag = Some(crate::http::etag::tag_of(&self.body, Some(version)).to_string());
        self
    }

    fn into_response(self, is_replayed: bool) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(location) = self.location {
            response.insert_header((header::LOCATION, location));
        }
        if let Some(etag) = self.etag {
            response.insert_header((header::ETAG, etag));
        }
        if is_replayed {
            response.insert_header((REPLAYED_HEADER, "true"));
        }
        if self.status == StatusCode::NO_CONTENT {
            return response.finish();
        }
        if self.status.is_success() {
            return response.content_type("application/json").body(self.body);
        }
        response.content_type("application/problem+json").insert_header((header::CACHE_CONTROL, "no-store")).body(self.body)
    }
}

/// The `Idempotency-Key` of a request, if it has one.
pub struct Idempotency(Option<Key>);

struct Key {
    caller: String,
    key: String,
    req: HttpRequest,
}

impl FromRequest for Idempotency {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Key::of(req).map(Self))
    }
}

impl Key {
    fn of(req: &HttpRequest) -> Result<Option<Self>> {
        let Some(value) = req.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
        let key = value.to_str().ok().filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
        let key = key.ok_or_else(|| {
            Error::refused(ErrorCode::InvalidIdempotencyKey, "Idempotency-Key must be 1 to 255 visible ASCII characters, for example a UUID.")
        })?;
        Ok(Some(Self { caller: authenticate(req)?.key(), key: key.to_owned(), req: req.clone() }))
    }

    /// Of method, address and body: read when the body has been.
    fn request_hash(&self) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(self.req.method().as_str());
        hash.update(self.req.uri().to_string());
        if let Some(BodyDigest(digest)) = self.req.extensions().get::<BodyDigest>() {
            hash.update(digest);
        }
        hash.finalize().to_vec()
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Bool)]
    is_free: bool,
    #[diesel(sql_type = Nullable<Binary>)]
    request_hash: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    status: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    location: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    etag: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    body: Option<Vec<u8>>,
}

impl Idempotency {
    /// Runs `work` in one transaction and remembers its reply there; or gives the reply of the first time.
    ///
    /// An error is not remembered: it had no effect, so trying again is safe.
    ///
    /// # Errors
    /// What `work` returned; 409 `request_in_progress` while the first is still running, anywhere;
    /// 422 `idempotency_key_reused` when the key came with another request.
    pub async fn run<F>(&self, conn: &mut AsyncPgConnection, work: F) -> Result<HttpResponse>
    where
        F: AsyncFn(&mut AsyncPgConnection) -> Result<Reply, Abort>,
    {
        let Some(key) = &self.0 else { return Ok(transaction(conn, work).await?.into_response(false)) };
        let request_hash = key.request_hash();
        let (reply, is_replayed) = transaction(conn, async |conn| {
            if let Some(reply) = earlier(conn, key, &request_hash).await? {
                return Ok((reply, true));
            }
            let reply = work(conn).await?;
            remember(conn, key, &request_hash, &reply).await?;
            Ok((reply, false))
        })
        .await?;
        Ok(reply.into_response(is_replayed))
    }
}

async fn earlier(conn: &mut AsyncPgConnection, key: &Key, request_hash: &[u8]) -> Result<Option<Reply>, Abort> {
    // The lock ends with the transaction, however that ends: nothing can be left locked.
    let rows: Vec<Row> =
        sql("WITH tried AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 7421830119)) AS is_free) \
         SELECT t.is_free, k.request_hash, k.status, k.location, k.etag, k.body \
         FROM tried t LEFT JOIN idempotency_keys k ON k.caller = $1 AND k.key = $2 AND k.expires_at > now()")
        .bind::<Text, _>(key.caller.clone())
        .bind::<Text, _>(key.key.clone())
        .load(conn)
        .await?;
    let row = rows.into_iter().next().ok_or_else(|| anyhow::anyhow!("a query of one row gave none")).map_err(Error::from)?;
    if !row.is_free {
        return Err(Error::refused(ErrorCode::RequestInProgress, "The first request with this Idempotency-Key is still running. Wait a moment.")
            .with_retry_after(1)
            .into());
    }
    let (Some(hash), Some(status), Some(body)) = (row.request_hash, row.status, row.body) else { return Ok(None) };
    if hash != request_hash {
        return Err(Error::refused(
            ErrorCode::IdempotencyKeyReused,
            "This Idempotency-Key was used for another request. Generate a new key for every request.",
        )
        .into());
    }
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    Ok(Some(Reply { status, location: row.location, etag: row.etag, body }))
}

async fn remember(conn: &mut AsyncPgConnection, key: &Key, request_hash: &[u8], reply: &Reply) -> diesel::QueryResult<()> {
    let status = i16::try_from(reply.status.as_u16()).unwrap_or(200);
    // One that has expired but was not yet cleared away is replaced.
    sql(
        "INSERT INTO idempotency_keys (caller, key, request_hash, status, location, etag, body, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (caller, key) DO UPDATE SET request_hash = excluded.request_hash, status = excluded.status, location = excluded.location, \
         etag = excluded.etag, body = excluded.body, created_at = now(), expires_at = excluded.expires_at",
    )
    .bind::<Text, _>(key.caller.clone())
    .bind::<Text, _>(key.key.clone())
    .bind::<Binary, _>(request_hash.to_vec())
    .bind::<SmallInt, _>(status)
    .bind::<Nullable<Text>, _>(reply.location.clone())
    .bind::<Nullable<Text>, _>(reply.etag.clone())
    .bind::<Binary, _>(reply.body.clone())
    .bind::<Timestamptz, _>(Utc::now() + KEEP)
    .execute_on(conn)
    .await?;
    Ok(())
}
