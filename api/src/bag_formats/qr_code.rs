//! The code printed on a bag, and the formats that say what it means.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::QueryableByName;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{Double, Nullable, SmallInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;

use super::code_pattern::CodePattern;
use super::kind::{BagKind, BagKindSql};
use crate::db::sql;
use crate::error::{Error, ErrorCode, Result};

/// Longest code, in characters.
const MAX_LENGTH: usize = 64;
/// Shortest code, in characters.
const MIN_LENGTH: usize = 3;
/// Priority of the catch-all child format. All other formats are tried before it.
pub const CATCH_ALL_PRIORITY: i16 = 1000;

/// A normalised code: trimmed, upper case, 3 to 64 letters, digits and inner hyphens, ASCII only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, AsExpression, FromSqlRow)]
#[serde(transparent)]
#[diesel(sql_type = Text)]
pub struct QrCode(Arc<str>);

impl QrCode {
    /// Normalises what was scanned or typed.
    ///
    /// # Errors
    /// 422 `invalid_qr_code` for anything that can't be the code of a bag.
    pub fn parse(scanned: &str) -> Result<Self> {
        let code = scanned.trim().to_ascii_uppercase();
        let bytes = code.as_bytes();
        let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        if (MIN_LENGTH..=MAX_LENGTH).contains(&bytes.len()) && is_edge(bytes.first()) && is_edge(bytes.last()) && bytes.iter().all(is_inner) {
            return Ok(Self(code.into()));
        }
        let detail = if code.is_empty() {
            "The code is empty. Scan the bag again."
        } else if bytes.len() > MAX_LENGTH {
            "The code is longer than 64 characters. Scan the bag again."
        } else {
            "This is not a bag code: a code has 3 to 64 letters and digits, with hyphens only in between. Scan the bag again."
        };
        Err(Error::refused(ErrorCode::InvalidQrCode, detail))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for QrCode {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl ToSql<Text, Pg> for QrCode {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <str as ToSql<Text, Pg>>::to_sql(&self.0, out)
    }
}

impl FromSql<Text, Pg> for QrCode {
    fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(<String as FromSql<Text, Pg>>::from_sql(bytes)?.into()))
    }
}

/// What a code looks like and what it means.
#[derive(Debug, Clone)]
pub struct BagFormat {
    pub id: i16,
    pub name: Arc<str>,
    pub kind: BagKind,
    /// Children a parent of this format holds; 0 for children.
    pub capacity: i16,
    pub child_weight_kg: f64,
    /// The child format that takes every code that no other format takes.
    pub is_catch_all: bool,
    pub(super) pattern: Arc<CodePattern>,
}

/// Is a format of this kind and priority the catch-all child format? Admins can rename it, but not move it.
pub const fn is_catch_all(kind: BagKind, priority: i16) -> bool {
    matches!(kind, BagKind::Child) && priority >= CATCH_ALL_PRIORITY
}

/// All formats, parents first.
#[derive(Debug, Clone)]
pub struct BagFormats(pub(super) Arc<[BagFormat]>);

impl BagFormats {
    /// Reads the formats.
    ///
    /// # Errors
    /// When the database can't be read or a pattern is no regular expression.
    pub async fn load(conn: &mut AsyncPgConnection) -> anyhow::Result<Self> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = SmallInt)]
            id: i16,
            #[diesel(sql_type = Text)]
            name: String,
            #[diesel(sql_type = BagKindSql)]
            kind: BagKind,
            #[diesel(sql_type = Text)]
            pattern: String,
            #[diesel(sql_type = Nullable<SmallInt>)]
            capacity: Option<i16>,
            #[diesel(sql_type = Double)]
            child_weight_kg: f64,
            #[diesel(sql_type = SmallInt)]
            priority: i16,
        }
        let rows: Vec<Row> = sql("SELECT id, name, kind, pattern, capacity, \
                                  child_weight_kg::float8 AS child_weight_kg, priority \
                                  FROM bag_formats ORDER BY priority, id")
        .load(conn)
        .await?;
        let formats = rows
            .into_iter()
            .map(|row| {
                Ok(BagFormat {
                    id: row.id,
                    name: row.name.into(),
                    kind: row.kind,
                    capacity: row.capacity.unwrap_or(0),
                    child_weight_kg: row.child_weight_kg,
                    is_catch_all: is_catch_all(row.kind, row.priority),
                    pattern: CodePattern::parse(&row.pattern)?.into(),
                })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self(formats.into()))
    }

    /// The built-in formats of `domain.md`, for tests of pure rules.
    #[cfg(test)]
    pub fn built_in() -> Self {
        Self::of_patterns(&[
            ("Mustard", BagKind::Parent, "SB[0-9]{5,62}", 10),
            ("Moong", BagKind::Parent, "M444-[0-9]{5}", 20),
            ("Child", BagKind::Child, "[A-Z0-9][A-Z0-9-]{1,62}[A-Z0-9]", CATCH_ALL_PRIORITY),
        ])
    }

    /// Formats from name, kind, pattern and priority, in the order they are tried.
    #[cfg(test)]
    pub fn of_patterns(formats: &[(&str, BagKind, &str, i16)]) -> Self {
        let format = |(id, (name, kind, pattern, priority)): (i16, &(&str, BagKind, &str, i16))| BagFormat {
            id,
            name: (*name).into(),
            kind: *kind,
            capacity: if *kind == BagKind::Parent { 30 } else { 0 },
            child_weight_kg: 1.0,
            is_catch_all: is_catch_all(*kind, *priority),
            pattern: CodePattern::parse(pattern).expect("valid pattern").into(),
        };
        Self((1..).zip(formats).map(format).collect())
    }

    /// The format of a code, if any takes it.
    pub fn of(&self, code: &QrCode) -> Option<&BagFormat> {
        self.0.iter().find(|format| format.pattern.is_match(code.as_str()))
    }

    /// Is this the code of a parent?
    pub fn is_parent(&self, code: &QrCode) -> bool {
        self.of(code).is_some_and(|format| format.kind == BagKind::Parent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_are_trimmed_and_upper_cased() {
        for scanned in ["sb12345", " SB12345 ", "\tSb12345\r\n"] {
            assert_eq!(QrCode::parse(scanned).unwrap().as_str(), "SB12345");
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let too_long = "A".repeat(65);
        for scanned in [
            "",
            "   ",
            "A",
            "AB",
            "-AB",
            "AB-",
            "CB'; DROP TABLE bags",
            "<script>",
            "AB\u{0}CD",
            "AB\nCD",
            "AB 12",
            "📦📦📦",
            "ÄÖÜ12",
            "ＳＢ１２３",
            "ab_cd",
            &too_long,
        ] {
            assert!(QrCode::parse(scanned).is_err(), "{scanned:?}");
        }
    }

    #[test]
    fn formats_tell_parents_from_children() {
        let formats = BagFormats::built_in();
        for (code, name) in [
            ("SB12345", "Mustard"),
            ("SB123456789", "Mustard"),
            ("M444-12345", "Moong"),
            ("SB1234", "Child"),
            ("M444-1234", "Child"),
            ("M444-123456", "Child"),
            ("CB-1", "Child"),
            ("SB12345X", "Child"),
        ] {
            assert_eq!(&*formats.of(&QrCode::parse(code).unwrap()).unwrap().name, name, "{code}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(scanned in ".*") {
            if let Ok(code) = QrCode::parse(&scanned) {
                prop_assert_eq!(QrCode::parse(code.as_str()).unwrap(), code.clone());
                prop_assert!(BagFormats::built_in().of(&code).is_some());
            }
        }
    }
}
