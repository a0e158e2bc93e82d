//! The retention of the audit log as a setting.

/// The longest retention that makes sense, in days.
pub const MAX_DAYS: u32 = 36_500;

/// The days of a setting.
///
/// # Errors
/// A sentence that says what it should be.
pub fn parse_days(text: &str) -> Result<u32, String> {
    text.trim()
        .parse()
        .ok()
        .filter(|days| *days <= MAX_DAYS)
        .ok_or_else(|| format!("AUDIT_RETENTION_DAYS must be a number of days from 1 to {MAX_DAYS}; 0 keeps everything"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_0_or_up_to_a_century() {
        for (text, days) in [("0", 0), ("1", 1), (" 30 ", 30), ("36500", MAX_DAYS)] {
            assert_eq!(parse_days(text), Ok(days), "{text}");
        }
        for text in ["", "-1", "36501", "4294967296", "1.5", "a year"] {
            assert!(parse_days(text).is_err_and(|sentence| sentence.contains("from 1 to 36500")), "{text}");
        }
    }
}
