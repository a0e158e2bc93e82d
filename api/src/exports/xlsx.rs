//! An export as an Excel workbook, written row by row to a temporary file.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use tokio::sync::mpsc;

use super::format::Cell;
use super::rows::Row;
use crate::documents::csv::defused;

/// Maximum number of rows of a sheet without its header row: Excel's own limit.
pub const MAX_ROWS: i64 = 1_048_575;
/// Maximum number of characters of a cell: Excel's own limit.
const MAX_CELL_CHARS: usize = 32_767;

/// Input of the writing thread.
pub enum Part<R> {
    Rows(Vec<R>),
    /// The last part. If it is missing, the client has disconnected and the file is not finished.
    End,
}

/// Writes the received rows, and blocks its thread until the last one. Returns `None` if the
/// channel closed without [`Part::End`].
///
/// The file has no name, so the operating system deletes it at the latest when the process ends.
///
/// # Errors
/// Fails if the temporary folder is full, or if there are more rows than Excel supports.
pub fn write<R: Row>(mut parts: mpsc::Receiver<Part<R>>) -> anyhow::Result<Option<File>> {
    let mut workbook = Workbook::new();
    let head = Format::new().set_bold();
    let time = Format::new().set_num_format("yyyy-mm-dd\"T\"hh:mm:ss\"Z\"");
    let sheet = workbook.add_worksheet_with_constant_memory()?;
    sheet.set_freeze_panes(1, 0)?;
    for (column, name) in (0_u16..).zip(R::COLUMNS) {
        sheet.set_column_width(column, 20)?;
        sheet.write_string_with_format(0, column, *name, &head)?;
    }
    let mut line = 0;
    loop {
        let rows = match parts.blocking_recv() {
            Some(Part::Rows(rows)) => rows,
            Some(Part::End) => break,
            None => return Ok(None),
        };
        for row in &rows {
            line += 1;
            for (column, cell) in (0_u16..).zip(row.cells()) {
                match cell {
                    Cell::Empty => continue,
                    Cell::Text(text) => sheet.write_string(line, column, truncated(defused(&text)))?,
                    Cell::Integer(number) => sheet.write_number(line, column, number as f64)?,
                    Cell::Decimal(number) => sheet.write_number(line, column, number)?,
                    Cell::Truth(value) => sheet.write_boolean(line, column, value)?,
                    Cell::Time(at) => sheet.write_datetime_with_format(line, column, ExcelDateTime::from_timestamp(at.timestamp())?, &time)?,
                };
            }
        }
    }
    let mut file = tempfile::tempfile()?;
    workbook.save_to_writer(&mut file)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Some(file))
}

fn truncated(text: String) -> String {
    // Almost all texts are short, and counting bytes is faster than counting characters.
    if text.len() <= MAX_CELL_CHARS || text.chars().count() <= MAX_CELL_CHARS {
        return text;
    }
    text.chars().take(MAX_CELL_CHARS - 1).chain(['…']).collect()
}
