//! Erases the names of a deleted person from everything that is stored.
//!
//! `anonymise_user` has ended the account and left the names in `erasures`. From there on this
//! module works in steps of bounded size: the audit log in chunks and by partition, the other tables
//! by their rules (`erasure_rules` in the database), then the files of this machine. Every step
//! may be done twice. The row in `erasures` goes last, so an erasure that is cut off is found and
//! finished by this process or another one.

use std::time::Duration;

use actix_web::web;
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, TransactionManager};
use serde_json::Value;
use uuid::Uuid;

use super::erasure_files;
use crate::audit::retention::Retention;
use crate::bags::kept_bags::KeptBags;
use crate::db::sql::Sql;
use crate::db::{Pool, sql};
use crate::identity::UserId;
use crate::state::AppState;

type Manager = <AsyncPgConnection as AsyncConnection>::TransactionManager;

/// Audit entries of one transaction.
const CHUNK: i32 = 5_000;
/// The answer to DELETE waits this long. Nearly every erasure is done by then; that of a person
/// with millions of entries goes on.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Erasures that were left unfinished are looked for this often.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// What to look for, as `erasure_plan` says it.
#[derive(Debug, Clone, QueryableByName)]
pub struct Plan {
    #[diesel(sql_type = Jsonb)]
    pub plan: Value,
}

/// Erases in the background, and waits for it a little.
pub async fn begin(state: &web::Data<AppState>, person: UserId) {
    // Not a registered task: it belongs to one request, which stops waiting for it after a while.
    // If it panics, the task that finishes erasures takes over.
    let task = {
        let state = state.clone();
        tokio::spawn(async move { finish_or_log(&state, person).await })
    };
    if tokio::time::timeout(ANSWER_WAIT, task).await.is_err() {
        tracing::info!(user_id = person.0, "an erasure takes longer than its request; it continues in the background");
    }
}

/// Finishes erasures that another process, or an earlier start, has left. Returns how many there
/// were.
///
/// # Errors
/// Fails if the pending erasures can't be read, or if one of them could not be finished. The others
/// are finished all the same.
pub async fn finish_pending(state: &AppState) -> anyhow::Result<usize> {
    let people = pending(&state.pool).await?;
    let mut failed = 0;
    for person in &people {
        failed += usize::from(!finish_or_log(state, *person).await);
    }
    anyhow::ensure!(failed == 0, "{failed} of {} erasures could not be finished", people.len());
    Ok(people.len())
}

async fn pending(pool: &Pool) -> anyhow::Result<Vec<UserId>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        user_id: UserId,
    }
    let rows: Vec<Row> = sql("SELECT user_id FROM erasures ORDER BY started_at").load(&mut *pool.get().await?).await?;
    Ok(rows.into_iter().map(|row| row.user_id).collect())
}

/// Returns `false` if it failed.
async fn finish_or_log(state: &AppState, person: UserId) -> bool {
    let finished = finish(state, person).await;
    match &finished {
        Ok(true) => tracing::info!(user_id = person.0, "all traces of a person are erased"),
        Ok(false) => {}
        Err(error) => tracing::error!(
            user_id = person.0,
            error = format!("{error:#}"),
            "a person could not be erased completely; the next attempt is within a minute"
        ),
    }
    finished.is_ok()
}

/// Erases what is left of a person. Returns whether there was anything to do.
///
/// # Errors
/// When the database can't be written, or a file of DATA_DIR or the archive can't be read or
/// written. What was done stays done.
async fn finish(state: &AppState, person: UserId) -> anyhow::Result<bool> {
    // A caller that comes while the same person is being erased finds nothing to do afterwards.
    let _turn = state.erasing.lock().await;
    let Some(plan) = plan(&mut *state.pool.get().await?, person).await? else { return Ok(false) };
    erase_own_entries(&state.pool, person).await?;
    erase_mentions(&state.pool, person).await?;
    without_time_limit(&state.pool, sql("SELECT erase_from_tables($1)").bind::<BigInt, _>(person)).await?;
    let config = &state.config;
    let retention = Retention::of(config.audit_retention_days, config.audit_archive_dir.as_deref(), &config.database.data_dir);
    erasure_files::erase_from_mails(&state.pool, &plan, &config.database.data_dir.join("mail")).await?;
    erasure_files::erase_from_archives(&state.pool, &plan, &retention.folder).await?;
    sql("SELECT finish_erasure($1)").bind::<BigInt, _>(person).execute_on(&mut *state.pool.get().await?).await?;
    state.part::<KeptBags>().forget_all();
    state.cache.clear().await;
    Ok(true)
}

async fn plan(conn: &mut AsyncPgConnection, person: UserId) -> QueryResult<Option<Plan>> {
    let plan = sql("SELECT plan FROM erasure_plan($1) AS plan WHERE plan IS NOT NULL").bind::<BigInt, _>(person);
    let rows: Vec<Plan> = plan.load(conn).await?;
    Ok(rows.into_iter().next())
}

/// Entries of what the person did: a busy packer has a million.
async fn erase_own_entries(pool: &Pool, person: UserId) -> anyhow::Result<()> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Nullable<SqlUuid>)]
        last: Option<Uuid>,
    }
    let mut from = Some(Uuid::nil());
    while let Some(id) = from {
        let step = sql("SELECT erase_own_audit_entries($1, $2, $3) AS last").bind::<BigInt, _>(person).bind::<SqlUuid, _>(id);
        let rows: Vec<Row> = step.bind::<Integer, _>(CHUNK).load(&mut *pool.get().await?).await?;
        from = rows.into_iter().next().and_then(|row| row.last);
    }
    Ok(())
}

/// Entries of what others did that name the person, a month at a time.
async fn erase_mentions(pool: &Pool, person: UserId) -> anyhow::Result<()> {
    #[derive(QueryableByName)]
    struct Codes {
        #[diesel(sql_type = Array<Text>)]
        codes: Vec<String>,
    }
    #[derive(QueryableByName)]
    struct Partition {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let mut conn = pool.get().await?;
    let codes = sql("SELECT erasure_bag_codes($1) AS codes").bind::<BigInt, _>(person);
    let codes: Vec<Codes> = codes.load(&mut conn).await?;
    let codes: Vec<String> = codes.into_iter().flat_map(|row| row.codes).collect();
    let partitions = sql("SELECT relid::text AS name FROM pg_partition_tree('audit_logs') WHERE isleaf ORDER BY 1");
    let partitions: Vec<Partition> = partitions.load(&mut conn).await?;
    drop(conn);
    for partition in partitions {
        let erase = sql("SELECT erase_audit_mentions($1, $2, $3)").bind::<BigInt, _>(person).bind::<Text, _>(partition.name);
        without_time_limit(pool, erase.bind::<Array<Text>, _>(codes.clone())).await?;
    }
    Ok(())
}

/// Runs a statement that may read a table from end to end: the time limit is that of requests.
async fn without_time_limit(pool: &Pool, statement: Sql<'_>) -> anyhow::Result<()> {
    let mut conn = pool.get().await?;
    Manager::begin_transaction(&mut *conn).await?;
    let done = async {
        sql("SET LOCAL statement_timeout = 0").execute_on(&mut conn).await?;
        statement.execute_on(&mut conn).await
    }
    .await;
    match done {
        Ok(_rows) => Manager::commit_transaction(&mut *conn).await?,
        Err(cause) => {
            // A connection that can't roll back is thrown away by the pool.
            let _ = Manager::rollback_transaction(&mut *conn).await;
            return Err(cause.into());
        }
    }
    Ok(())
}
