//! The admin of a new installation.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel_async::AsyncPgConnection;

use super::model::Role;
use super::queries::{self, NewUser};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::auth::password;
use crate::config::Config;
use crate::db::transaction;
use crate::error::Result;

/// Creates an admin when there is none yet. Returns the password when it was made here: it is shown once,
/// stored nowhere, and must be changed at the first sign-in.
///
/// # Errors
/// When the database can't be read or written, or `ADMIN_PASSWORD` breaks the password rules.
pub async fn ensure(conn: &mut AsyncPgConnection, config: &Config) -> Result<Option<String>> {
    if queries::exists_admin(conn).await? {
        return Ok(None);
    }
    let (secret, is_made) = match &config.admin_password {
        Some(given) => {
            password::check_strength(given.expose(), &config.admin_username, "ADMIN_PASSWORD")?;
            (given.expose().to_owned(), false)
        }
        None => (random_password(), true),
    };
    let password_hash = password::hash(secret.clone()).await?;
    let created = transaction(conn, async |conn| {
        // Two processes may start on one empty database: the second waits here, then finds the first one's admin.
        crate::db::sql("SELECT pg_advisory_xact_lock(7421830118)").execute_on(conn).await?;
        if queries::exists_admin(conn).await? {
            return Ok(false);
        }
        let user = NewUser {
            username: config.admin_username.clone(),
            email: None,
            password_hash: password_hash.clone(),
            role: Role::Admin,
            dispatch_area_id: None,
            password_change_required: is_made,
        };
        let row = queries::insert(conn, user).await?;
        let entry = Entry::new(Action::UserCreated, Entity::User, row.id).after(serde_json::json!({"username": row.username, "role": row.role}));
        audit::record(conn, &Actor::default(), vec![entry]).await?;
        Ok(true)
    })
    .await?;
    Ok((created && is_made).then_some(secret))
}

/// 128 random bits as text, and a tail that satisfies the rule about kinds of characters.
fn random_password() -> String {
    let bytes: [u8; 16] = std::array::from_fn(|_| rand::random());
    format!("{}-aA1", URL_SAFE_NO_PAD.encode(bytes))
}
