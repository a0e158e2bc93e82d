//! Rows out of an Excel workbook: of its first worksheet that is visible.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::rc::Rc;

use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Style, Xlsx, XlsxError};
use zip::{ZipArchive, ZipWriter};

use super::changed_cell::{self, Change, ChangedCell};
use super::number_format::NumberFormat;
use super::read_rows::{Flow, MAX_COLUMNS, RawRow, unreadable};
use crate::error::{Error, Result};

/// Longest name of a sheet, in characters. Excel takes 31.
const MAX_SHEET_NAME: usize = 255;
/// Bytes of the part that says where the sheets are.
const MAX_RELATIONSHIPS: u64 = 4 * 1024 * 1024;

type Workbook = Xlsx<BufReader<File>>;

/// Hands over the rows of the first visible worksheet, and returns its name.
///
/// # Errors
/// 422 `import_unreadable`.
pub fn read(file: File, take: &mut dyn FnMut(RawRow) -> Flow) -> Result<String> {
    let mut workbook = open(file)?;
    let sheet = first_visible(&workbook)?;
    let is_1904 = workbook.has_1904_epoch();
    let mut reader = workbook.worksheet_cells_reader(&sheet).map_err(damaged)?;
    let cells = Cells::new(reader.styles(), is_1904);
    let mut row = RawRow::default();
    while let Some((cell, style)) = reader.next_cell_with_style_id().map_err(damaged)? {
        let (line, column) = cell.get_position();
        if i64::from(line) + 1 != row.line {
            let done = std::mem::replace(&mut row, RawRow { line: i64::from(line) + 1, ..RawRow::default() });
            if !done.is_blank()
                && let Flow::Enough = take(done)
            {
                return Ok(shown_name(&sheet));
            }
        }
        if (column as usize) < MAX_COLUMNS {
            cells.put(&mut row, (line, column), cell.get_value(), style);
        }
    }
    if !row.is_blank() {
        take(row);
    }
    Ok(shown_name(&sheet))
}

fn damaged(error: XlsxError) -> Error {
    unreadable(format!("The workbook can't be read: {error}. Save it again, or save the sheet as CSV."))
}

fn shown_name(sheet: &str) -> String {
    sheet.chars().filter(|c| !c.is_control()).take(MAX_SHEET_NAME).collect()
}

