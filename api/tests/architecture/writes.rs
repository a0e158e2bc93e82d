//! Which tables a file writes: in SQL text and through diesel's query builder.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::source::{Source, Token, is_word};

/// Stands for the table of a statement whose table can't be told from the code.
pub const UNKNOWN: &str = "?";

static STATEMENT: LazyLock<Regex> = LazyLock::new(|| {
    let insert = r"(?:INSERT INTO|DELETE FROM|MERGE INTO|TRUNCATE(?: TABLE)?)\s+(?:ONLY\s+)?([a-z_]+|\{)";
    let update = r"UPDATE\s+(?:ONLY\s+)?([a-z_]+|\{\w*\})(?:\s+(?:AS\s+)?[a-z_]+)?\s+SET\b";
    Regex::new(&format!(r"\b(?:{insert}|{update})")).expect("a valid pattern")
});

/// The tables that SQL text inserts into, updates or deletes from.
pub fn tables_of_sql(text: &str) -> BTreeSet<String> {
    let found = STATEMENT.captures_iter(text).filter_map(|captures| captures.get(1).or(captures.get(2)));
    found.map(|table| if table.as_str().starts_with('{') { UNKNOWN } else { table.as_str() }.to_owned()).collect()
}

/// The tables that a file writes.
pub fn tables_of(source: &Source) -> BTreeSet<String> {
    let mut tables: BTreeSet<String> = source.strings().flat_map(|text| tables_of_sql(&text)).collect();
    for (at, words) in source.tokens.windows(5).enumerate() {
        let is_diesel = words[0].text == "diesel" && words[1].text == "::" && words[3].text == "(";
        if is_diesel && matches!(words[2].text.as_str(), "insert_into" | "update" | "delete" | "replace_into") {
            tables.insert(table_at(&source.tokens, at + 4));
        }
    }
    tables
}

/// The table that an expression begins with: `users::table…`, or a variable that holds one.
fn table_at(tokens: &[Token], at: usize) -> String {
    let variable = || {
        let name = &tokens[at].text;
        let is_binding = |words: &[Token]| words[0].text == "let" && words[1].text == *name && words[2].text == "=";
        let binding = (0..at.saturating_sub(2)).rfind(|&start| is_binding(&tokens[start..start + 3]))?;
        Some(table_at(tokens, binding + 3))
    };
    table_of_path(&tokens[at..]).or_else(variable).unwrap_or_else(|| UNKNOWN.to_owned())
}

fn table_of_path(tokens: &[Token]) -> Option<String> {
    let path: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).take_while(|text| *text == "::" || is_word(text)).collect();
    let at = path.iter().position(|segment| *segment == "table")?;
    path.get(at.checked_sub(2)?).map(|&table| table.to_owned())
}
