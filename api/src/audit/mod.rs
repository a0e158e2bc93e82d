//! Who did what: rows written in the transaction of the act itself. Append only.
//!
//! Owns `audit_logs`. Knows no feature; features name what happened.

mod archive_file;
pub mod denied;
mod list_entries;
pub mod retention;
pub mod routes;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::db::sql::{Sql, sql};
use crate::identity::UserId;
use crate::identity::client::Client;

macro_rules! actions {
    ($($variant:ident = $name:literal,)+) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action { $($variant,)+ }

        impl Action {
            /// The name stored.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

actions! {
    SignInOk = "sign_in_ok",
    SignInFailed = "sign_in_failed",
    SignInLocked = "sign_in_locked",
    SignOut = "sign_out",
    TokenReused = "token_reused",
    PasswordChanged = "password_changed",
    UserCreated = "user_created",
    BagCreated = "bag_created",
    BagChanged = "bag_changed",
    ChildLinked = "child_linked",
    ChildUnlinked = "child_unlinked",
    ChildMoved = "child_moved",
    ScanUndone = "scan_undone",
    ParentCompleted = "parent_completed",
    ParentReopened = "parent_reopened",
    BagDeleted = "bag_deleted",
    BagFormatCreated = "bag_format_created",
    BagFormatChanged = "bag_format_changed",
    DispatchAreaCreated = "dispatch_area_created",
    DispatchAreaChanged = "dispatch_area_changed",
    UserDisabled = "user_disabled",
    UserEnabled = "user_enabled",
    UserDeleted = "user_deleted",
    UserUnlocked = "user_unlocked",
    RoleChanged = "role_changed",
    PasswordSetByAdmin = "password_set_by_admin",
    PersonalDataDownloaded = "personal_data_downloaded",
    PromotionRequested = "promotion_requested",
    PromotionApproved = "promotion_approved",
    PromotionRejected = "promotion_rejected",
    ReportSent = "report_sent",
    CacheCleared = "cache_cleared",
    BillCreated = "bill_created",
    BillChanged = "bill_changed",
    BillBagAdded = "bill_bag_added",
    BillBagRemoved = "bill_bag_removed",
    BillFinished = "bill_finished",
    BillReopened = "bill_reopened",
    BillDeleted = "bill_deleted",
    Export = "export",
    Import = "import",
    AccessDenied = "access_denied",
    ApiKeyCreated = "api_key_created",
    ApiKeyRevoked = "api_key_revoked",
    PasswordResetRequested = "password_reset_requested",
    PasswordReset = "password_reset",
    TwoFactorEnabled = "two_factor_enabled",
    TwoFactorDisabled = "two_factor_disabled",
    UserChanged = "user_changed",
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    User,
    Session,
    Bag,
    Bill,
    BagFormat,
    DispatchArea,
    PromotionRequest,
    Report,
    System,
    ApiKey,
    Export,
    Import,
}

impl Entity {
    /// What entries can be about beside bags; nearly all are about bags.
    const ALL_BUT_BAGS: [Self; 11] = [
        Self::User,
        Self::Session,
        Self::Bill,
        Self::BagFormat,
        Self::DispatchArea,
        Self::PromotionRequest,
        Self::Report,
        Self::System,
        Self::ApiKey,
        Self::Export,
        Self::Import,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Bag => "bag",
            Self::Export => "export",
            Self::Import => "import",
            Self::Bill => "bill",
            Self::BagFormat => "bag_format",
            Self::DispatchArea => "dispatch_area",
            Self::PromotionRequest => "promotion_request",
            Self::Report => "report",
            Self::System => "system",
            Self::ApiKey => "api_key",
        }
    }
}

/// Who acted, and from where.
#[derive(Debug, Clone, Default)]
pub struct Actor {
    pub id: Option<UserId>,
    pub name: Option<String>,
    pub client: Client,
}

impl Actor {
    /// A person at a client.
    pub fn person(id: UserId, name: &str, client: &Client) -> Self {
        Self { id: Some(id), name: Some(name.to_owned()), client: client.clone() }
    }

    /// Nobody known, at a client.
    pub fn unknown(client: &Client) -> Self {
        Self { client: client.clone(), ..Self::default() }
    }
}

/// Which dispatch areas an entry concerns. It decides which dispatchers may see the entry and what
/// of it, and is fixed when the entry is written: bags move, and what they were before stays with
/// the area that they were in.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Audience {
    /// None: the entry is for admins.
    #[default]
    Admins,
    /// Those of a bag, by id: `area_id` after the change, `previous_area_id` before it.
    Bag { area_id: Option<i32>, previous_area_id: Option<i32> },
    /// Those with bags on a bill, by id, each with the codes in the entry that are its own.
    Bill(BTreeMap<i32, Vec<String>>),
}

impl Audience {
    /// Stands for "no area" in the columns, where NULL means that the audience is not known.
    const NO_AREA: i32 = 0;

    fn area_id(&self) -> Option<i32> {
        match self {
            Self::Bag { area_id, .. } => Some(area_id.unwrap_or(Self::NO_AREA)),
            Self::Admins | Self::Bill(_) => None,
        }
    }

    fn previous_area_id(&self) -> Option<i32> {
        match self {
            Self::Bag { area_id, previous_area_id } if area_id != previous_area_id => Some(previous_area_id.unwrap_or(Self::NO_AREA)),
            _ => None,
        }
    }

    fn codes_by_area(&self) -> Option<Value> {
        match self {
            Self::Bill(codes) => serde_json::to_value(codes).ok(),
            Self::Admins | Self::Bag { .. } => None,
        }
    }
}

