//! Reads and sends at the same time, with one or two chunks in memory.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentDisposition, ContentEncoding};
use actix_web::web::Bytes;
use chrono::Utc;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection, TransactionManager};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::Instrument;

use super::format::{self, ExportFormat};
use super::sources::Source;
use super::xlsx::{self, Part};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::consistency::Reads;
use crate::db::replicas::ReadConnection;
use crate::error::{Error, ErrorCode, Result};
use crate::exports::places::ExportPlaces;
use crate::identity::Caller;
use crate::identity::client::Client;
use crate::state::AppState;

/// A client that reads nothing for this long is disconnected, so that it does not hold a database
/// connection forever.
const STALLED: Duration = Duration::from_secs(60);
/// How long the transaction may be idle between two chunks: slightly longer than a client may
/// stall.
const MAY_REST: &str = "SET LOCAL idle_in_transaction_session_timeout = '90s'";
/// One snapshot for the whole export, however long it takes.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Bytes of a finished file that are sent at once.
const FILE_CHUNK: usize = 256 * 1024;

type Manager = <AsyncPgConnection as AsyncConnection>::TransactionManager;
type Sender = mpsc::Sender<anyhow::Result<Bytes>>;

/// A slot among the running exports, and a connection to read with.
pub struct Turn {
    pub conn: ReadConnection,
    place: OwnedSemaphorePermit,
}

impl Turn {
    /// Waits for a slot and then for a connection, so that waiting exports hold no connection.
    ///
    /// # Errors
    /// Returns 503 if too many exports are running, or no connection is free.
    pub async fn take(state: &AppState, reads: &Reads) -> Result<Self> {
        let place = state.part::<ExportPlaces>().take().await?;
        // The export writes an entry to the audit log.
        reads.wrote();
        Ok(Self { conn: reads.get().await?, place })
    }
}

/// A requested export.
pub struct Export<'a> {
    /// What is exported: the last segment of the address.
    pub name: &'static str,
    pub format: ExportFormat,
    /// The filters as sent, for the audit log.
    pub filters: Value,
    pub caller: &'a Caller,
    pub client: &'a Client,
}

/// Answers with all rows of a source. The response starts after the first rows are read.
///
/// # Errors
/// Returns 422 `too_many_rows` if a workbook can't hold all rows.
pub async fn respond<S: Source>(state: &AppState, turn: Turn, export: Export<'_>, mut source: S) -> Result<HttpResponse> {
    let Turn { mut conn, place } = turn;
    if export.format == ExportFormat::Xlsx && source.count_up_to(&mut conn, xlsx::MAX_ROWS + 1).await? > xlsx::MAX_ROWS {
        return Err(Error::refused(
            ErrorCode::TooManyRows,
            format!("An Excel sheet can hold {} rows, and this export has more. Use csv or ndjson, or narrow the filters.", xlsx::MAX_ROWS),
        ));
    }
    let entry = Entry::new(Action::Export, Entity::Export, export.name).after(json!({"format": export.format, "filters": export.filters}));
    let actor = Actor::person(export.caller.user_id, &export.caller.username, export.client);
    if conn.is_to_primary() {
        audit::record(&mut conn, &actor, vec![entry]).await?;
    } else {
        audit::record(&mut *state.pool.get().await?, &actor, vec![entry]).await?;
    }

    Manager::begin_transaction_sql(&mut *conn, BEGIN).await?;
    conn.batch_execute(MAY_REST).await?;
    // Read the first rows before the response starts, so that an unavailable database can still be
    // reported as a problem.
    let first = source.next(&mut conn).await?;
    let (sender, receiver) = mpsc::channel(1);
    let running = Running { conn, source, sender, _place: place };
    let format = export.format;
    // Not a registered task: it ends with the response that it writes.
    actix_web::rt::spawn(async move { running.run(format, first).await }.in_current_span());

    let today = Utc::now().with_timezone(&state.config.time_zone).format("%Y-%m-%d");
    let mut response = HttpResponse::Ok();
    response
        .content_type(export.format.content_type())
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header(ContentDisposition::attachment(format!("{}-{today}.{}", export.name, export.format.ending())));
    if export.format == ExportFormat::Xlsx {
        // A workbook is already compressed.
        response.insert_header(ContentEncoding::Identity);
    }
    Ok(response.streaming(stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)))))
}

