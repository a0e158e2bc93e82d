//! Validation rules for text that people type.

use validator::ValidationError;

/// Rejects control characters: PostgreSQL can't store NUL, and none of them belongs in a name.
///
/// # Errors
/// Returns `control_character`.
pub fn no_control_characters(text: &str) -> Result<(), ValidationError> {
    if text.chars().any(char::is_control) {
        return Err(ValidationError::new("control_character").with_message("Control characters are not allowed here.".into()));
    }
    Ok(())
}

/// Rejects text that contains only white space.
///
/// # Errors
/// Returns `blank`.
pub fn is_filled(text: &str) -> Result<(), ValidationError> {
    if text.trim().is_empty() {
        return Err(ValidationError::new("blank").with_message("This field is required.".into()));
    }
    Ok(())
}

/// A text of a query string as it is looked for: it can contain NUL, but the database can't.
pub fn without_nul(text: Option<&String>) -> Option<String> {
    text.map(|text| text.replace('\0', ""))
}

/// The trimmed search term of a query string, if there is one.
pub fn search_term(text: Option<&String>) -> Option<String> {
    let term = without_nul(text)?.trim().to_owned();
    Some(term).filter(|term| !term.is_empty())
}
