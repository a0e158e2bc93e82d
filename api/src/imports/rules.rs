//! What a row must be, decided from the row alone: no I/O.

use std::collections::HashMap;

use super::changed_cell::ChangedCell;
use super::columns::{Column, Columns, ImportField};
use super::read_rows::RawRow;
use crate::bag_formats::kind::BagKind;
use crate::bag_formats::label_fault::LabelFault;
use crate::bag_formats::qr_code::{BagFormat, BagFormats, QrCode};
use crate::error::Error;

/// Longest name of a bag, in characters.
const MAX_NAME: usize = 200;

/// A row that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    pub line: i64,
    pub cells: Vec<String>,
    pub code: String,
    pub reason: String,
}

impl RefusedRow {
    /// Refuses a row.
    pub fn new(row: &RawRow, code: &str, reason: impl Into<String>) -> Self {
        Self { line: row.line, cells: row.cells.clone(), code: code.to_owned(), reason: reason.into() }
    }

    /// Refuses a row for a code that is not the label of a bag.
    pub fn wrong_label(row: &RawRow, fault: LabelFault, code: &QrCode) -> Self {
        Self::new(row, fault.code().as_str(), fault.sentence_in_file(code))
    }

    fn of(row: &RawRow, error: Error) -> Self {
        let refusal = error.into_refusal();
        Self::new(row, refusal.code.as_str(), refusal.detail)
    }
}

/// A bag to create.
#[derive(Debug, Clone)]
pub struct BagRow {
    pub raw: RawRow,
    pub code: QrCode,
    pub format: BagFormat,
    /// The row says of which kind the bag is.
    pub is_kind_given: bool,
    pub name: Option<String>,
    pub area_id: Option<i32>,
}

/// A link to be.
#[derive(Debug, Clone)]
pub struct LinkRow {
    pub raw: RawRow,
    pub parent: QrCode,
    pub child: QrCode,
}

/// What rows are checked against.
pub struct Rules {
    pub columns: Columns,
    pub formats: BagFormats,
    /// Ids of the active areas by code, in lower case.
    pub areas: HashMap<String, i32>,
}

impl Rules {
    /// Checks a row of bags.
    pub fn bag(&self, row: RawRow) -> Result<BagRow, RefusedRow> {
        self.check_unchanged(&row)?;
        let code = self.code(&row, ImportField::QrCode)?;
        let Some(format) = self.formats.of(&code).cloned() else {
            return Err(RefusedRow::new(&row, "invalid_qr_code", format!("No bag format matches the code {code}.")));
        };
        if let Some(fault) = self.formats.fault_of(&code) {
            return Err(RefusedRow::wrong_label(&row, fault, &code));
        }
        let kind = self.columns.value(ImportField::Kind, &row.cells);
        if let Some(kind) = kind {
            match BagKind::from_name(&kind.to_lowercase()) {
                None => return Err(RefusedRow::new(&row, "kind_mismatch", "The kind of a bag is parent or child.")),
                Some(kind) if kind != format.kind => {
                    let reason = format!("{code} is the code of a {} bag ({}), not of a {kind} bag.", format.kind, format.name);
                    return Err(RefusedRow::new(&row, "kind_mismatch", reason));
                }
                Some(_) => {}
            }
        }
        let name = self.columns.value(ImportField::Name, &row.cells);
        if let Some(name) = name
            && (name.chars().count() > MAX_NAME || name.chars().any(char::is_control))
        {
            return Err(RefusedRow::new(&row, "invalid_name", "A name can have up to 200 characters, without control characters."));
        }
        let area_id = match self.columns.value(ImportField::DispatchArea, &row.cells) {
            None => None,
            Some(area) => match self.areas.get(&area.to_lowercase()) {
                Some(id) => Some(*id),
                None => return Err(RefusedRow::new(&row, "unknown_dispatch_area", format!("There is no active dispatch area {area}."))),
            },
        };
        let (name, is_kind_given) = (name.map(str::to_owned), kind.is_some());
        Ok(BagRow { code, format, is_kind_given, name, area_id, raw: row })
    }

    /// Checks a row of links, as far as that goes without the bags.
    pub fn link(&self, row: RawRow) -> Result<LinkRow, RefusedRow> {
        self.check_unchanged(&row)?;
        let parent = self.code(&row, ImportField::ParentQrCode)?;
        let child = self.code(&row, ImportField::ChildQrCode)?;
        Ok(LinkRow { parent, child, raw: row })
    }

    /// Refuses a row with a code of which a spreadsheet has made something else.
    fn check_unchanged(&self, row: &RawRow) -> Result<(), RefusedRow> {
        let in_codes = |(place, column)| row.changed.iter().find(|cell| cell.column == place).map(|cell| (cell, column));
        let changed: Vec<(&ChangedCell, &Column)> = self.columns.of_codes().filter_map(in_codes).collect();
        let Some((first, column)) = changed.first() else { return Ok(()) };
        let mut refused = RefusedRow::new(row, "cell_changed", first.sentence(row.line, &column.name));
        for (cell, _) in changed.iter().filter(|(cell, _)| cell.is_lost()) {
            refused.cells[cell.column].clear();
        }
        Err(refused)
    }

    fn code(&self, row: &RawRow, field: ImportField) -> Result<QrCode, RefusedRow> {
        let value = self.columns.value(field, &row.cells);
        let value = value.ok_or_else(|| RefusedRow::new(row, "missing_value", "The row lacks a required code."))?;
        QrCode::parse(value).map_err(|error| RefusedRow::of(row, error))
    }
}
