//! A document as an Excel workbook: a sheet of facts, then one sheet per table.

use chrono::NaiveDateTime;
use rust_xlsxwriter::{Format, FormatAlign, Workbook, Worksheet};

use super::document::{Align, Cell, Document, Table};

/// Maximum length of a sheet name, in characters: Excel's own limit.
const MAX_SHEET_NAME: usize = 31;

/// Writes the workbook. Text is written as text, so Excel never runs it as a formula.
///
/// # Errors
/// Fails if a sheet has more rows than Excel supports.
pub fn write(document: &Document, time_zone: chrono_tz::Tz) -> anyhow::Result<Vec<u8>> {
    let mut workbook = Workbook::new();
    let formats = Formats::new();
    let summary = workbook.add_worksheet().set_name("Summary")?;
    summary.write_string_with_format(0, 0, &document.title, &formats.title)?;
    for (row, (name, value)) in (2_u32..).zip(&document.facts) {
        summary.write_string_with_format(row, 0, name, &formats.head)?;
        write_cell(summary, row, 1, value, &formats, time_zone)?;
    }
    summary.set_column_width(0, 24)?.set_column_width(1, 32)?;
    for table in &document.tables {
        let sheet = workbook.add_worksheet().set_name(table.name.chars().take(MAX_SHEET_NAME).collect::<String>())?;
        write_table(sheet, table, &formats, time_zone)?;
    }
    Ok(workbook.save_to_buffer()?)
}

struct Formats {
    title: Format,
    head: Format,
    number_head: Format,
    time: Format,
    decimal: Format,
}

impl Formats {
    fn new() -> Self {
        let head = Format::new().set_bold();
        Self {
            title: Format::new().set_bold().set_font_size(16),
            number_head: head.clone().set_align(FormatAlign::Right),
            head,
            time: Format::new().set_num_format("yyyy-mm-dd hh:mm"),
            decimal: Format::new().set_num_format("0.###"),
        }
    }
}

fn write_table(sheet: &mut Worksheet, table: &Table, formats: &Formats, time_zone: chrono_tz::Tz) -> anyhow::Result<()> {
    for (column, head) in (0_u16..).zip(&table.columns) {
        let format = if head.align == Align::Right { &formats.number_head } else { &formats.head };
        sheet.write_string_with_format(0, column, &head.name, format)?;
        sheet.set_column_width(column, if head.align == Align::Right { 14 } else { 22 })?;
    }
    sheet.set_freeze_panes(1, 0)?;
    for (row, cells) in (1_u32..).zip(table.rows.iter().chain(&table.totals)) {
        for (column, cell) in (0_u16..).zip(cells) {
            write_cell(sheet, row, column, cell, formats, time_zone)?;
        }
    }
    Ok(())
}

fn write_cell(sheet: &mut Worksheet, row: u32, column: u16, cell: &Cell, formats: &Formats, time_zone: chrono_tz::Tz) -> anyhow::Result<()> {
    match cell {
        Cell::Text(text) => sheet.write_string(row, column, text)?,
        Cell::Integer(number) => sheet.write_number(row, column, *number as f64)?,
        Cell::Decimal(number) => sheet.write_number_with_format(row, column, (number * 1e3).round() / 1e3, &formats.decimal)?,
        Cell::Time(at) => {
            let local: NaiveDateTime = at.with_timezone(&time_zone).naive_local();
            sheet.write_datetime_with_format(row, column, local, &formats.time)?
        }
        Cell::Empty => return Ok(()),
    };
    Ok(())
}
