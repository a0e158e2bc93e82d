//! Signing and checking access tokens (JWT, RFC 7519), without a round trip.

use std::collections::HashMap;

use anyhow::Context;
use chrono::Utc;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::Secret;
use crate::db::schema::signing_keys;
use crate::error::{Error, ErrorCode, Result};
use crate::users::model::{Role, User};

const ISSUER: &str = "traitortrack";
const AUDIENCE: &str = "traitortrack-api";
/// Clocks of several servers may differ by this much, in seconds.
const LEEWAY_SECONDS: u64 = 5;

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
    pub iat: i64,
    pub exp: i64,
}

impl Claims {
    /// Claims for a user and session, good for `lifetime_seconds` from now.
    pub fn new(user: &User, area_id: Option<i32>, sid: Uuid, lifetime_seconds: i64) -> Self {
        let now = Utc::now().timestamp();
        Self {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: user.id.to_string(),
            sid,
            name: user.username.clone(),
            role: user.role,
            area: user.dispatch_area.clone(),
            area_id,
            pcr: user.password_change_required,
            iat: now,
            exp: now + lifetime_seconds,
        }
    }
}

/// The keys of this installation: one signs, all verify.
pub struct TokenKeys {
    kid: String,
    encoding: EncodingKey,
    decoding: HashMap<String, DecodingKey>,
    validation: Validation,
}

impl TokenKeys {
    /// Takes the key of the settings, or those in the database, making the first one.
    ///
    /// # Errors
    /// When the database can't be read or written.
    pub async fn load(conn: &mut AsyncPgConnection, configured: Option<&Secret>) -> anyhow::Result<Self> {
        if let Some(secret) = configured {
            let kid = hex_prefix(&Sha256::digest(secret.expose()));
            return Ok(Self::from_secrets(vec![(kid, secret.expose().as_bytes().to_vec())]));
        }
        let stored = || signing_keys::table.order(signing_keys::created_at.desc()).select((signing_keys::kid, signing_keys::secret));
        let mut keys: Vec<(String, Vec<u8>)> = stored().load(conn).await?;
        if keys.is_empty() {
            let secret: [u8; 64] = std::array::from_fn(|_| rand::random());
            diesel::insert_into(signing_keys::table)
                .values((signing_keys::kid.eq(hex_prefix(&Sha256::digest(secret))), signing_keys::secret.eq(secret.as_slice())))
                .execute(conn)
                .await
                .context("could not store the first signing key")?;
            // Read again: another process may have started at the same moment, and both must agree.
            keys = stored().load(conn).await?;
        }
        Ok(Self::from_secrets(keys))
    }

    fn from_secrets(keys: Vec<(String, Vec<u8>)>) -> Self {
        let (kid, newest) = keys.as_slice().first().expect("there is at least one key");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY_SECONDS;
        Self {
            kid: kid.clone(),
            encoding: EncodingKey::from_secret(newest),
            decoding: keys.iter().map(|(kid, secret)| (kid.clone(), DecodingKey::from_secret(secret))).collect(),
            validation,
        }
    }

    /// Signs claims.
    ///
    /// # Errors
    /// When the signer fails (never for plain claims).
    pub fn sign(&self, claims: &Claims) -> Result<String> {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::HS256) };
        encode(&header, claims, &self.encoding).context("could not sign an access token").map_err(Error::Internal)
    }

    /// Checks signature, algorithm, issuer, audience and expiry.
    ///
    /// # Errors
    /// 401 `token_expired` or `invalid_token`.
    pub fn verify(&self, token: &str) -> Result<Claims> {
        let invalid = || Error::refused(ErrorCode::InvalidToken, "The access token is not valid here. Sign in again.");
        let header = decode_header(token).map_err(|_| invalid())?;
        let key = header.kid.as_deref().and_then(|kid| self.decoding.get(kid)).ok_or_else(invalid)?;
        match decode::<Claims>(token, key, &self.validation) {
            Ok(data) => Ok(data.claims),
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
                Err(Error::refused(ErrorCode::TokenExpired, "The access token has expired. Refresh it."))
            }
            Err(_) => Err(invalid()),
        }
    }
}

fn hex_prefix(digest: &[u8]) -> String {
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
