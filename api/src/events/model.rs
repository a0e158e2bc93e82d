//! Events, and who may see them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::identity::Caller;
use crate::identity::Role;

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

/// Who may see an event, fixed when it happened. Billers and admins see all of bags and bills.
#[derive(Debug, Clone)]
pub enum Audience {
    /// Dispatchers of the area that a bag is in see what it became, those of the area that it comes
    /// from what it was before. Ids; `None` where that is not known.
    Bag { area_id: Option<i32>, previous_area_id: Option<i32> },
    /// Dispatchers of these areas, by id, each with the bag codes that they may see.
    Bill(BTreeMap<i32, Vec<String>>),
    /// Everybody.
    All,
    /// One person.
    Person(i64),
    /// One person, and admins.
    PersonAndAdmins(Option<i64>),
}

impl Audience {
    /// May this caller see it?
    pub fn includes(&self, caller: &Caller) -> bool {
        match self {
            Self::Bag { area_id, previous_area_id } => caller.own_area_only().is_none_or(|own| [area_id, previous_area_id].contains(&&Some(own))),
            Self::Bill(areas) => caller.own_area_only().is_none_or(|own| areas.contains_key(&own)),
            Self::All => true,
            Self::Person(id) => *id == caller.user_id.0,
            Self::PersonAndAdmins(id) => caller.role == Role::Admin || *id == Some(caller.user_id.0),
        }
    }

    /// What this caller may see of the details of an event.
    fn visible<'d>(&self, details: &'d Value, caller: &Caller) -> Cow<'d, Value> {
        let Some(own) = caller.own_area_only() else { return Cow::Borrowed(details) };
        match self {
            Self::Bag { area_id, previous_area_id } => {
                let (is_now, was_before) = (*area_id == Some(own), *previous_area_id == Some(own));
                if is_now && was_before {
                    return Cow::Borrowed(details);
                }
                let side = |name: &str, is_visible: bool| details.get(name).filter(|_| is_visible);
                Cow::Owned(json!({"before": side("before", was_before), "after": side("after", is_now)}))
            }
            Self::Bill(areas) => {
                let own_codes = areas.get(&own).map(Vec::as_slice).unwrap_or_default();
                let mut details = details.clone();
                for side in ["/before/qr_codes", "/after/qr_codes"] {
                    if let Some(Value::Array(codes)) = details.pointer_mut(side) {
                        codes.retain(|code| own_codes.iter().any(|own| code == own));
                    }
                }
                Cow::Owned(details)
            }
            Self::All | Self::Person(_) | Self::PersonAndAdmins(_) => Cow::Borrowed(details),
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
    /// Username of the person who did it.
    #[schema(required, example = "asha")]
    pub actor: Option<String>,
    /// The changes, if they are known. Dispatchers get only the part of their own area.
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
    /// The event in the form of the stream (WHATWG HTML, server-sent events), with what this caller
    /// may see of it; `None` when it is not for them.
    pub fn frame_for(&self, caller: &Caller) -> Option<String> {
        if !self.audience.includes(caller) {
            return None;
        }
        match self.data.details.as_ref().map(|details| self.audience.visible(details, caller)) {
            Some(Cow::Owned(details)) => Some(self.frame(&EventData { details: Some(details), ..self.data.clone() })),
            Some(Cow::Borrowed(_)) | None => Some(self.frame(&self.data)),
        }
    }

    fn frame(&self, data: &EventData) -> String {
        let mut frame = String::new();
        if let Some(id) = self.id {
            let _ = writeln!(frame, "id: {id}");
        }
        // JSON has no raw line breaks, so it is one line of data.
        let data = serde_json::to_string(data).unwrap_or_default();
        let _ = write!(frame, "event: {}\ndata: {data}\n\n", self.topic.as_str());
        frame
    }

    /// Tells a listener that it has missed something.
    pub fn reset() -> Self {
        let data = EventData { action: "reset".into(), entity_id: String::new(), at: Utc::now(), actor: None, details: None };
        Self { id: None, topic: Topic::Reset, audience: Audience::All, data }
    }
}
