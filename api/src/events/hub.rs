//! Reads what is new and hands it to everyone who listens in this process.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast, watch};
use uuid::Uuid;

use super::model::{Audience, Event, EventData, Topic};
use crate::background::{PeriodicTask, TaskResult};
use crate::db::ids::floor_id;
use crate::db::positions::Positions;
use crate::db::{Pool, sql};
use crate::error::Result;
use crate::state::AppState;

/// What is new is looked for this often while somebody listens.
pub const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// A transaction that takes this long commits rows with older ids than others have seen: each look reaches back so far,
/// and what was told is remembered.
const OVERLAP: TimeDelta = TimeDelta::seconds(10);
/// Most rows of one look. More at once are told as a reset: no screen could show them one by one.
const MAX_ROWS: i64 = 2_000;
/// Events a slow listener may lag behind.
const BACKLOG: usize = 4_096;

/// Whoever begins to listen waits this long for the first look; when the database is away, the rest of the call will say so.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// The way to listen.
#[derive(Clone)]
pub struct Hub {
    events: broadcast::Sender<Arc<Event>>,
    /// Somebody has begun to listen.
    begun: Arc<Notify>,
    /// What is old is known, so that all that is new will be told.
    is_telling: watch::Sender<bool>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { events: broadcast::channel(BACKLOG).0, begun: Arc::default(), is_telling: watch::Sender::new(false) }
    }
}

impl Hub {
    /// Events from now on: whatever is committed after this has returned is told.
    pub async fn listen(&self) -> broadcast::Receiver<Arc<Event>> {
        let mut is_telling = self.is_telling.subscribe();
        let mut listener = None;
        // Not while it is looked whether anybody listens.
        self.is_telling.send_if_modified(|_| {
            listener = Some(self.events.subscribe());
            false
        });
        self.begun.notify_one();
        let _database_away = tokio::time::timeout(FIRST_LOOK, is_telling.wait_for(|is_telling| *is_telling)).await;
        listener.unwrap_or_else(|| self.events.subscribe())
    }

    /// A notification makes the next look start early.
    pub fn begun(&self) -> Arc<Notify> {
        self.begun.clone()
    }

    fn send(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            // Without a listener by now there is no recipient.
            let _no_listener = self.events.send(Arc::new(event));
        }
    }

    /// Nobody listens: what is old will have to be learned anew.
    fn rests(&self) -> bool {
        let mut rests = false;
        self.is_telling.send_if_modified(|is_telling| {
            rests = self.events.receiver_count() == 0;
            rests && std::mem::replace(is_telling, false)
        });
        rests
    }
}

/// The background task that reads changes and sends them to the listeners.
pub struct Publisher {
    hub: Hub,
    state: web::Data<AppState>,
    /// What has been sent already; `None` while a run uses it, and after a run that panicked.
    told: Option<Told>,
}

impl Publisher {
    /// A publisher that has sent nothing yet.
    pub fn new(state: &web::Data<AppState>) -> Self {
        Self { hub: state.part::<Hub>().clone(), state: state.clone(), told: Some(Told::default()) }
    }
}

impl PeriodicTask for Publisher {
    async fn run(&mut self) -> TaskResult {
        if self.hub.rests() {
            self.told = Some(Told::default());
            return Ok(String::new());
        }
        let has_lost_events = self.told.is_none();
        let mut told = self.told.take().unwrap_or_default();
        let mut events = match news(&self.state.pool, &mut told).await {
            Ok(events) => events,
            Err(error) => {
                self.told = Some(told);
                return Err(error.into());
            }
        };
        if has_lost_events {
            // The changes that the previous run had read were not sent.
            events = vec![Event::reset()];
        }
        if !events.is_empty() {
            include_everything(&self.state.pool, &self.state.positions).await;
        }
        self.hub.send(events);
        self.told = Some(told);
        self.hub.is_telling.send_replace(true);
        Ok(String::new())
    }
}

