//! Signing and checking tokens (JWT, RFC 7519), without a round trip.
//!
//! Several keys are good at once. A new one is known to every process before it signs; an old one verifies until it
//! is dropped. So keys can be changed while everybody works.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use moka::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::{Config, JwtAlgorithm, Secret};
use crate::db::schema::signing_keys;
use crate::db::{Pool, sql};
use crate::error::{Error, ErrorCode, Result};
use crate::identity::caller::invalid_token;
use crate::identity::{Role, UserId};

/// Who makes the tokens.
pub const ISSUER: &str = "traitortrack";
/// What an access token is for.
const AUDIENCE: &str = "traitortrack-api";
/// Clocks of several servers may differ by this much, in seconds.
const LEEWAY_SECONDS: u64 = 5;
/// How often keys made elsewhere are looked for.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// A new key signs only when every process has had two chances to read it.
const SIGNS_AFTER: TimeDelta = TimeDelta::seconds(5);
/// Tokens with made-up keys must not become queries: the keys are read for them no more often than this.
const LEARN_INTERVAL: Duration = Duration::from_secs(1);
/// Most tokens remembered as good.
const MAX_VERIFIED: u64 = 20_000;
/// A token that nobody sends any more is forgotten.
const VERIFIED_IDLE: Duration = Duration::from_secs(5 * 60);

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// Id of the user.
    pub sub: String,
    /// Id of the session the token belongs to.
    pub sid: Uuid,
    pub name: String,
    pub role: Role,
    /// Code and id of the dispatch area.
    pub area: Option<String>,
    pub area_id: Option<i32>,
    /// The password must be changed before anything else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pcr: bool,
    /// The second factor that the role demands must be set up before anything else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tfs: bool,
    pub iat: i64,
    pub exp: i64,
}

/// The user that a token is for.
#[derive(Debug)]
pub struct TokenUser {
    pub id: UserId,
    pub username: String,
    pub role: Role,
    pub dispatch_area_id: Option<i32>,
    pub dispatch_area: Option<String>,
    pub password_change_required: bool,
    pub two_factor_enabled: bool,
}

impl Claims {
    /// Claims for a user and session, good for as long as the settings say.
    pub fn new(user: &TokenUser, sid: Uuid, config: &Config) -> Self {
        let now = Utc::now().timestamp();
        Self {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: user.id.to_string(),
            sid,
            name: user.username.clone(),
            role: user.role,
            area: user.dispatch_area.clone(),
            area_id: user.dispatch_area_id,
            pcr: user.password_change_required,
            tfs: !user.two_factor_enabled && config.two_factor_required_roles.contains(&user.role),
            iat: now,
            exp: now + config.access_token_seconds,
        }
    }
}

/// The public part of a key, in the format of RFC 8037.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PublicKey {
    #[schema(example = "OKP")]
    kty: &'static str,
    #[schema(example = "Ed25519")]
    crv: &'static str,
    #[schema(example = "EdDSA")]
    alg: &'static str,
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    usage: &'static str,
    /// Id of the key, as in the `kid` header of a token.
    kid: String,
    /// The key itself, base64url.
    x: String,
}

struct Key {
    kid: String,
    algorithm: JwtAlgorithm,
    created_at: DateTime<Utc>,
    encoding: EncodingKey,
    decoding: DecodingKey,
    public: Option<PublicKey>,
}

impl Key {
    fn new(kid: String, algorithm: JwtAlgorithm, secret: &[u8], created_at: DateTime<Utc>) -> anyhow::Result<Self> {
        let (encoding, decoding, public) = match algorithm {
            JwtAlgorithm::Hs256 => (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret), None),
            JwtAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(secret).map_err(|error| anyhow::anyhow!("signing key {kid}: {error}"))?;
                let public = pair.public_key().as_ref();
                let x = URL_SAFE_NO_PAD.encode(public);
                let shown = PublicKey { kty: "OKP", crv: "Ed25519", alg: "EdDSA", usage: "sig", kid: kid.clone(), x };
                (EncodingKey::from_ed_der(secret), DecodingKey::from_ed_der(public), Some(shown))
            }
        };
        Ok(Self { kid, algorithm, created_at, encoding, decoding, public })
    }
}

