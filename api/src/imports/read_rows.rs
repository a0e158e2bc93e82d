//! Rows out of a file, one after the other, whatever its form.
//!
//! Blocks its thread; rows are handed over in batches, so memory stays flat.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use tokio::sync::mpsc;

use super::changed_cell::{self, ChangedCell};
use super::model::ImportFormat;
use super::read_workbook;
use crate::error::{Error, ErrorCode, Result};

/// Bytes that a row can have: more means that a quotation mark is missing somewhere.
const MAX_ROW_BYTES: usize = 1024 * 1024;
/// Columns that are read; those further right are left out.
pub const MAX_COLUMNS: usize = 256;
/// Bytes looked through for the delimiter.
const SNIFFED: u64 = 64 * 1024;

/// A row as the file has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawRow {
    /// Line of the text, or row of the sheet, counted from 1.
    pub line: i64,
    pub cells: Vec<String>,
    /// Cells of which a spreadsheet has made something else, whatever their column.
    pub changed: Vec<ChangedCell>,
}

impl RawRow {
    /// Has the row nothing in it? A cell that shows nothing may hold something.
    pub fn is_blank(&self) -> bool {
        self.cells.iter().all(String::is_empty) && self.changed.is_empty()
    }
}

/// The first row of a file.
pub struct Head {
    /// Name of the sheet of a workbook.
    pub sheet: Option<String>,
    pub names: Vec<String>,
    /// There is a row below it.
    pub has_rows: bool,
}

/// Whether to go on.
pub enum Flow {
    On,
    Enough,
}

/// Reads the head, and whether anything is below it.
///
/// # Errors
/// 422 `import_unreadable`.
pub fn read_head(file: File, format: ImportFormat) -> Result<Head> {
    let mut head = Head { sheet: None, names: Vec::new(), has_rows: false };
    let mut rows = 0;
    let sheet = read(file, format, &mut |row| {
        rows += 1;
        if rows == 1 {
            head.names = row.cells;
            return Flow::On;
        }
        head.has_rows = true;
        Flow::Enough
    })?;
    Ok(Head { sheet, ..head })
}

/// Sends the rows below the head in batches of `batch_rows`. Ends early when nobody takes them any more.
///
/// # Errors
/// 422 `import_unreadable`: what was sent before is good.
pub fn send_rows(file: File, format: ImportFormat, batch_rows: usize, batches: &mpsc::Sender<Vec<RawRow>>) -> Result<()> {
    let mut is_head = true;
    let mut batch = Vec::with_capacity(batch_rows);
    read(file, format, &mut |row| {
        if std::mem::take(&mut is_head) {
            return Flow::On;
        }
        batch.push(row);
        if batch.len() < batch_rows {
            return Flow::On;
        }
        match batches.blocking_send(std::mem::take(&mut batch)) {
            Ok(()) => Flow::On,
            Err(_) => Flow::Enough,
        }
    })?;
    if !batch.is_empty() {
        // Nobody there is nobody's fault.
        let _gone = batches.blocking_send(batch);
    }
    Ok(())
}

/// Hands over the rows, and returns the name of the sheet that they are on.
fn read(file: File, format: ImportFormat, take: &mut dyn FnMut(RawRow) -> Flow) -> Result<Option<String>> {
    match format {
        ImportFormat::Csv => read_csv(file, take).map(|()| None),
        ImportFormat::Xlsx => read_workbook::read(file, take).map(Some),
    }
}

/// The refusal of a file that can't be read.
pub fn unreadable(detail: String) -> Error {
    Error::refused(ErrorCode::ImportUnreadable, detail)
}

/// Refuses to read on when no row ends for too long. Ends the last row too, and every row as others do.
struct Bounded {
    file: File,
    since_row: Rc<Cell<usize>>,
    /// Old Macs end lines with CR alone.
    is_mac: bool,
    is_ended: bool,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = self.file.read(buffer)?;
        if read == 0 && !buffer.is_empty() && !std::mem::replace(&mut self.is_ended, true) {
            buffer[0] = b'\n';
            read = 1;
        }
        if self.is_mac {
            buffer[..read].iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
        }
        self.since_row.set(self.since_row.get() + read);
        if self.since_row.get() > MAX_ROW_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "row too long"));
        }
        Ok(read)
    }
}