fn first_visible(workbook: &Workbook) -> Result<String> {
    let mut sheets = workbook.sheets_metadata().iter();
    let found = sheets.find(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
    let none = || unreadable("The workbook has no visible worksheet. Unhide the sheet with the codes and save the workbook again.".into());
    found.map(|sheet| sheet.name.clone()).ok_or_else(none)
}

fn open(file: File) -> Result<Workbook> {
    let copy = file.try_clone().map_err(anyhow::Error::from)?;
    match Xlsx::new(BufReader::new(file)) {
        // calamine knows no macro sheets, and reads nothing of a workbook that has one.
        Err(XlsxError::Unrecognized { typ: "sheet:type", .. }) => Xlsx::new(BufReader::new(without_macro_sheets(copy)?)).map_err(damaged),
        opened => opened.map_err(damaged),
    }
}

/// A copy of a workbook whose macro sheets are dialogs, which are passed over as well.
fn without_macro_sheets(file: File) -> Result<File> {
    let broken = |error: zip::result::ZipError| unreadable(format!("The workbook can't be read: {error}. Save it again, or save the sheet as CSV."));
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    let mut copy = ZipWriter::new(tempfile::tempfile().map_err(anyhow::Error::from)?);
    for index in 0..archive.len() {
        let part = archive.by_index_raw(index).map_err(broken)?;
        let name = part.name().map_err(broken)?.into_owned();
        if !name.to_ascii_lowercase().ends_with("_rels/workbook.xml.rels") {
            copy.raw_copy_file(part).map_err(broken)?;
            continue;
        }
        drop(part);
        let mut text = String::new();
        let part = archive.by_index(index).map_err(broken)?;
        part.take(MAX_RELATIONSHIPS).read_to_string(&mut text).map_err(|error| broken(error.into()))?;
        let text = text.replace("/xlMacrosheet", "/dialogsheet").replace("/xlIntlMacrosheet", "/dialogsheet");
        copy.start_file(name, zip::write::SimpleFileOptions::default()).map_err(broken)?;
        copy.write_all(text.as_bytes()).map_err(anyhow::Error::from)?;
    }
    let mut file = copy.finish().map_err(broken)?;
    file.rewind().map_err(anyhow::Error::from)?;
    Ok(file)
}

/// The number format of a style. Some built-in formats depend on the language of the program: those get one that shows
/// the same kind of thing.
fn code_of(style: &Style) -> &str {
    let Some(format) = &style.number_format else { return "General" };
    let is_known = format.format_code != "General";
    match format.format_id {
        Some(14) if format.format_code == "mm-dd-yy" => "yyyy-mm-dd",
        Some(22) if format.format_code == "m/d/yy h:mm" => "yyyy-mm-dd hh:mm",
        Some(5 | 6) if !is_known => "$#,##0",
        Some(7 | 8) if !is_known => "$#,##0.00",
        Some(27..=36 | 50..=58 | 71..=74 | 78..=81) if !is_known => "yyyy-mm-dd",
        Some(60) if !is_known => "0.00",
        Some(61) if !is_known => "#,##0",
        Some(62) if !is_known => "#,##0.00",
        Some(67) if !is_known => "0%",
        Some(68) if !is_known => "0.00%",
        Some(69 | 70) if !is_known => "# ??/??",
        Some(75..=77) if !is_known => "[h]:mm:ss",
        _ => &format.format_code,
    }
}

/// What cells are read with.
struct Cells {
    /// By style. Thousands of styles share a few formats.
    formats: Vec<Rc<NumberFormat>>,
    general: Rc<NumberFormat>,
    is_1904: bool,
}

impl Cells {
    fn new(styles: &[Style], is_1904: bool) -> Self {
        let mut parsed: HashMap<&str, Rc<NumberFormat>> = HashMap::new();
        let mut parse = |code| parsed.entry(code).or_insert_with(|| Rc::new(NumberFormat::parse(code))).clone();
        let general = parse("General");
        Self { formats: styles.iter().map(|style| parse(code_of(style))).collect(), general, is_1904 }
    }

    fn put(&self, row: &mut RawRow, (line, column): (u32, u32), value: &DataRef<'_>, style: usize) {
        let place = column as usize;
        if row.cells.len() <= place {
            row.cells.resize(place + 1, String::new());
        }
        let (text, change) = self.text_of(value, style);
        // PostgreSQL takes no NUL.
        let text = text.replace('\0', "").trim().to_owned();
        if let Some(change) = change {
            let held = number_of(value).map(|number| number.to_string());
            let address = Some(changed_cell::address(line, column));
            row.changed.push(ChangedCell { column: place, change, shown: text.clone(), held, address });
        }
        row.cells[place] = text;
    }

    fn text_of(&self, value: &DataRef<'_>, style: usize) -> (String, Option<Change>) {
        if let Some(number) = number_of(value) {
            let format = self.formats.get(style).unwrap_or(&self.general);
            return changed_cell::of_number(number, format, self.is_1904);
        }
        match value {
            DataRef::String(text) => (text.clone(), None),
            DataRef::SharedString(text) => ((*text).to_owned(), None),
            DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => (text.clone(), Some(Change::Date)),
            DataRef::Bool(value) => (value.to_string().to_uppercase(), Some(Change::Boolean)),
            DataRef::Error(error) => (error.to_string(), Some(Change::Error)),
            _ => (String::new(), None),
        }
    }
}

fn number_of(value: &DataRef<'_>) -> Option<f64> {
    match value {
        DataRef::Int(number) => Some(*number as f64),
        DataRef::Float(number) => Some(*number),
        DataRef::DateTime(time) => Some(ExcelDateTime::as_f64(time)),
        _ => None,
    }
}