fn jwt_algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Hs256 => Algorithm::HS256,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// The keys of this installation: one signs, all verify.
pub struct TokenKeys {
    algorithm: JwtAlgorithm,
    /// The key comes from the settings; those in the database don't count.
    is_configured: bool,
    keys: RwLock<HashMap<String, Arc<Key>>>,
    learned_at: Mutex<Instant>,
    /// Access tokens that were found good, by their SHA-256: each is sent hundreds of times.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

/// A token whose signature is good as long as its key is.
struct Verified {
    kid: String,
    claims: Arc<Claims>,
}

impl TokenKeys {
    /// Takes the key of the settings, or those in the database, making the first one of the algorithm.
    ///
    /// # Errors
    /// When the database can't be read or written.
    pub async fn load(conn: &mut AsyncPgConnection, algorithm: JwtAlgorithm, configured: Option<&Secret>) -> anyhow::Result<Self> {
        let keys = match configured {
            Some(secret) => {
                let kid = hex_prefix(&Sha256::digest(secret.expose()));
                vec![Key::new(kid, JwtAlgorithm::Hs256, secret.expose().as_bytes(), Utc::now())?]
            }
            None => {
                let stored = stored(conn).await?;
                if stored.iter().any(|key| key.algorithm == algorithm) {
                    stored
                } else {
                    add(conn, algorithm).await?;
                    // Read again: another process may have started at the same moment, and both must agree.
                    self::stored(conn).await?
                }
            }
        };
        let keys = keys.into_iter().map(|key| (key.kid.clone(), Arc::new(key))).collect();
        Ok(Self {
            algorithm,
            is_configured: configured.is_some(),
            keys: RwLock::new(keys),
            learned_at: Mutex::new(Instant::now()),
            verified: Cache::builder().max_capacity(MAX_VERIFIED).time_to_idle(VERIFIED_IDLE).build(),
        })
    }

    /// The newest key that every process knows by now; with none that old, the oldest.
    fn signer(&self) -> Option<Arc<Key>> {
        let known_since = Utc::now() - SIGNS_AFTER;
        let keys = self.keys.read().expect("no panic while held");
        let ours = || keys.values().filter(|key| key.algorithm == self.algorithm);
        let settled = ours().filter(|key| key.created_at <= known_since).max_by_key(|key| (key.created_at, &key.kid));
        settled.or_else(|| ours().min_by_key(|key| (key.created_at, &key.kid))).cloned()
    }

    /// Signs claims.
    ///
    /// # Errors
    /// When the signer fails (never for plain claims).
    pub fn sign<T: Serialize>(&self, claims: &T) -> Result<String> {
        let key = self.signer().context("there is no signing key").map_err(Error::Internal)?;
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(jwt_algorithm(key.algorithm)) };
        encode(&header, claims, &key.encoding).context("could not sign a token").map_err(Error::Internal)
    }