/// Whoever is told of a change asks for it next, and must not get what was before it from a replica. What can't be seen to
/// is told later.
async fn include_everything(pool: &Pool, positions: &Positions) {
    while let Err(error) = positions.include_everything(pool).await {
        tracing::warn!(%error, "events are delayed: could not read the primary's log position");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// What has been told already.
#[derive(Default)]
struct Told {
    ids: HashMap<Uuid, DateTime<Utc>>,
    jobs: HashMap<Uuid, (String, Value)>,
    is_warm: bool,
}

async fn news(pool: &Pool, told: &mut Told) -> Result<Vec<Event>> {
    let now = Utc::now();
    let since = now - OVERLAP;
    let mut conn = pool.get().await?;
    let mut events = changes(&mut conn, floor_id(since), MAX_ROWS).await?;
    let is_flooded = events.len() >= MAX_ROWS as usize;
    events.extend(notifications(&mut conn, floor_id(since)).await?);
    events.retain(|event| event.id.is_none_or(|id| told.ids.insert(id, now).is_none()));
    told.ids.retain(|_, at| *at > now - OVERLAP * 2);
    events.extend(jobs(&mut conn, since, &mut told.jobs).await?);
    // The first look only learns what is old.
    if !std::mem::replace(&mut told.is_warm, true) {
        return Ok(Vec::new());
    }
    if is_flooded {
        return Ok(vec![Event::reset()]);
    }
    events.sort_by_key(|event| event.id);
    Ok(events)
}

#[derive(QueryableByName)]
struct Change {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    actor_name: Option<String>,
    #[diesel(sql_type = Text)]
    action: String,
    #[diesel(sql_type = Text)]
    entity_type: String,
    #[diesel(sql_type = Text)]
    entity_id: String,
    #[diesel(sql_type = Nullable<Jsonb>)]
    before: Option<Value>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    after: Option<Value>,
    #[diesel(sql_type = Nullable<Integer>)]
    area_id: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    previous_area_id: Option<i32>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    codes_by_area: Option<Value>,
}

impl Change {
    /// The audience that was fixed with the entry. One that has none is for billers and admins.
    fn audience(&mut self) -> Audience {
        if self.entity_type == "bag" {
            return Audience::Bag { area_id: self.area_id, previous_area_id: self.previous_area_id.or(self.area_id) };
        }
        let codes: Option<BTreeMap<i32, Vec<String>>> = self.codes_by_area.take().and_then(|codes| serde_json::from_value(codes).ok());
        Audience::Bill(codes.unwrap_or_default())
    }
}

/// Changes of bags and bills after an id, oldest first.
///
/// # Errors
/// When the database can't be read.
pub async fn changes(conn: &mut AsyncPgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<Event>> {
    let rows: Vec<Change> = sql("SELECT l.id, l.at, l.actor_name, l.action, l.entity_type, l.entity_id, l.before, l.after, \
           l.area_id, l.previous_area_id, l.codes_by_area FROM audit_logs l WHERE l.id > $1 AND l.entity_type IN ('bag', 'bill') ORDER BY l.id LIMIT $2")
    .bind::<SqlUuid, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    let event = |mut row: Change| {
        let audience = row.audience();
        let topic = match (row.entity_type.as_str(), row.action.as_str()) {
            ("bill", _) => Topic::Bill,
            (_, "child_linked" | "scan_undone") => Topic::Scan,
            _ => Topic::Bag,
        };
        let details = (row.before.is_some() || row.after.is_some()).then(|| json!({"before": row.before, "after": row.after}));
        Event {
            id: Some(row.id),
            topic,
            audience,
            data: EventData { action: row.action, entity_id: row.entity_id, at: row.at, actor: row.actor_name, details },
        }
    };
    Ok(rows.into_iter().map(event).collect())
}

async fn notifications(conn: &mut AsyncPgConnection, after: Uuid) -> QueryResult<Vec<Event>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = BigInt)]
        user_id: i64,
        #[diesel(sql_type = Text)]
        code: String,
        #[diesel(sql_type = Timestamptz)]
        created_at: DateTime<Utc>,
        #[diesel(sql_type = Jsonb)]
        details: Value,
    }
    let rows: Vec<Row> =
        sql("SELECT id, user_id, code, created_at, jsonb_build_object('type', type, 'priority', priority, 'title', title, 'message', message, \
                'parameters', parameters, 'link', link) AS details FROM notifications WHERE id > $1 ORDER BY id LIMIT $2")
        .bind::<SqlUuid, _>(after)
        .bind::<BigInt, _>(MAX_ROWS)
        .load(conn)
        .await?;
    let event = |row: Row| Event {
        id: Some(row.id),
        topic: Topic::Notification,
        audience: Audience::Person(row.user_id),
        data: EventData { action: row.code, entity_id: row.id.to_string(), at: row.created_at, actor: None, details: Some(row.details) },
    };
    Ok(rows.into_iter().map(event).collect())
}

/// Jobs whose status or progress is not what was told last.
async fn jobs(conn: &mut AsyncPgConnection, since: DateTime<Utc>, known: &mut HashMap<Uuid, (String, Value)>) -> QueryResult<Vec<Event>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Text)]
        status: String,
        #[diesel(sql_type = Nullable<BigInt>)]
        created_by: Option<i64>,
        #[diesel(sql_type = Jsonb)]
        details: Value,
    }
    let rows: Vec<Row> =
        sql("SELECT j.id, j.status::text AS status, j.created_by, jsonb_build_object('kind', j.kind, 'error', j.error, 'import_id', i.id, \
                'progress', coalesce(j.progress, CASE WHEN i.id IS NOT NULL THEN \
                  jsonb_build_object('rows_read', i.rows_read, 'rows_accepted', i.rows_accepted, 'rows_refused', i.rows_refused) END)) AS details \
         FROM jobs j LEFT JOIN imports i ON i.job_id = j.id \
         WHERE j.status IN ('queued', 'running') OR j.finished_at > $1 ORDER BY j.id DESC LIMIT $2")
        .bind::<Timestamptz, _>(since)
        .bind::<BigInt, _>(MAX_ROWS)
        .load(conn)
        .await?;
    let current: HashMap<Uuid, (String, Value)> = rows.iter().map(|row| (row.id, (row.status.clone(), row.details.clone()))).collect();
    let is_news = |row: &Row| known.get(&row.id).is_none_or(|(status, details)| *status != row.status || *details != row.details);
    let event = |row: Row| Event {
        id: None,
        topic: Topic::Job,
        audience: Audience::PersonAndAdmins(row.created_by),
        data: EventData { action: row.status, entity_id: row.id.to_string(), at: Utc::now(), actor: None, details: Some(row.details) },
    };
    let events = rows.into_iter().rev().filter(is_news).map(event).collect();
    *known = current;
    Ok(events)
}
