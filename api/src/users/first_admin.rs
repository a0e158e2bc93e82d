//! The admin of a new installation, and of one that has none left.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::model::UserRow;
use super::queries::{self, NewUser};
use crate::access::password;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::config::Config;
use crate::db::transaction;
use crate::error::Result;
use crate::identity::Role;

/// Where `ADMIN_USERNAME` is blank.
const DEFAULT_USERNAME: &str = "admin";
/// Longest user name, in characters.
const MAX_USERNAME: usize = 64;

/// An admin that a start created.
#[derive(Debug, Clone)]
pub struct CreatedAdmin {
    /// `ADMIN_USERNAME`, or that with a number where the name was taken.
    pub username: String,
    /// The password when it was generated: shown once, stored nowhere, to be changed at the first
    /// sign-in. `None` when it is the one in `ADMIN_PASSWORD`.
    pub password: Option<String>,
}

/// Creates an admin when there is none who can sign in, under a name that is free. Existing users
/// stay as they are.
///
/// # Errors
/// When the database can't be read or written; on a database without users, also when `ADMIN_PASSWORD` breaks the password
/// rules.
pub async fn ensure(conn: &mut AsyncPgConnection, config: &Config) -> Result<Option<CreatedAdmin>> {
    if queries::exists_usable_admin(conn).await? {
        return Ok(None);
    }
    let is_first_start = !queries::exists_user(conn).await?;
    let (secret, is_generated) = first_password(config, is_first_start)?;
    let password_hash = password::hash(secret.clone()).await?;
    let created = transaction(conn, async |conn| {
        // Two processes may start on one database: the second waits here, then finds the first
        // one's admin.
        crate::db::sql("SELECT pg_advisory_xact_lock(7421830118)").execute_on(conn).await?;
        if queries::exists_usable_admin(conn).await? {
            return Ok(None);
        }
        let row = insert(conn, config, &password_hash, is_generated).await?;
        let entry = Entry::new(Action::UserCreated, Entity::User, row.id).after(json!({"username": row.username, "role": row.role}));
        audit::record(conn, &Actor::default(), vec![entry]).await?;
        Ok(Some(row.username))
    })
    .await?;
    let Some(username) = created else { return Ok(None) };
    if is_first_start {
        tracing::info!(username, "the first admin was created");
    } else {
        tracing::warn!(username, "no admin could sign in: a new admin was created");
    }
    Ok(Some(CreatedAdmin { username, password: is_generated.then_some(secret) }))
}

/// The password, and whether it was generated. On a database that was in use, a weak
/// `ADMIN_PASSWORD` must not keep the server from starting: the setting was not needed since the
/// first start.
fn first_password(config: &Config, is_first_start: bool) -> Result<(String, bool)> {
    let Some(given) = &config.admin_password else { return Ok((random_password(), true)) };
    match password::check_strength(given.expose(), &config.admin_username, "ADMIN_PASSWORD") {
        Ok(()) => Ok((given.expose().to_owned(), false)),
        Err(error) if is_first_start => Err(error),
        Err(error) => {
            tracing::warn!(%error, "ADMIN_PASSWORD does not meet the password requirements; a password is generated instead");
            Ok((random_password(), true))
        }
    }
}

/// Inserts the admin under the first name that is free: `admin`, `admin-2`, `admin-3`, …
async fn insert(conn: &mut AsyncPgConnection, config: &Config, password_hash: &str, is_generated: bool) -> diesel::QueryResult<UserRow> {
    let mut attempt = 1;
    loop {
        let user = NewUser {
            username: numbered(&config.admin_username, attempt),
            email: None,
            password_hash: password_hash.to_owned(),
            role: Role::Admin,
            dispatch_area_id: None,
            password_change_required: is_generated,
        };
        if let Some(row) = queries::insert_if_free(conn, user).await? {
            return Ok(row);
        }
        attempt += 1;
    }
}

/// The name for an attempt, as the database takes it: not empty, and at most [`MAX_USERNAME`] characters.
fn numbered(name: &str, attempt: u32) -> String {
    let name = if name.trim().is_empty() { DEFAULT_USERNAME } else { name.trim() };
    let suffix = if attempt == 1 { String::new() } else { format!("-{attempt}") };
    let stem: String = name.chars().take(MAX_USERNAME - suffix.len()).collect();
    stem + &suffix
}

/// 128 random bits as text, and a tail that satisfies the rule about kinds of characters.
fn random_password() -> String {
    let bytes: [u8; 16] = std::array::from_fn(|_| rand::random());
    format!("{}-aA1", URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_that_the_database_takes() {
        let long = "ü".repeat(100);
        for (name, attempt, expected) in [
            ("admin", 1, "admin".to_owned()),
            (" admin ", 2, "admin-2".to_owned()),
            ("  ", 1, "admin".to_owned()),
            (&long, 1, "ü".repeat(64)),
            (&long, 12, format!("{}-12", "ü".repeat(61))),
        ] {
            assert_eq!(numbered(name, attempt), expected);
        }
    }
}