    /// Checks signature, algorithm, issuer, audience and expiry of an access token.
    ///
    /// # Errors
    /// 401 `token_expired` or `invalid_token`.
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.verified.get(&hash)
            && known.claims.exp + LEEWAY_SECONDS.cast_signed() >= Utc::now().timestamp()
            && self.keys.read().expect("no panic while held").contains_key(&known.kid)
        {
            return Ok(known.claims.clone());
        }
        let claims = Arc::new(self.verify_for::<Claims>(token, AUDIENCE)?);
        if let Some(kid) = kid_of(token) {
            self.verified.insert(hash, Arc::new(Verified { kid, claims: claims.clone() }));
        }
        Ok(claims)
    }

    /// As [`Self::verify`], for a token made for something else.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_for<T: DeserializeOwned + Clone>(&self, token: &str, audience: &str) -> Result<T> {
        let kid = kid_of(token).ok_or_else(invalid_token)?;
        let key = self.keys.read().expect("no panic while held").get(&kid).cloned().ok_or_else(invalid_token)?;
        // Only the key's own algorithm: a public key must never be taken for a secret one.
        let mut validation = Validation::new(jwt_algorithm(key.algorithm));
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY_SECONDS;
        match decode::<T>(token, &key.decoding, &validation) {
            Ok(data) => Ok(data.claims),
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
                Err(Error::refused(ErrorCode::TokenExpired, "The access token has expired. Refresh it."))
            }
            Err(_) => Err(invalid_token()),
        }
    }

    /// The public keys that tokens can be checked with, oldest first.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        let keys = self.keys.read().expect("no panic while held");
        let mut public: Vec<_> = keys.values().filter_map(|key| key.public.clone().map(|public| (key.created_at, public))).collect();
        public.sort_by_key(|(created_at, _)| *created_at);
        public.into_iter().map(|(_, public)| public).collect()
    }

    /// Reads the keys again when this token was signed by one that is not known here.
    pub async fn learn_key_of(&self, pool: &Pool, token: &str) {
        let Some(kid) = kid_of(token) else { return };
        if self.is_configured || self.keys.read().expect("no panic while held").contains_key(&kid) {
            return;
        }
        {
            let mut learned_at = self.learned_at.lock().expect("no panic while held");
            if learned_at.elapsed() < LEARN_INTERVAL {
                return;
            }
            *learned_at = Instant::now();
        }
        if let Err(error) = self.refresh(pool).await {
            tracing::warn!(error = format!("{error:#}"), "could not read the signing keys");
        }
    }

    /// Returns `false` if the key is fixed by the settings: then there is nothing to refresh.
    pub fn can_change(&self) -> bool {
        !self.is_configured
    }

    /// Reads the keys. While the database is unavailable, the known keys stay.
    ///
    /// # Errors
    /// Fails if the database can't be read or holds no key of the algorithm in use.
    pub async fn refresh(&self, pool: &Pool) -> anyhow::Result<()> {
        let keys = stored(&mut *pool.get().await?).await?;
        // Without any key no user could sign in, so the old keys stay.
        let has_usable = keys.iter().any(|key| key.algorithm == self.algorithm);
        anyhow::ensure!(has_usable, "the database holds no signing key of the algorithm in use");
        let keys = keys.into_iter().map(|key| (key.kid.clone(), Arc::new(key))).collect();
        *self.keys.write().expect("no panic while held") = keys;
        Ok(())
    }
}

fn kid_of(token: &str) -> Option<String> {
    decode_header(token).ok()?.kid
}

async fn stored(conn: &mut AsyncPgConnection) -> anyhow::Result<Vec<Key>> {
    type Row = (String, String, Vec<u8>, DateTime<Utc>);
    let columns = (signing_keys::kid, signing_keys::algorithm, signing_keys::secret, signing_keys::created_at);
    let rows: Vec<Row> = signing_keys::table.select(columns).load(conn).await?;
    rows.into_iter()
        .map(|(kid, algorithm, secret, created_at)| {
            let algorithm =
                JwtAlgorithm::from_name(&algorithm).with_context(|| format!("signing key {kid} is of the unknown algorithm {algorithm}"))?;
            Key::new(kid, algorithm, &secret, created_at)
        })
        .collect()
}

async fn add(conn: &mut AsyncPgConnection, algorithm: JwtAlgorithm) -> anyhow::Result<String> {
    let secret = match algorithm {
        JwtAlgorithm::Hs256 => {
            let secret: [u8; 64] = std::array::from_fn(|_| rand::random());
            secret.to_vec()
        }
        JwtAlgorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|error| anyhow::anyhow!("Ed25519: {error}"))?;
            pair.as_ref().to_vec()
        }
    };
    let kid = hex_prefix(&Sha256::digest(&secret));
    diesel::insert_into(signing_keys::table)
        .values((signing_keys::kid.eq(&kid), signing_keys::algorithm.eq(algorithm.as_str()), signing_keys::secret.eq(secret)))
        .execute(conn)
        .await
        .context("could not store a signing key")?;
    Ok(kid)
}

/// Adds a key, which signs from a few seconds later on, and drops those that were replaced more than a day ago, or all
/// others at once. Returns the new key's id and how many were dropped.
///
/// # Errors
/// When the database can't be written.
pub async fn rotate(conn: &mut AsyncPgConnection, algorithm: JwtAlgorithm, drop_others: bool) -> anyhow::Result<(String, usize)> {
    let kid = add(conn, algorithm).await?;
    let dropped = if drop_others {
        diesel::delete(signing_keys::table.filter(signing_keys::kid.ne(&kid))).execute(conn).await?
    } else {
        sql("DELETE FROM signing_keys k WHERE EXISTS (SELECT FROM signing_keys newer WHERE newer.created_at > k.created_at \
             AND newer.algorithm = k.algorithm AND newer.created_at < now() - interval '1 day')")
        .execute_on(conn)
        .await?
    };
    Ok((kid, dropped))
}

fn hex_prefix(digest: &[u8]) -> String {
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
