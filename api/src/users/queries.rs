//! Reading and writing `users`.

use chrono::Utc;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::language::Language;
use super::model::{User, UserRow};
use crate::db::list::{ListSource, PageOf};
use crate::db::schema::{dispatch_areas, users};
use crate::db::sql;
use crate::db::sql::{Conditions, Value, escape_like};
use crate::identity::{Role, UserId};

diesel::define_sql_function! {
    /// Lower case, as the unique indexes on names have it.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// The user whose user name or e-mail address this is, whatever the case.
pub async fn find_by_login(conn: &mut AsyncPgConnection, login: &str) -> QueryResult<Option<(UserRow, Option<String>)>> {
    let login = login.to_lowercase();
    users::table
        .left_join(dispatch_areas::table)
        .filter(lower(users::username).eq(login.clone()).or(lower(users::email.assume_not_null()).eq(login.clone()).and(users::email.is_not_null())))
        // A user name wins over another person's e-mail address.
        .order(lower(users::username).eq(login).desc())
        .select((UserRow::as_select(), dispatch_areas::code.nullable()))
        .first(conn)
        .await
        .optional()
}

/// The user with this e-mail address, whatever the case.
pub async fn find_by_email(conn: &mut AsyncPgConnection, email: &str) -> QueryResult<Option<UserRow>> {
    users::table
        .filter(users::email.is_not_null())
        .filter(lower(users::email.assume_not_null()).eq(email.to_lowercase()))
        .select(UserRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// The user with this id.
pub async fn find(conn: &mut AsyncPgConnection, id: UserId) -> QueryResult<Option<(UserRow, Option<String>)>> {
    users::table
        .left_join(dispatch_areas::table)
        .filter(users::id.eq(id.0))
        .select((UserRow::as_select(), dispatch_areas::code.nullable()))
        .first(conn)
        .await
        .optional()
}

/// As [`find`], the row locked until the transaction ends.
pub async fn lock(conn: &mut AsyncPgConnection, id: UserId) -> QueryResult<Option<(UserRow, Option<String>)>> {
    sql("SELECT FROM users WHERE id = $1 FOR UPDATE").bind::<BigInt, _>(id).execute_on(conn).await?;
    find(conn, id).await
}

/// The filters of a list of users.
#[derive(Debug, Default)]
pub struct UserFilter {
    /// Part of the username or email address.
    pub q: Option<String>,
    pub role: Option<Role>,
    pub is_active: Option<bool>,
}

/// Columns of a [`ListedUser`].
const LISTED: &str = "SELECT u.*, a.code AS area FROM users u \
     LEFT JOIN dispatch_areas a ON a.id = u.dispatch_area_id ";

#[derive(QueryableByName)]
struct ListedUser {
    #[diesel(embed)]
    user: UserRow,
    #[diesel(sql_type = Nullable<Text>)]
    area: Option<String>,
}

/// Users by id, after `after`.
pub async fn list(conn: &mut AsyncPgConnection, filter: &UserFilter, after: Option<UserId>, limit: i64) -> QueryResult<Vec<User>> {
    let page = PageOf { select: LISTED, column: "u.id", direction: "ASC", limit, has_limit_in_text: false };
    let after = after.map(|id| Value::BigInt(id.0));
    let rows: Vec<ListedUser> = page.statement(filter.conditions(), after).load(conn).await?;
    Ok(rows.into_iter().map(|row| User::from_row(row.user, row.area)).collect())
}

impl ListSource for UserFilter {
    type Row = User;
    type Key = UserId;

    const FROM: &'static str = "FROM users u";

    fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::default();
        conditions.and("u.anonymised_at IS NULL");
        if let Some(role) = self.role {
            conditions.and(&format!("u.role = '{role}'"));
        }
        match self.is_active {
            Some(true) => conditions.and("u.is_active"),
            Some(false) => conditions.and("NOT u.is_active"),
            None => {}
        }
        if let Some(q) = &self.q {
            let pattern = Value::Text(format!("%{}%", escape_like(q)));
            conditions.and_with("(u.username ILIKE $ OR u.email ILIKE $)", pattern);
        }
        conditions
    }

    fn key(row: &User) -> UserId {
        row.id
    }

    async fn page(&self, conn: &mut AsyncPgConnection, after: Option<UserId>, limit: i64) -> QueryResult<Vec<User>> {
        list(conn, self, after, limit).await
    }
}

/// A user to create.
#[derive(Debug, Insertable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct NewUser {
    pub username: String,
    pub email: Option<String>,
    pub password_hash: String,
    pub role: Role,
    pub dispatch_area_id: Option<i32>,
    pub password_change_required: bool,
}

/// Inserts a user.
///
/// # Errors
/// A unique violation of `users_username_key` or `users_email_key`.
pub async fn insert(conn: &mut AsyncPgConnection, user: NewUser) -> QueryResult<UserRow> {
    diesel::insert_into(users::table).values(user).returning(UserRow::as_returning()).get_result(conn).await
}

/// As [`insert`]; `None` when the user name or the e-mail address is taken.
pub async fn insert_if_free(conn: &mut AsyncPgConnection, user: NewUser) -> QueryResult<Option<UserRow>> {
    let free = diesel::insert_into(users::table).values(user).on_conflict_do_nothing();
    free.returning(UserRow::as_returning()).get_result(conn).await.optional()
}

/// Notes a sign-in.
pub async fn note_sign_in(conn: &mut AsyncPgConnection, id: UserId) -> QueryResult<()> {
    diesel::update(users::table.find(id.0)).set(users::last_login_at.eq(Utc::now())).execute(conn).await?;
    Ok(())
}

/// Sets what a person may change of themselves.
///
/// # Errors
/// A unique violation of `users_email_key`.
pub async fn set_profile(conn: &mut AsyncPgConnection, id: UserId, email: Option<String>, language: Language) -> QueryResult<UserRow> {
    diesel::update(users::table.find(id.0))
        .set((users::email.eq(email), users::language.eq(language), users::version.eq(users::version + 1)))
        .returning(UserRow::as_returning())
        .get_result(conn)
        .await
}

/// Sets a password. `is_change_required` for one that another person knows: its owner must choose another first.
pub async fn set_password(conn: &mut AsyncPgConnection, id: UserId, hash: String, is_change_required: bool) -> QueryResult<()> {
    diesel::update(users::table.find(id.0))
        .set((users::password_hash.eq(hash), users::password_change_required.eq(is_change_required), users::version.eq(users::version + 1)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Is there an admin who can sign in?
pub async fn exists_usable_admin(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    Ok(sql("SELECT FROM users u WHERE is_usable_admin(u) LIMIT 1").execute_on(conn).await? > 0)
}

/// Is there any user yet?
pub async fn exists_user(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    Ok(sql("SELECT FROM users LIMIT 1").execute_on(conn).await? > 0)
}
