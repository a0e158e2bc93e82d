//! Devices on which people have signed in before, by a cookie that only this installation can make.
//!
//! A known device has limits of its own for wrong passwords and codes, so others can't lock its
//! people out (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). It proves nothing
//! else: the password is still needed, and a stolen cookie gives no more tries than one further
//! address. So nothing has to be stored or revoked.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::http::header::HeaderName;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cookies;
use super::data_key::DataKey;
use crate::config::Config;
use crate::error::Result;
use crate::identity::UserId;

/// Name of the cookie.
const COOKIE: &str = "tt_device";
/// A device without a sign-in for this long is no longer known.
const LIFETIME_SECONDS: i64 = 180 * 24 * 60 * 60;
/// Most people that a device is known to: a station has a shift or two.
const MAX_PEOPLE: usize = 50;
/// What the cookie is sealed for.
const PURPOSE: &str = "known device";

/// A device, and the people who have signed in on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownDevice {
    id: Uuid,
    /// Ids of users, the last one to sign in first.
    people: Vec<i64>,
    /// Unix time.
    expires_at: i64,
}

impl KnownDevice {
    /// The device of a request, if it shows a cookie that was made here and has not expired.
    pub fn of_request(req: &HttpRequest, key: &DataKey) -> Option<Self> {
        Self::decode(req.cookie(COOKIE)?.value(), key)
    }

    fn decode(text: &str, key: &DataKey) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let device: Self = serde_json::from_slice(&key.open(PURPOSE, &sealed).ok()?).ok()?;
        (device.expires_at > Utc::now().timestamp()).then_some(device)
    }

    fn encode(&self, key: &DataKey) -> anyhow::Result<String> {
        Ok(URL_SAFE_NO_PAD.encode(key.seal(PURPOSE, &serde_json::to_vec(self)?)?))
    }

    /// The device as it is known to a person; `None` when they have not signed in on it.
    pub fn known_to(self, user: UserId) -> Option<Self> {
        self.people.contains(&user.0).then_some(self)
    }

    /// The device after a person signed in on it, and a new one where there was none.
    pub fn with(device: Option<Self>, user: UserId) -> Self {
        let (id, known) = device.map_or_else(|| (Uuid::new_v4(), Vec::new()), |device| (device.id, device.people));
        let others = known.into_iter().filter(|person| *person != user.0);
        let people = std::iter::once(user.0).chain(others).take(MAX_PEOPLE).collect();
        Self { id, people, expires_at: Utc::now().timestamp() + LIFETIME_SECONDS }
    }

    /// Where failures on this device are counted.
    pub fn place(&self) -> String {
        format!("device:{}", self.id)
    }

    /// The header that sets the cookie.
    ///
    /// # Errors
    /// When encryption fails (never for a value this short).
    pub fn cookie(&self, key: &DataKey, config: &Config) -> Result<(HeaderName, String)> {
        Ok(cookies::set(COOKIE, self.encode(key)?, CookieDuration::seconds(LIFETIME_SECONDS), config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_installation_that_made_a_cookie_reads_it() {
        let key = DataKey::derive(b"one").expect("a key");
        let device = KnownDevice::with(Some(KnownDevice::with(None, UserId(7))), UserId(8));
        let text = device.encode(&key).expect("sealed");
        assert_eq!(KnownDevice::decode(&text, &key), Some(device.clone()));
        assert_eq!(KnownDevice::decode(&text, &DataKey::derive(b"two").expect("a key")), None);
        assert_eq!(KnownDevice::decode(&text[1..], &key), None);
        let expired = KnownDevice { expires_at: Utc::now().timestamp() - 1, ..device };
        assert_eq!(KnownDevice::decode(&expired.encode(&key).expect("sealed"), &key), None);
    }

    #[test]
    fn a_device_knows_the_last_people_who_signed_in() {
        let device = (1..=60).fold(None, |device, id| Some(KnownDevice::with(device, UserId(id)))).expect("a device");
        assert!(device.clone().known_to(UserId(60)).is_some() && device.clone().known_to(UserId(11)).is_some());
        assert_eq!(device.known_to(UserId(10)), None);
    }

    #[test]
    fn a_full_cookie_is_stored_by_every_browser() {
        let people = (0..60).map(|n| UserId(i64::MAX - n));
        let device = people.fold(None, |device, user| Some(KnownDevice::with(device, user))).expect("a device");
        let key = DataKey::derive(b"one").expect("a key");
        assert!(device.encode(&key).expect("sealed").len() < 2_048);
    }
}
