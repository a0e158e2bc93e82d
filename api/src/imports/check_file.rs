//! Is a file what it says, and can it be read at all? Everything that can be told before the work begins.
//!
//! Blocks its thread: files are large.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use zip::ZipArchive;

use super::columns::Columns;
use super::model::{ImportFormat, ImportKind};
use super::read_rows;
use crate::error::{Error, ErrorCode, Result};

/// Every ZIP archive with something in it begins so, and so every workbook.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// Old Excel files, and new ones with a password.
const OLE_MAGIC: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0];
/// Bytes that a workbook may have when it is unpacked.
const MAX_UNPACKED: u64 = 2 * 1024 * 1024 * 1024;
/// Bytes of the table of texts in a workbook, which is held in memory.
const MAX_SHARED_STRINGS: u64 = 128 * 1024 * 1024;
/// Bytes of any other part that is held in memory: styles, and what says where the sheets are.
const MAX_HELD: u64 = 16 * 1024 * 1024;
/// Tables of cells shrink to a tenth or a thirtieth; nothing honest shrinks more than this.
const MAX_RATIO: u64 = 250;
/// Parts smaller than this may have any ratio, in bytes.
const SMALL: u64 = 1024 * 1024;
/// Bytes read at once.
const BLOCK: usize = 1024 * 1024;

/// What the sender says the file is.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    pub file_name: String,
    pub content_type: Option<String>,
}

impl Claim {
    fn format(&self) -> Option<ImportFormat> {
        let ending = self.file_name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let by_type = match self.content_type.as_deref() {
            Some("text/csv" | "text/tab-separated-values") => Some(ImportFormat::Csv),
            Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet") => Some(ImportFormat::Xlsx),
            // Browsers call a CSV file application/vnd.ms-excel where Excel is installed: no claim at all.
            _ => None,
        };
        let by_name = match ending.as_deref() {
            Some("csv" | "tsv" | "txt") => Some(ImportFormat::Csv),
            Some("xlsx" | "xlsm") => Some(ImportFormat::Xlsx),
            _ => None,
        };
        by_type.or(by_name)
    }

    fn is_contradicted_by(&self, format: ImportFormat) -> bool {
        let ending_says = Self { content_type: None, ..self.clone() }.format();
        let type_says = Self { file_name: String::new(), ..self.clone() }.format();
        [ending_says, type_says].into_iter().flatten().any(|says| says != format)
    }
}

/// What a file was found to be.
pub struct Checked {
    pub format: ImportFormat,
    /// Name of the sheet that is read of a workbook.
    pub sheet: Option<String>,
    pub columns: Columns,
}

/// Looks through a whole file.
///
/// # Errors
/// 422 `import_file_empty`, `import_file_mismatch`, `import_not_text`, `import_not_utf8`, `import_zip_bomb`,
/// `import_unreadable` or `import_columns_missing`.
pub fn check(mut file: &File, claim: &Claim, kind: ImportKind) -> Result<Checked> {
    let mut head = [0; 4];
    let length = read_up_to(&mut file, &mut head).map_err(anyhow::Error::from)?;
    let head = &head[..length];
    if head.is_empty() {
        return Err(empty());
    }
    let mismatch = |detail: &str| Err(Error::refused(ErrorCode::ImportFileMismatch, detail));
    if head == OLE_MAGIC {
        return mismatch("This is an old Excel file, or one with a password. Save it as .xlsx without a password, or as CSV.");
    }
    let format = if head == ZIP_MAGIC { ImportFormat::Xlsx } else { ImportFormat::Csv };
    if claim.is_contradicted_by(format) {
        return match format {
            ImportFormat::Xlsx => {
                mismatch("The file should be text, but it is a ZIP archive. If it is an Excel workbook, its name must end in .xlsx.")
            }
            ImportFormat::Csv => mismatch("The file is not an Excel workbook. Save it again as .xlsx, or as CSV."),
        };
    }
    match format {
        ImportFormat::Csv => check_text(file)?,
        ImportFormat::Xlsx => check_archive(file)?,
    }
    let copy = file.try_clone().map_err(anyhow::Error::from)?;
    let head = read_rows::read_head(copy, format)?;
    if !head.has_rows {
        return Err(if head.names.is_empty() {
            empty()
        } else {
            Error::refused(ErrorCode::ImportFileEmpty, "The file has a header row, but no data rows.")
        });
    }
    Ok(Checked { format, sheet: head.sheet, columns: Columns::detect(kind, &head.names)? })
}

