//! A report before formatting: facts and tables from which CSV, XLSX and PDF files are written.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

/// Format of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Json,
    Csv,
    Xlsx,
    Pdf,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Text(String),
    Integer(i64),
    /// Shown with up to three decimals.
    Decimal(f64),
    /// Shown in the warehouse's time zone.
    Time(DateTime<Utc>),
    Empty,
}

impl Cell {
    /// The text, or an empty cell.
    pub fn maybe(text: Option<&str>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.to_owned()))
    }

    /// The value as shown to people.
    pub fn display(&self, time_zone: chrono_tz::Tz) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Decimal(number) => decimal(*number),
            Self::Time(at) => at.with_timezone(&time_zone).format("%Y-%m-%d %H:%M").to_string(),
            Self::Empty => String::new(),
        }
    }
}

/// Up to three decimals: weights are stored in grams at most.
pub fn decimal(number: f64) -> String {
    let text = format!("{number:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Horizontal alignment of the values in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Header of a column.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub align: Align,
}

impl Column {
    /// A column with this header.
    pub fn new(name: &str, align: Align) -> Self {
        Self { name: name.to_owned(), align }
    }
}

/// Rows under column headers. Each row has one cell per column.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    pub totals: Option<Vec<Cell>>,
}

/// A report.
#[derive(Debug, Clone)]
pub struct Document {
    pub title: String,
    /// Without the file extension.
    pub file_name: String,
    /// Content of the QR code beside the title.
    pub qr_code: Option<String>,
    pub facts: Vec<(String, Cell)>,
    pub tables: Vec<Table>,
    /// The table for CSV, which can hold only one table. If absent, the first table is used.
    pub flat: Option<Table>,
    /// Whether the document ends with signature lines.
    pub has_signatures: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_no_dust() {
        for (number, text) in [(30.0, "30"), (0.1 + 0.2, "0.3"), (-1.5, "-1.5"), (0.0005, "0.001"), (-0.0, "0"), (1234.567, "1234.567")] {
            assert_eq!(decimal(number), text);
        }
    }

    #[test]
    fn times_are_the_warehouses() {
        let at = "2026-11-23T20:00:00Z".parse().unwrap();
        assert_eq!(Cell::Time(at).display(chrono_tz::Asia::Kolkata), "2026-11-24 01:30");
    }
}
