//! What was worked out a moment ago, kept for those who ask the same: in this process, and in Redis for the others.
//!
//! Knows no feature. Nothing here is the truth: with Redis away each process goes on with its own copy, and everything
//! lives a few seconds at most.

mod after_writes;
mod entry;
mod versions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use moka::future::Cache as LocalCache;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use after_writes::invalidate_after_writes;
use entry::{Entry, Lifetimes, jittered};
pub use versions::Topic;
use versions::Versions;

use crate::error::{Error, Result};
use crate::redis::Redis;

/// Most answers kept in this process.
const MAX_ENTRIES: u64 = 10_000;

/// Answers by topic, version and key.
#[derive(Clone)]
pub struct Cache {
    local: LocalCache<String, Entry>,
    redis: Option<Redis>,
    versions: Versions,
}

impl Cache {
    /// An empty cache, shared with other processes when there is a Redis.
    pub fn new(redis: Option<Redis>) -> Self {
        let local = LocalCache::builder().max_capacity(MAX_ENTRIES).expire_after(Lifetimes).build();
        Self { local, versions: Versions::new(redis.clone()), redis }
    }

    /// The answer under `key`, made by `make` when nobody has it. However many ask at once, it is made once.
    ///
    /// It lives about `lifetime`, a little more or less, so that not all end at the same instant.
    ///
    /// # Errors
    /// What `make` returned; nothing is kept then.
    pub async fn get<T, F>(&self, topic: Topic, key: &str, lifetime: Duration, make: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T>>,
    {
        let version = self.versions.current(topic);
        let key = format!("traitortrack:cache:{}:{}:{key}", topic.as_str(), version.name);
        let redis = self.redis.as_ref().filter(|_| version.is_shared);
        let found = AtomicU8::new(FOUND_HERE);
        let make = async {
            let lifetime = jittered(lifetime);
            if let Some(redis) = redis
                && let Some(body) = redis.get(&key).await
            {
                found.store(FOUND_IN_REDIS, Ordering::Relaxed);
                return Ok(Entry { body: body.into(), lifetime });
            }
            found.store(MADE, Ordering::Relaxed);
            let body: Arc<[u8]> = serde_json::to_vec(&make.await?).map_err(anyhow::Error::from)?.into();
            if let Some(redis) = redis {
                redis.set(&key, &body, lifetime).await;
            }
            Ok::<_, Error>(Entry { body, lifetime })
        };
        let entry = self.local.try_get_with_by_ref(&key, make).await.map_err(|error| shared_error(&error))?;
        let result = match found.into_inner() {
            FOUND_HERE => "hit",
            FOUND_IN_REDIS => "shared_hit",
            _ => "miss",
        };
        metrics::counter!("cache_requests_total", "topic" => topic.as_str(), "result" => result).increment(1);
        Ok(serde_json::from_slice(&entry.body).map_err(anyhow::Error::from)?)
    }

    /// Something of this topic has changed: call it after the commit. Here it holds at once, elsewhere in milliseconds, or
    /// without Redis when the old answer's few seconds are over.
    pub fn invalidate(&self, topic: Topic) {
        self.versions.renew(topic);
    }

    /// Forgets everything, here and elsewhere.
    pub fn clear(&self) {
        for topic in Topic::ALL {
            self.invalidate(topic);
        }
        self.local.invalidate_all();
    }

    /// Answers kept in this process, about.
    pub fn kept(&self) -> u64 {
        self.local.entry_count()
    }

    /// Hears of changes in other processes until the task is aborted.
    pub async fn listen(self) {
        self.versions.listen().await;
    }
}

const FOUND_HERE: u8 = 0;
const FOUND_IN_REDIS: u8 = 1;
const MADE: u8 = 2;

/// An error that several waited for is told to each.
fn shared_error(error: &Error) -> Error {
    match error {
        Error::Refused(refusal) => Error::Refused(refusal.clone()),
        Error::Internal(cause) => Error::Internal(anyhow::anyhow!("{cause:#}")),
    }
}
