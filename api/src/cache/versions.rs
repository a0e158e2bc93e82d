//! Which version of a topic answers belong to. A change makes a new one, and old answers are never found again.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use futures_util::StreamExt;
use uuid::Uuid;

use crate::redis::Redis;

/// Channel that tells other processes of new versions.
const CHANNEL: &str = "traitortrack:cache-versions";
/// Between tries to listen when Redis is away.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// What an answer is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Bags, scans, bills and people, counted.
    Stats,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Stats];

    /// The name in keys, messages and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stats => "stats",
        }
    }
}

/// The version of a topic at this moment.
pub struct Version {
    pub name: String,
    /// Do other processes know it by this name?
    pub is_shared: bool,
}

#[derive(Clone)]
struct State {
    /// Changes made here.
    made: u64,
    /// Of those, how many have come back over Redis: then everyone has heard of them.
    heard: u64,
    /// The version that all who listen agree on.
    shared: String,
}

/// The versions of all topics.
#[derive(Clone)]
pub struct Versions {
    process: Uuid,
    redis: Option<Redis>,
    states: Arc<[RwLock<State>; Topic::ALL.len()]>,
}

impl Versions {
    /// Versions that nobody else has.
    pub fn new(redis: Option<Redis>) -> Self {
        let process = Uuid::now_v7();
        let state = || RwLock::new(State { made: 0, heard: 0, shared: process.to_string() });
        Self { process, redis, states: Arc::new(std::array::from_fn(|_| state())) }
    }

    /// The version of this moment. While a change made here has not been heard by all, it is this process's own.
    pub fn current(&self, topic: Topic) -> Version {
        let state = self.states[topic as usize].read().expect("no panic while held");
        if state.made > state.heard || self.redis.is_none() {
            return Version { name: format!("{}:{}", self.process, state.made), is_shared: false };
        }
        Version { name: state.shared.clone(), is_shared: true }
    }

    /// Makes a new version: here at once, elsewhere as soon as they hear of it.
    pub fn renew(&self, topic: Topic) {
        let made = {
            let mut state = self.states[topic as usize].write().expect("no panic while held");
            state.made += 1;
            state.made
        };
        if let Some(redis) = self.redis.clone() {
            let message = format!("{} {} {made}", topic.as_str(), self.process);
            tokio::spawn(async move { redis.publish(CHANNEL, &message).await });
        }
    }

    fn hear(&self, message: &str) {
        let mut parts = message.split(' ');
        let (Some(topic), Some(process), Some(made)) = (parts.next(), parts.next(), parts.next()) else { return };
        let (Some(topic), Ok(number)) = (Topic::ALL.into_iter().find(|known| known.as_str() == topic), made.parse::<u64>()) else { return };
        let mut state = self.states[topic as usize].write().expect("no panic while held");
        state.shared = format!("{process}:{made}");
        if process == self.process.to_string() {
            state.heard = state.heard.max(number);
        }
    }

    /// Hears of new versions until the task is aborted.
    pub async fn listen(&self) {
        let Some(redis) = self.redis.clone() else { return };
        loop {
            if let Ok(messages) = redis.subscribe(CHANNEL).await {
                // What was said while nobody listened was not heard: a version of one's own is never an old one.
                for state in self.states.iter() {
                    state.write().expect("no panic while held").shared = Uuid::now_v7().to_string();
                }
                let mut messages = std::pin::pin!(messages);
                while let Some(message) = messages.next().await {
                    self.hear(&message);
                }
            }
            tokio::time::sleep(RECONNECT_AFTER).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_makes_a_version_that_was_never_there() {
        let versions = Versions::new(None);
        let first = versions.current(Topic::Stats).name;
        versions.renew(Topic::Stats);
        let second = versions.current(Topic::Stats);
        assert!(first != second.name && !second.is_shared);
    }

    #[tokio::test]
    async fn processes_agree_on_what_all_have_heard() {
        let redis = || Some(Redis::new("redis://127.0.0.1:1").unwrap());
        let (one, other) = (Versions::new(redis()), Versions::new(redis()));
        one.renew(Topic::Stats);
        one.renew(Topic::Stats);
        assert!(!one.current(Topic::Stats).is_shared, "nobody has heard of it");
        let message = |made: u64| format!("stats {} {made}", one.process);
        for versions in [&one, &other] {
            versions.hear(&message(1));
        }
        assert!(!one.current(Topic::Stats).is_shared, "the second change is still on its way");
        for versions in [&one, &other] {
            versions.hear(&message(2));
            versions.hear("nonsense");
        }
        assert!(one.current(Topic::Stats).is_shared);
        assert_eq!(one.current(Topic::Stats).name, other.current(Topic::Stats).name);
    }
}
