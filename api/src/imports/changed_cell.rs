//! Cells of which a spreadsheet has made something else than what was typed.
//!
//! A spreadsheet makes a date of `MAR-1`, a truth value of `TRUE`, 100000 of `1E5`, 123 of `00123`, and zeros of the
//! last digits of a long number. In a column of codes that is another bag, so such cells are refused there.

use super::number_format::NumberFormat;
use super::number_text::FIRST_INEXACT;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const ERRORS: [&str; 7] = ["#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!"];
const REMEDY: &str = "Format the column as text and type the code again.";

/// What a spreadsheet has made of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Date,
    Boolean,
    /// More digits than a spreadsheet keeps.
    LongNumber,
    Scientific,
    Error,
    /// A number that its format shows otherwise.
    Format,
}

/// A cell that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedCell {
    /// Counted from 0.
    pub column: usize,
    pub change: Change,
    /// What the cell shows.
    pub shown: String,
    /// In a workbook the number that the cell holds.
    pub held: Option<String>,
    /// In a workbook the address of the cell, as `B7`.
    pub address: Option<String>,
}

impl ChangedCell {
    /// Is what was typed lost? Then the cell is left empty in the file of refused rows: what it shows would be
    /// another code when that file is handed in.
    pub const fn is_lost(&self) -> bool {
        !matches!(self.change, Change::Format)
    }

    /// What to tell the person who handed in the file; `line` and the name of the `column` say where text is.
    pub fn sentence(&self, line: i64, column: &str) -> String {
        let shown = if self.shown.is_empty() { "nothing".to_owned() } else { format!("\"{}\"", self.shown) };
        let Some(address) = &self.address else {
            return format!(
                "Line {line}, column \"{column}\": {shown} is not what was typed, a spreadsheet has changed it. {REMEDY} \
                 If this is the code, send the file as .xlsx with the column formatted as text."
            );
        };
        let held = match (self.change, &self.held) {
            (Change::Date, _) => "a date".to_owned(),
            (Change::Boolean, _) => "true or false".to_owned(),
            (Change::LongNumber, _) => "a number of more than 15 digits, the last of which are lost".to_owned(),
            (Change::Error, _) | (_, None) => "an error".to_owned(),
            (_, Some(number)) => format!("the number {number}"),
        };
        format!("Cell {address} shows {shown} and holds {held}: the spreadsheet has changed the code. {REMEDY}")
    }
}

/// The text of a number in a workbook, and what is wrong with it as a code.
pub fn of_number(value: f64, format: &NumberFormat, is_1904: bool) -> (String, Option<Change>) {
    let held = value.to_string();
    let shown = format.show(value, is_1904);
    let change = if shown.is_date {
        Change::Date
    } else if value.abs() >= FIRST_INEXACT {
        Change::LongNumber
    } else if shown.text == held {
        return (held, None);
    } else if shown.is_scientific {
        Change::Scientific
    } else {
        Change::Format
    };
    (shown.text, Some(change))
}

/// What a spreadsheet leaves behind when it writes a changed cell as text. Only what no code looks like: `1E5`,
/// `1-MAR` and `2026-03-01` may be codes, `1E+05` and `1-Mar` are not.
pub fn of_text(text: &str) -> Option<Change> {
    if text.len() > 32 || text.is_empty() {
        return None;
    }
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return Some(Change::Boolean);
    }
    if ERRORS.contains(&text) {
        return Some(Change::Error);
    }
    if is_scientific(text) {
        return Some(Change::Scientific);
    }
    if is_formatted_number(text) {
        return Some(Change::Format);
    }
    is_date(text).then_some(Change::Date)
}

/// `1,234`, `100.00`, `12%`, `1,23`: digits, and what a format puts between and behind them.
fn is_formatted_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.contains(['.', ',', '%'])
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'%'))
}

/// `1.23E+15`, `1E+05`, `1,5E-05`, but not `1E5` or `1E-5`.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.trim_start_matches(['+', '-']).split_once(['E', 'e']) else { return false };
    let (sign, power) = exponent.split_at_checked(1).unwrap_or_default();
    let (whole, decimals) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    let is_number = [whole, decimals, power].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    is_number && (sign == "+" || sign == "-" && whole != mantissa)
}

/// `1-Mar`, `01-Mar-26`, `1-Mar-2026`, `Mar-26`: months as spreadsheets write them, and people write no codes.
fn is_date(text: &str) -> bool {
    if !text.contains('-') || !text.contains(|c: char| c.is_ascii_lowercase()) {
        return false;
    }
    let is_number = |part: &str, lengths: &[usize]| lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split('-').collect::<Vec<_>>().as_slice() {
        [month, year] if MONTHS.contains(month) => is_number(year, &[2, 4]),
        [day, month] => is_number(day, &[1, 2]) && MONTHS.contains(month),
        [day, month, year] => is_number(day, &[1, 2]) && MONTHS.contains(month) && is_number(year, &[2, 4]),
        _ => false,
    }
}

/// The address of a cell as spreadsheets write it; row and column are counted from 0.
pub fn address(row: u32, column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = u64::from(column) + 1;
    while rest > 0 {
        letters.push(char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    format!("{}{}", letters.into_iter().rev().collect::<String>(), u64::from(row) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_spreadsheets() {
        let wanted = [(0, "A1"), (25, "Z1"), (26, "AA1"), (51, "AZ1"), (52, "BA1"), (701, "ZZ1"), (702, "AAA1"), (16_383, "XFD1")];
        for (column, wanted) in wanted {
            assert_eq!(address(0, column), wanted);
        }
        assert_eq!(address(1_048_575, 1), "B1048576");
    }
}