fn empty() -> Error {
    Error::refused(ErrorCode::ImportFileEmpty, "The file is empty.")
}

fn read_up_to(file: &mut &File, buffer: &mut [u8]) -> io::Result<usize> {
    file.seek(SeekFrom::Start(0))?;
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// UTF-8, and nothing in it that no text has.
fn check_text(mut file: &File) -> Result<()> {
    file.seek(SeekFrom::Start(0)).map_err(anyhow::Error::from)?;
    let mut block = vec![0; BLOCK];
    let mut carried = 0;
    let mut line = 1;
    let not_utf8 =
        |line: usize| Err(Error::refused(ErrorCode::ImportNotUtf8, format!("The text is not UTF-8 (line {line}). Save the file as \"CSV UTF-8\".")));
    loop {
        let read = file.read(&mut block[carried..]).map_err(anyhow::Error::from)?;
        let length = carried + read;
        let bytes = &block[..length];
        if line == 1 && (bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF])) {
            return not_utf8(1);
        }
        if bytes.iter().any(|byte| matches!(byte, 0..=8 | 11..=12 | 14..=26 | 28..=31)) {
            return Err(Error::refused(ErrorCode::ImportNotText, "This is not a text file. Send CSV, or an Excel workbook (.xlsx)."));
        }
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        let valid = match std::str::from_utf8(bytes) {
            Ok(_) => length,
            // A character may be cut in two by the end of the block, but not by that of the file.
            Err(error) if error.error_len().is_none() && read > 0 => error.valid_up_to(),
            Err(error) => return not_utf8(line + lines(&bytes[..error.valid_up_to()])),
        };
        line += lines(&bytes[..valid]);
        if read == 0 {
            return Ok(());
        }
        block.copy_within(valid..length, 0);
        carried = length - valid;
    }
}

/// Bytes that a part of a workbook may have.
fn most_bytes(name: &str) -> u64 {
    match name.to_ascii_lowercase().as_str() {
        "xl/sharedstrings.xml" => MAX_SHARED_STRINGS,
        "xl/styles.xml" | "xl/workbook.xml" | "xl/theme/theme1.xml" | "[content_types].xml" => MAX_HELD,
        name if name.ends_with(".rels") => MAX_HELD,
        _ => MAX_UNPACKED,
    }
}

/// A workbook that unpacks to a size that its archive tells, and that can be borne.
fn check_archive(file: &File) -> Result<()> {
    let unreadable = |_| Error::refused(ErrorCode::ImportUnreadable, "The workbook is damaged: its archive can't be read. Save it again.");
    let bomb = || Error::refused(ErrorCode::ImportZipBomb, "The unpacked workbook is much larger than expected. Save the sheet as CSV.");
    let mut archive = ZipArchive::new(file).map_err(unreadable)?;
    let mut total: u64 = 0;
    let mut has_workbook = false;
    for index in 0..archive.len() {
        let part = archive.by_index_raw(index).map_err(unreadable)?;
        let (size, packed) = (part.size(), part.compressed_size());
        total = total.saturating_add(size);
        let name = part.name().map_err(unreadable)?;
        has_workbook |= name.eq_ignore_ascii_case("xl/workbook.xml");
        if total > MAX_UNPACKED || size > most_bytes(&name) || (size > SMALL && size / packed.max(1) > MAX_RATIO) {
            return Err(bomb());
        }
    }
    if !has_workbook {
        return Err(Error::refused(ErrorCode::ImportFileMismatch, "This ZIP archive is not an Excel workbook. Send CSV, or a workbook (.xlsx)."));
    }
    // The directory may lie: what comes out counts.
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(unreadable)?;
        let size = part.size();
        let unpacked = io::copy(&mut part.take(size + 1), &mut io::sink());
        match unpacked {
            Ok(unpacked) if unpacked > size => return Err(bomb()),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "a part of a workbook can't be unpacked");
                return Err(Error::refused(ErrorCode::ImportUnreadable, "The workbook is damaged: a part of it can't be unpacked. Save it again."));
            }
        }
    }
    Ok(())
}
