//! Which column of a file holds what: found by name, in any order and case.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::ImportKind;
use crate::error::{Error, ErrorCode, Result};

/// The meaning of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportField {
    QrCode,
    ParentQrCode,
    ChildQrCode,
    Name,
    DispatchArea,
    Kind,
}

impl ImportField {
    /// Does the column have codes? A file can't do without those.
    const fn is_code(self) -> bool {
        matches!(self, Self::QrCode | Self::ParentQrCode | Self::ChildQrCode)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::QrCode => "qr_code",
            Self::ParentQrCode => "parent_qr_code",
            Self::ChildQrCode => "child_qr_code",
            Self::Name => "name",
            Self::DispatchArea => "dispatch_area",
            Self::Kind => "kind",
        }
    }
}

/// The names that a field goes by.
type Names = (ImportField, &'static [&'static str]);

const OF_BAGS: &[Names] = &[
    (ImportField::QrCode, &["qr_code", "code", "bag", "qr", "bag_code", "qrcode"]),
    (ImportField::Name, &["name", "bag_name", "label"]),
    (ImportField::DispatchArea, &["dispatch_area", "area"]),
    (ImportField::Kind, &["kind", "type", "bag_type"]),
];
const OF_LINKS: &[Names] = &[
    (ImportField::ParentQrCode, &["parent_qr_code", "parent", "parent_code", "parent_bag"]),
    // An export of bags has the code and the parent of each: it can be read as links.
    (ImportField::ChildQrCode, &["child_qr_code", "child", "child_code", "child_bag", "qr_code", "code", "bag"]),
];

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Column {
    /// The name in the file.
    #[schema(example = "QR Code")]
    pub name: String,
    /// The meaning of the column; null if it is ignored.
    #[schema(required)]
    pub field: Option<ImportField>,
}

/// The columns of a file, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(pub Vec<Column>);

impl Columns {
    /// Finds the columns in the head of a file.
    ///
    /// # Errors
    /// 422 `import_columns_missing` when one that is needed is not there, or is there twice.
    pub fn detect(kind: ImportKind, head: &[String]) -> Result<Self> {
        let names = match kind {
            ImportKind::Bags => OF_BAGS,
            ImportKind::Links => OF_LINKS,
        };
        let fields: Vec<Option<ImportField>> = head.iter().map(|name| field_of(names, name)).collect();
        let missing = |detail: String| Err(Error::refused(ErrorCode::ImportColumnsMissing, detail));
        for (field, _) in names {
            let found = fields.iter().filter(|found| **found == Some(*field)).count();
            if found > 1 {
                return missing(format!("More than one column matches {}. Rename the other columns.", field.as_str()));
            }
            if found == 0 && field.is_code() {
                let shown: Vec<&str> = head.iter().map(String::as_str).take(20).collect();
                return missing(format!(
                    "The first row must contain the column names, and none is {}. It has: {}.",
                    field.as_str(),
                    shown.join(", ")
                ));
            }
        }
        Ok(Self(head.iter().zip(fields).map(|(name, field)| Column { name: name.clone(), field }).collect()))
    }

    /// The place of a field in the rows, counted from 0.
    pub fn place(&self, field: ImportField) -> Option<usize> {
        self.0.iter().position(|column| column.field == Some(field))
    }

    /// The columns that have codes.
    pub fn of_codes(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.0.iter().enumerate().filter(|(_, column)| column.field.is_some_and(ImportField::is_code))
    }

    /// The trimmed value of a field in a row; `None` when it is empty or there is no such column.
    pub fn value<'a>(&self, field: ImportField, cells: &'a [String]) -> Option<&'a str> {
        cells.get(self.place(field)?).map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
    }
}

fn field_of(names: &[Names], head: &str) -> Option<ImportField> {
    let words: Vec<String> = head.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    let name = words.join("_");
    names.iter().find(|(_, known)| known.contains(&name.as_str())).map(|(field, _)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(kind: ImportKind, head: &[&str]) -> Result<Vec<Option<ImportField>>> {
        let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
        Columns::detect(kind, &head).map(|columns| columns.0.into_iter().map(|column| column.field).collect())
    }

    #[test]
    fn columns_are_found_in_any_case_and_order() {
        use ImportField::{ChildQrCode, DispatchArea, Kind, Name, ParentQrCode, QrCode};
        let found = detect(ImportKind::Bags, &["Area", "colour", " QR-Code ", "NAME", "type"]).unwrap();
        assert_eq!(found, [Some(DispatchArea), None, Some(QrCode), Some(Name), Some(Kind)]);
        assert_eq!(detect(ImportKind::Links, &["Child", "Parent QR code"]).unwrap(), [Some(ChildQrCode), Some(ParentQrCode)]);
        assert_eq!(detect(ImportKind::Links, &["code", "kind", "parent"]).unwrap(), [Some(ChildQrCode), None, Some(ParentQrCode)]);
    }

    #[test]
    fn needed_columns_must_be_there_once() {
        assert!(detect(ImportKind::Bags, &["name"]).is_err());
        assert!(detect(ImportKind::Bags, &["code", "bag"]).is_err());
        assert!(detect(ImportKind::Links, &["parent"]).is_err());
    }
}