fn read_csv(mut file: File, take: &mut dyn FnMut(RawRow) -> Flow) -> Result<()> {
    file.seek(SeekFrom::Start(0)).map_err(anyhow::Error::from)?;
    let mut start = Vec::new();
    (&file).take(SNIFFED).read_to_end(&mut start).map_err(anyhow::Error::from)?;
    let mark = if start.starts_with(&[0xEF, 0xBB, 0xBF]) { 3 } else { 0 };
    file.seek(SeekFrom::Start(mark as u64)).map_err(anyhow::Error::from)?;
    let text = &start[mark..];
    let is_mac = text.contains(&b'\r') && !text.contains(&b'\n');
    let since_row = Rc::new(Cell::new(0));
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(text))
        // A CR before it is trimmed away with the blanks.
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(Bounded { file, since_row: since_row.clone(), is_mac, is_ended: false });
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                let why = if error.is_io_error() { "it has no end; a quotation mark may be missing" } else { "it is not valid CSV" };
                return Err(unreadable(format!("The row that begins in line {line} can't be read: {why}.")));
            }
        }
        since_row.set(0);
        // The reader passes over blank lines before a row: its first line is counted from its end.
        let within = record.iter().flat_map(str::bytes).filter(|byte| *byte == b'\n').count() as u64;
        let line = reader.position().line().saturating_sub(within + 1);
        let cells: Vec<String> = record.iter().take(MAX_COLUMNS).map(|cell| cell.trim().to_owned()).collect();
        let row = RawRow { line: i64::try_from(line).unwrap_or(i64::MAX), changed: traces(&cells), cells };
        if row.is_blank() {
            continue;
        }
        if let Flow::Enough = take(row) {
            return Ok(());
        }
    }
}

/// The cells that a spreadsheet has changed before it wrote the text.
fn traces(cells: &[String]) -> Vec<ChangedCell> {
    let changes = cells.iter().enumerate().filter_map(|(column, cell)| Some((column, cell, changed_cell::of_text(cell)?)));
    changes.map(|(column, cell, change)| ChangedCell { column, change, shown: cell.clone(), held: None, address: None }).collect()
}

/// The delimiter that the head has most of, outside quotation marks.
fn delimiter(text: &[u8]) -> u8 {
    let is_blank = |line: &&[u8]| !line.iter().all(u8::is_ascii_whitespace);
    let head = text.split(|byte| matches!(byte, b'\n' | b'\r')).find(is_blank).unwrap_or_default();
    let count = |delimiter: u8| {
        let mut is_quoted = false;
        head.iter()
            .filter(|byte| {
                is_quoted ^= **byte == b'"';
                !is_quoted && **byte == delimiter
            })
            .count()
    };
    // Of equals the last wins: the comma.
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn rows(text: &[u8]) -> Result<Vec<(i64, Vec<String>)>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let mut rows = Vec::new();
        read(file, ImportFormat::Csv, &mut |row| {
            rows.push((row.line, row.cells));
            Flow::On
        })?;
        Ok(rows)
    }

    fn lines(text: &[u8]) -> Vec<(i64, String)> {
        rows(text).unwrap().into_iter().map(|(line, cells)| (line, cells.join("|"))).collect()
    }

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        let wanted = [(1, "code|name".to_owned()), (3, "A|B".to_owned()), (4, "C|d e".to_owned()), (6, "F|".to_owned())];
        assert_eq!(lines(b"code,name\n\nA,B\nC,\"d e\"\n\nF,\n"), wanted);
        assert_eq!(lines(b"\xEF\xBB\xBFcode;name\r\n\r\nA;B\r\nC;\"d e\"\r\n\r\nF;"), wanted);
        assert_eq!(lines(b"code\tname\n\nA\tB\nC\td e\n \t\nF\t"), wanted);
        let quoted = [(1, "code|name".to_owned()), (2, "A|x\ny".to_owned()), (4, "B|z".to_owned())];
        assert_eq!(lines(b"code,name\nA,\"x\ny\"\nB,z"), quoted);
        assert_eq!(lines(b"code\rA\r\rB"), [(1, "code".to_owned()), (2, "A".to_owned()), (4, "B".to_owned())]);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_missing_quotation_mark_does_not_swallow_the_file() {
        let mut text = b"code,name\nA,\"open\n".to_vec();
        text.extend(std::iter::repeat_n(b"B,c\n", 1_000_000).flatten());
        let Error::Refused(refusal) = rows(&text).unwrap_err() else { panic!("a refusal") };
        assert!(refusal.detail.contains("line 2"), "{}", refusal.detail);
    }
}
