//! Numbers of bags in the form that people write: 18k, 1.8m.

/// Parses `18000`, `18k` or `1.8m`.
///
/// # Errors
/// A sentence that explains the format.
pub fn parse(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, scale) = match lower.strip_suffix(['k', 'm']) {
        Some(number) => (number, if lower.ends_with('k') { 1e3 } else { 1e6 }),
        None => (lower.as_str(), 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if number * scale >= 1000.0 && number * scale <= 4e9 => Ok((number * scale).round() as u64),
        _ => Err("use a number of at least 1000, e.g. 18000, 18k or 1.8m".into()),
    }
}

/// The number as text.
pub fn shown(bags: u64) -> String {
    match bags {
        1_000_000.. => format!("{} m", bags as f64 / 1e6),
        _ => format!("{} k", bags as f64 / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        assert_eq!((parse("18k"), parse("1.8M"), parse("180000")), (Ok(18_000), Ok(1_800_000), Ok(180_000)));
        assert!(parse("many").is_err() && parse("0.1k").is_err() && parse("-18k").is_err());
        assert_eq!((shown(18_000), shown(1_800_000)), ("18 k".into(), "1.8 m".into()));
    }
}
