//! Events, and who may see them.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Caller;
use crate::users::model::Role;

/// What an event is about: the `event` field of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A child was linked, or a scan undone.
    Scan,
    /// A bag was made, changed, completed, reopened, moved or deleted.
    Bag,
    /// A bill was made, changed, filled, finished, reopened or deleted.
    Bill,
    /// A notification for the listener.
    Notification,
    /// A job of the listener, or any for admins, has got further.
    Job,
    /// Events were missed: read again what is shown.
    Reset,
}

impl Topic {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Bag => "bag",
            Self::Bill => "bill",
            Self::Notification => "notification",
            Self::Job => "job",
            Self::Reset => "reset",
        }
    }
}

/// Who may see an event.
#[derive(Debug, Clone)]
pub enum Audience {
    /// Dispatchers of these areas, and everyone above.
    Areas(Vec<i32>),
    /// One person.
    Person(i64),
    /// One person, and admins.
    PersonAndAdmins(Option<i64>),
}

impl Audience {
    /// May this caller see it?
    pub fn includes(&self, caller: &Caller) -> bool {
        match self {
            Self::Areas(areas) => caller.own_area_only().is_none_or(|own| areas.contains(&own)),
            Self::Person(id) => *id == caller.user_id.0,
            Self::PersonAndAdmins(id) => caller.role == Role::Admin || *id == Some(caller.user_id.0),
        }
    }
}

/// The data of an event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventData {
    /// What happened: an action of the audit log, the code of a notification, the status of a job.
    #[schema(example = "child_linked")]
    pub action: String,
    /// Code of the bag, number of the bill, id of the notification or job.
    #[schema(example = "CB-000123")]
    pub entity_id: String,
    pub at: DateTime<Utc>,
    /// User name of who did it.
    #[schema(required, example = "asha")]
    pub actor: Option<String>,
    /// What changed, where that is known.
    #[schema(required, value_type = Option<Object>)]
    pub details: Option<Value>,
}

/// One event of the stream.
#[derive(Debug, Clone)]
pub struct Event {
    /// Resumable events have one: it is sent back as `Last-Event-ID`.
    pub id: Option<Uuid>,
    pub topic: Topic,
    pub audience: Audience,
    pub data: EventData,
}

impl Event {
    /// The event in the form of the stream (WHATWG HTML, server-sent events).
    pub fn to_frame(&self) -> String {
        let mut frame = String::new();
        if let Some(id) = self.id {
            let _ = writeln!(frame, "id: {id}");
        }
        // JSON has no raw line breaks, so it is one line of data.
        let data = serde_json::to_string(&self.data).unwrap_or_default();
        let _ = write!(frame, "event: {}\ndata: {data}\n\n", self.topic.as_str());
        frame
    }

    /// May this caller see it? A reset is for everyone.
    pub fn is_for(&self, caller: &Caller) -> bool {
        self.topic == Topic::Reset || self.audience.includes(caller)
    }

    /// Tells a listener that it has missed something.
    pub fn reset() -> Self {
        let data = EventData { action: "reset".into(), entity_id: String::new(), at: Utc::now(), actor: None, details: None };
        Self { id: None, topic: Topic::Reset, audience: Audience::Areas(Vec::new()), data }
    }
}