/// One thing that happened. `before` and `after` hold the changed fields only, never secrets.
#[derive(Debug, Clone)]
pub struct Entry {
    pub action: Action,
    pub entity: Entity,
    pub entity_id: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub audience: Audience,
}

impl Entry {
    /// An entry without details.
    pub fn new(action: Action, entity: Entity, entity_id: impl ToString) -> Self {
        Self { action, entity, entity_id: entity_id.to_string(), before: None, after: None, audience: Audience::Admins }
    }

    /// The changed fields before the change.
    pub fn before(mut self, before: Value) -> Self {
        self.before = Some(before);
        self
    }

    /// The changed fields as they are now.
    pub fn after(mut self, after: Value) -> Self {
        self.after = Some(after);
        self
    }

    /// The entry is about a bag of this dispatch area, which stays in it.
    pub fn in_area(self, area_id: Option<i32>) -> Self {
        self.between_areas(area_id, area_id)
    }

    /// The entry is about a bag that goes from one dispatch area to another.
    pub fn between_areas(self, previous_area_id: Option<i32>, area_id: Option<i32>) -> Self {
        Self { audience: Audience::Bag { area_id, previous_area_id }, ..self }
    }

    /// The entry is about a bill with bags of these dispatch areas.
    pub fn on_bill(self, codes_by_area: BTreeMap<i32, Vec<String>>) -> Self {
        Self { audience: Audience::Bill(codes_by_area), ..self }
    }
}

/// Writes entries of one actor in the transaction that `conn` is in.
///
/// # Errors
/// When the database refuses; the act is then rolled back with it.
pub async fn record(conn: &mut AsyncPgConnection, actor: &Actor, entries: Vec<Entry>) -> diesel::QueryResult<()> {
    if entries.is_empty() {
        return Ok(());
    }
    insert(entries.into_iter().map(|entry| (actor, entry))).execute(conn).await?;
    Ok(())
}

/// The statement that writes any number of entries of any number of actors at once.
pub fn insert<'a>(entries: impl IntoIterator<Item = (&'a Actor, Entry)>) -> Sql<'static> {
    let now = Utc::now();
    let mut ids: Vec<Uuid> = Vec::new();
    let mut times: Vec<DateTime<Utc>> = Vec::new();
    let mut actor_ids: Vec<Option<i64>> = Vec::new();
    let mut actor_names: Vec<Option<String>> = Vec::new();
    let mut actions: Vec<&'static str> = Vec::new();
    let mut entities: Vec<&'static str> = Vec::new();
    let mut entity_ids: Vec<String> = Vec::new();
    let mut values_before: Vec<Option<Value>> = Vec::new();
    let mut afters: Vec<Option<Value>> = Vec::new();
    let mut ips: Vec<Option<String>> = Vec::new();
    let mut user_agents: Vec<Option<String>> = Vec::new();
    let mut request_ids: Vec<Option<String>> = Vec::new();
    let mut area_ids: Vec<Option<i32>> = Vec::new();
    let mut previous_area_ids: Vec<Option<i32>> = Vec::new();
    let mut codes_by_area: Vec<Option<Value>> = Vec::new();
    let mut api_key_ids: Vec<Option<i64>> = Vec::new();
    for (actor, entry) in entries {
        ids.push(Uuid::now_v7());
        times.push(now);
        actor_ids.push(actor.id.map(|id| id.0));
        actor_names.push(actor.name.clone());
        actions.push(entry.action.as_str());
        entities.push(entry.entity.as_str());
        entity_ids.push(entry.entity_id);
        values_before.push(entry.before);
        afters.push(entry.after);
        ips.push(actor.client.ip.clone());
        user_agents.push(actor.client.user_agent.clone());
        request_ids.push(actor.client.request_id.clone());
        area_ids.push(entry.audience.area_id());
        previous_area_ids.push(entry.audience.previous_area_id());
        codes_by_area.push(entry.audience.codes_by_area());
        api_key_ids.push(actor.client.api_key_id);
    }
    sql("INSERT INTO audit_logs (id, at, actor_id, actor_name, action, entity_type, entity_id, before, after, ip, user_agent, request_id, \
                area_id, previous_area_id, codes_by_area, api_key_id) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)")
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<Timestamptz>, _>(times)
    .bind::<Array<Nullable<BigInt>>, _>(actor_ids)
    .bind::<Array<Nullable<Text>>, _>(actor_names)
    .bind::<Array<Text>, _>(actions)
    .bind::<Array<Text>, _>(entities)
    .bind::<Array<Text>, _>(entity_ids)
    .bind::<Array<Nullable<Jsonb>>, _>(values_before)
    .bind::<Array<Nullable<Jsonb>>, _>(afters)
    .bind::<Array<Nullable<Text>>, _>(ips)
    .bind::<Array<Nullable<Text>>, _>(user_agents)
    .bind::<Array<Nullable<Text>>, _>(request_ids)
    .bind::<Array<Nullable<Integer>>, _>(area_ids)
    .bind::<Array<Nullable<Integer>>, _>(previous_area_ids)
    .bind::<Array<Nullable<Jsonb>>, _>(codes_by_area)
    .bind::<Array<Nullable<BigInt>>, _>(api_key_ids)
}

/// The fields of two JSON objects that differ, as they were and as they are; `None` when nothing does.
pub fn difference(before: &Value, after: &Value) -> Option<(Value, Value)> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return None };
    let changed: Vec<&String> = after.keys().filter(|field| before.get(*field) != after.get(*field)).collect();
    if changed.is_empty() {
        return None;
    }
    let of = |object: &serde_json::Map<String, Value>| {
        changed.iter().map(|field| ((*field).clone(), object.get(*field).cloned().unwrap_or(Value::Null))).collect::<serde_json::Map<_, _>>()
    };
    Some((of(before).into(), of(after).into()))
}
