//! Lists: keyset pagination with opaque cursors.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::query::BesideFilters;
use crate::error::{Error, ErrorCode, Result};

/// Rows per page by default.
const DEFAULT_LIMIT: u32 = 50;
/// Maximum rows per page.
const MAX_LIMIT: u32 = 200;
/// Bytes of the fingerprint at the start of a cursor.
const FINGERPRINT_BYTES: usize = 8;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Pass it as `cursor` to get the next page; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
    pub has_more: bool,
    /// Number of rows in the whole list. Only with `count=exact`, which runs a count query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub total: Option<i64>,
}

impl<T> Page<T> {
    /// Creates a page from rows that were read with one more than the limit, which shows whether
    /// there are more.
    pub fn new<K: Serialize>(mut rows: Vec<T>, limit: Limit, position: &Position<'_>, key: impl Fn(&T) -> K) -> Self {
        let has_more = rows.len() > limit.rows();
        rows.truncate(limit.rows());
        let next_cursor = rows.last().filter(|_| has_more).map(|last| position.cursor(&key(last)));
        Self { data: rows, next_cursor, has_more, total: None }
    }

    /// A page that contains the whole list.
    pub fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None, has_more: false, total: None }
    }

    /// Sets the number of rows in the whole list, if it was requested.
    pub fn with_total(mut self, total: Option<i64>) -> Self {
        self.total = total;
        self
    }

    /// Converts the rows of the page.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(change).collect(), next_cursor: self.next_cursor, has_more: self.has_more, total: self.total }
    }
}

impl<T: Serialize> Page<T> {
    /// The 200 response, with a `Link` header (RFC 8288) to the next page.
    pub fn into_response(self, req: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if let Some(cursor) = &self.next_cursor {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (name, value) in form_urlencoded::parse(req.query_string().as_bytes()).filter(|(name, _)| name != "cursor") {
                query.append_pair(&name, &value);
            }
            query.append_pair("cursor", cursor);
            response.insert_header((header::LINK, format!("<{}?{}>; rel=\"next\"", req.path(), query.finish())));
        }
        response.json(self)
    }
}

/// Order of a list by the creation time of its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    #[default]
    Newest,
    Oldest,
}

impl Sort {
    /// The direction of `ORDER BY`, and the comparison of a row with the cursor before it.
    pub const fn sql(self) -> (&'static str, &'static str) {
        match self {
            Self::Newest => ("DESC", "<"),
            Self::Oldest => ("ASC", ">"),
        }
    }

    /// The opposite direction.
    pub const fn reversed(self) -> Self {
        match self {
            Self::Newest => Self::Oldest,
            Self::Oldest => Self::Newest,
        }
    }
}

/// Whether to count the rows of the whole list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    Exact,
}

/// Requested rows per page: 1 to 200.
#[derive(Debug, Clone, Copy)]
pub struct Limit(u32);

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl Limit {
    /// Rows of the page.
    pub fn rows(self) -> usize {
        self.0 as usize
    }

    /// Rows to fetch: one more, to detect whether there is a next page.
    pub fn rows_to_read(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let limit = u32::deserialize(deserializer)?;
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(serde::de::Error::custom(format!("limit must be between 1 and {MAX_LIMIT}")));
        }
        Ok(Self(limit))
    }
}

/// Paging of a list in one order.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows per page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub limit: Limit,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl BesideFilters for PageQuery {
    const NAMES: &'static [&'static str] = &["limit", "cursor"];
}

/// Paging of a list that is sorted in either order, and counted on request.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SortedPageQuery {
    /// `newest` first by default.
    #[serde(default)]
    #[param(inline, value_type = Option<Sort>)]
    pub sort: Sort,
    /// `exact` adds `total`, the number of rows in the whole list. This runs a count query.
    #[param(inline)]
    pub count: Option<Count>,
    /// Rows per page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub limit: Limit,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl BesideFilters for SortedPageQuery {
    const NAMES: &'static [&'static str] = &["sort", "count", "limit", "cursor"];
}

/// The text of filters for a [`Position`]: their JSON, which does not change with the program.
pub fn fingerprint_of(filters: &impl Serialize) -> String {
    serde_json::to_string(filters).expect("filters are plain values")
}

/// The list and the filters that a cursor belongs to. A cursor is not valid for any other.
pub struct Position<'a> {
    list: &'static str,
    filters: &'a str,
}

impl<'a> Position<'a> {
    /// `filters` is any text that differs whenever the filters differ.
    pub fn new(list: &'static str, filters: &'a str) -> Self {
        Self { list, filters }
    }

    /// Encodes the sort key of the last row of a page.
    pub fn cursor<K: Serialize>(&self, key: &K) -> String {
        let key = serde_json::to_vec(key).expect("sort keys are plain values");
        let mut bytes = self.fingerprint(&key).to_vec();
        bytes.extend_from_slice(&key);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Decodes the sort key.
    ///
    /// # Errors
    /// Returns 400 `invalid_cursor` if the cursor is damaged, or belongs to another list or other
    /// filters.
    pub fn key<K: DeserializeOwned>(&self, cursor: Option<&str>) -> Result<Option<K>> {
        let Some(cursor) = cursor else { return Ok(None) };
        let invalid =
            || Error::refused(ErrorCode::InvalidCursor, "This cursor does not belong to this list with these filters. Start again without a cursor.");
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let (fingerprint, key) = bytes.split_at_checked(FINGERPRINT_BYTES).ok_or_else(invalid)?;
        if fingerprint != self.fingerprint(key) {
            return Err(invalid());
        }
        serde_json::from_slice(key).map(Some).map_err(|_| invalid())
    }

    fn fingerprint(&self, key: &[u8]) -> [u8; FINGERPRINT_BYTES] {
        let mut hash = Sha256::new();
        for part in [self.list.as_bytes(), self.filters.as_bytes(), key] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        std::array::from_fn(|i| digest[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_written() {
        let position = Position::new("bags", "kind=parent");
        let cursor = position.cursor(&42_i64);
        assert_eq!(position.key::<i64>(Some(&cursor)).unwrap(), Some(42));
        assert_eq!(position.key::<i64>(None).unwrap(), None);
    }

    #[test]
    fn a_cursor_of_another_list_other_filters_or_damaged_is_refused() {
        let cursor = Position::new("bags", "kind=parent").cursor(&42_i64);
        for (list, filters, cursor) in [
            ("scans", "kind=parent", cursor.clone()),
            ("bags", "kind=child", cursor.clone()),
            ("bags", "kind=parent", format!("{cursor}A")),
            ("bags", "kind=parent", "%%%".to_owned()),
            ("bags", "kind=parent", String::new()),
        ] {
            assert!(Position::new(list, filters).key::<i64>(Some(&cursor)).is_err(), "{list} {filters} {cursor}");
        }
    }
}