struct Running<S> {
    conn: ReadConnection,
    source: S,
    sender: Sender,
    _place: OwnedSemaphorePermit,
}

/// Why an export ended early.
enum Stop {
    /// The client has disconnected.
    Gone,
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Stop {
    fn from(cause: E) -> Self {
        Self::Failed(cause.into())
    }
}

impl<S: Source> Running<S> {
    async fn run(self, format: ExportFormat, first: Vec<S::Row>) {
        let sender = self.sender.clone();
        let ended = match format {
            ExportFormat::Ndjson | ExportFormat::Csv => self.send_text(format, first).await,
            ExportFormat::Xlsx => self.send_workbook(first).await,
        };
        match ended {
            Ok(rows) => tracing::info!(rows, "exported"),
            // The pool discards a connection whose transaction was dropped.
            Err(Stop::Gone) => tracing::info!("export cancelled: the client has disconnected"),
            Err(Stop::Failed(cause)) => {
                tracing::error!(error = format!("{cause:#}"), "export failed");
                // Aborting the response is the only remaining way to report the error.
                let _gone = sender.send_timeout(Err(cause), STALLED).await;
            }
        }
    }

    /// Reads the next rows while another thread writes the previous ones and they are sent.
    async fn send_text(mut self, format: ExportFormat, first: Vec<S::Row>) -> Result<u64, Stop> {
        let mut sent = 0;
        let mut rows = first;
        let mut has_head = true;
        loop {
            let (is_last, count) = (rows.is_empty(), rows.len() as u64);
            let write = move || match format {
                ExportFormat::Ndjson => format::ndjson(&rows),
                _ => format::csv(&rows, has_head),
            };
            let sender = &self.sender;
            let write_and_send = async {
                let text = tokio::task::spawn_blocking(write).await??;
                if text.is_empty() { Ok(()) } else { send(sender, text.into()).await }
            };
            let read = async { if is_last { Ok(Vec::new()) } else { self.source.next(&mut self.conn).await } };
            // Run both to completion: a connection in the middle of a statement can't be reused.
            let (next, written) = tokio::join!(read, write_and_send);
            written?;
            rows = next?;
            if is_last {
                break;
            }
            sent += count;
            has_head = false;
        }
        Manager::commit_transaction(&mut *self.conn).await?;
        Ok(sent)
    }

    async fn send_workbook(mut self, first: Vec<S::Row>) -> Result<u64, Stop> {
        let (parts, received) = mpsc::channel(1);
        let written = tokio::task::spawn_blocking(move || xlsx::write(received));
        let mut sent = 0;
        let mut rows = first;
        while !rows.is_empty() {
            if self.sender.is_closed() {
                return Err(Stop::Gone);
            }
            sent += rows.len() as u64;
            if parts.send(Part::Rows(rows)).await.is_err() {
                // The writer has failed; its own error says why.
                break;
            }
            rows = self.source.next(&mut self.conn).await?;
        }
        // The writer may have stopped already, as above.
        let _failed = parts.send(Part::End).await;
        Manager::commit_transaction(&mut *self.conn).await?;
        let Self { conn, sender, _place, .. } = self;
        drop(conn);
        let file = written.await??.ok_or_else(|| anyhow::anyhow!("the workbook was not finished"))?;
        send_file(&sender, file).await?;
        Ok(sent)
    }
}

async fn send_file(sender: &Sender, mut file: File) -> Result<(), Stop> {
    loop {
        let (read, rest) = tokio::task::spawn_blocking(move || {
            let mut chunk = Vec::with_capacity(FILE_CHUNK);
            (&file).take(FILE_CHUNK as u64).read_to_end(&mut chunk).map(|_| (chunk, file))
        })
        .await??;
        file = rest;
        if read.is_empty() {
            return Ok(());
        }
        send(sender, read.into()).await?;
    }
}

async fn send(sender: &Sender, bytes: Bytes) -> Result<(), Stop> {
    sender.send_timeout(Ok(bytes), STALLED).await.map_err(|_| Stop::Gone)
}
