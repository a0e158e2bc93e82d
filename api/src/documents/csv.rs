//! A table as CSV (RFC 4180).

use super::document::{Cell, Document};

/// Escapes text that a spreadsheet would run as a formula (OWASP, CSV injection).
pub fn defused(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// Writes the flat table of a document, with a header row.
///
/// # Errors
/// Fails if the writer fails (never in memory).
pub fn write(document: &Document, time_zone: chrono_tz::Tz) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if let Some(table) = document.flat.as_ref().or(document.tables.first()) {
        writer.write_record(table.columns.iter().map(|column| &column.name))?;
        for row in &table.rows {
            writer.write_record(row.iter().map(|cell| field(cell, time_zone)))?;
        }
    }
    Ok(writer.into_inner()?)
}

fn field(cell: &Cell, time_zone: chrono_tz::Tz) -> String {
    match cell {
        Cell::Text(text) => defused(text),
        // For machines: with the UTC offset, so that the time zone is unambiguous.
        Cell::Time(at) => at.with_timezone(&time_zone).to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        Cell::Integer(_) | Cell::Decimal(_) | Cell::Empty => cell.display(time_zone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text() {
        for (text, safe) in
            [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("+9", "'+9"), ("-9", "'-9"), ("\t=1", "'\t=1"), ("SB12345", "SB12345"), ("", "")]
        {
            assert_eq!(defused(text), safe);
        }
    }
}
