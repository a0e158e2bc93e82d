//! What a spreadsheet shows of a number: number formats of Open XML (ECMA-376 part 1, 18.8.31), in English.
//!
//! A code in a spreadsheet is what a person reads in the cell. Where that is not the number the cell holds, the
//! number is not the code.

use std::iter::Peekable;
use std::str::Chars;

use super::number_text::{Decimal, date_part, fraction, general, is_month, scientific_parts};

/// A part of a number format.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Text(String),
    /// The number as it would be without a format.
    General,
    /// A place for a digit: `0`, `#` or `?`.
    Digit(char),
    Point,
    Comma,
    Percent,
    Exponent {
        has_plus: bool,
    },
    Slash,
    /// A part of a date or time, and how often its letter is there.
    Date(char, usize),
    /// Hours, minutes or seconds in all.
    Elapsed(char),
    /// `AM/PM`
    HalfDay,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Section {
    tokens: Vec<Token>,
    /// Comparison and limit, as in `[>=100]`.
    condition: Option<(String, f64)>,
}

/// A parsed number format.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberFormat {
    sections: Vec<Section>,
}

/// What a cell shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Without blanks around it.
    pub text: String,
    pub is_date: bool,
    pub is_scientific: bool,
}

impl NumberFormat {
    /// Parses a format. There is no wrong one: what is unknown in it is text.
    pub fn parse(code: &str) -> Self {
        let mut sections = vec![Section::default()];
        let mut chars = code.chars().peekable();
        while chars.peek().is_some() {
            if chars.next_if_eq(&';').is_some() {
                sections.push(Section::default());
            } else if let Some(section) = sections.last_mut() {
                section.read_token(&mut chars);
            }
        }
        if code.trim().is_empty() {
            sections = vec![Section { tokens: vec![Token::General], condition: None }];
        }
        Self { sections }
    }

    /// Shows a number. With `is_1904` days are counted from 1 January 1904.
    pub fn show(&self, value: f64, is_1904: bool) -> Shown {
        let (section, is_sign_shown) = self.section_of(value);
        let tokens = &section.tokens;
        let is_date = tokens.iter().any(|token| matches!(token, Token::Date(..) | Token::Elapsed(_)));
        let is_scientific = tokens.iter().any(|token| matches!(token, Token::Exponent { .. }));
        let text = if is_date {
            show_date(tokens, value, is_1904)
        } else {
            let sign = if is_sign_shown && value < 0.0 { "-" } else { "" };
            format!("{sign}{}", show_number(tokens, value.abs()))
        };
        Shown { text: text.trim().to_owned(), is_date, is_scientific: is_scientific && !is_date }
    }

    /// The section for a value, and whether a minus sign is added to it.
    fn section_of(&self, value: f64) -> (&Section, bool) {
        let numeric = &self.sections[..self.sections.len().min(3)];
        let last = numeric.len() - 1;
        if numeric.iter().any(|section| section.condition.is_some()) {
            let found = numeric.iter().position(|section| section.condition.as_ref().is_some_and(|condition| holds(condition, value)));
            return (&numeric[found.unwrap_or(last)], true);
        }
        match last {
            0 => (&numeric[0], true),
            _ if value < 0.0 => (&numeric[1], false),
            2 if value == 0.0 => (&numeric[2], false),
            _ => (&numeric[0], false),
        }
    }
}

fn holds((comparison, limit): &(String, f64), value: f64) -> bool {
    match comparison.as_str() {
        "<" => value < *limit,
        "<=" => value <= *limit,
        ">" => value > *limit,
        ">=" => value >= *limit,
        "<>" => value != *limit,
        _ => value == *limit,
    }
}

impl Section {
    fn text(&mut self, text: impl Into<String>) {
        self.tokens.push(Token::Text(text.into()));
    }

    fn read_token(&mut self, chars: &mut Peekable<Chars<'_>>) {
        if let Some(token) = word(chars) {
            return self.tokens.push(token);
        }
        let Some(next) = chars.next() else { return };
        match next {
            '"' => {
                let quoted: String = chars.by_ref().take_while(|c| *c != '"').collect();
                self.text(quoted);
            }
            '\\' => self.text(chars.next().map(String::from).unwrap_or_default()),
            // As wide as the next character.
            '_' => {
                chars.next();
                self.text(" ");
            }
            // Filled with the next character.
            '*' => drop(chars.next()),
            '[' => {
                let inside: String = chars.by_ref().take_while(|c| *c != ']').collect();
                self.read_brackets(&inside);
            }
            '0' | '#' | '?' => self.tokens.push(Token::Digit(next)),
            '.' => self.tokens.push(Token::Point),
            ',' => self.tokens.push(Token::Comma),
            '%' => self.tokens.push(Token::Percent),
            '/' => self.tokens.push(Token::Slash),
            '@' => self.tokens.push(Token::General),
            // The era of Japanese dates.
            'g' | 'G' => {}
            _ => match next.to_ascii_lowercase() {
                letter @ ('y' | 'm' | 'd' | 'h' | 's' | 'e' | 'b') => {
                    let more = std::iter::from_fn(|| chars.next_if(|c| c.eq_ignore_ascii_case(&letter))).count();
                    // Years of other calendars are shown as ours.
                    self.tokens.push(if matches!(letter, 'e' | 'b') { Token::Date('y', 4) } else { Token::Date(letter, more + 1) });
                }
                _ => self.text(next),
            },
        }
    }

    /// A colour, a condition, a currency, or a time that is not cut off at a day.
    fn read_brackets(&mut self, inside: &str) {
        let lower = inside.to_ascii_lowercase();
        if let Some(currency) = inside.strip_prefix('$') {
            self.text(currency.split('-').next().unwrap_or_default());
        } else if let Some(unit) = lower.chars().next().filter(|first| "hms".contains(*first) && lower.chars().all(|c| c == *first)) {
            self.tokens.push(Token::Elapsed(unit));
        } else if inside.starts_with(['<', '>', '=']) {
            let limit = inside.trim_start_matches(['<', '>', '=']);
            let comparison = &inside[..inside.len() - limit.len()];
            self.condition = limit.trim().parse().ok().map(|limit| (comparison.to_owned(), limit));
        }
    }
}

/// A token of several letters.
fn word(chars: &mut Peekable<Chars<'_>>) -> Option<Token> {
    let words = [
        ("General", Token::General),
        ("AM/PM", Token::HalfDay),
        ("A/P", Token::HalfDay),
        ("E+", Token::Exponent { has_plus: true }),
        ("E-", Token::Exponent { has_plus: false }),
    ];
    let (word, token) = words.into_iter().find(|(word, _)| {
        let mut ahead = chars.clone();
        word.chars().all(|letter| ahead.next().is_some_and(|c| c.eq_ignore_ascii_case(&letter)))
    })?;
    chars.nth(word.len() - 1);
    Some(token)
}

fn show_date(tokens: &[Token], value: f64, is_1904: bool) -> String {
    let is_half_day = tokens.contains(&Token::HalfDay);
    let mut text = String::new();
    for (n, token) in tokens.iter().enumerate() {
        match token {
            Token::Text(literal) => text.push_str(literal),
            Token::General => text.push_str(&general(value)),
            Token::Point => text.push('.'),
            Token::Comma => text.push(','),
            Token::Percent => text.push('%'),
            Token::Slash => text.push('/'),
            Token::Exponent { .. } => text.push('E'),
            // Parts of a second.
            Token::Digit(_) => text.push('0'),
            Token::HalfDay => text.push_str(if value.rem_euclid(1.0) < 0.5 { "AM" } else { "PM" }),
            Token::Elapsed(unit) => {
                let units = match unit {
                    'h' => 24.0,
                    'm' => 1440.0,
                    _ => 86_400.0,
                };
                text.push_str(&format!("{:.0}", (value * units + 1e-6).floor()));
            }
            Token::Date('m', count) if !is_month(tokens, n) => text.push_str(&date_part(value, is_1904, 'M', *count, false)),
            Token::Date(letter, count) => text.push_str(&date_part(value, is_1904, *letter, *count, is_half_day)),
        }
    }
    text
}

/// Shows a number that is not negative.
fn show_number(tokens: &[Token], value: f64) -> String {
    if tokens.contains(&Token::General) {
        let show = |token: &Token| match token {
            Token::Text(text) => text.clone(),
            Token::General => general(value),
            Token::Percent => "%".to_owned(),
            _ => String::new(),
        };
        return tokens.iter().map(show).collect();
    }
    let percents = tokens.iter().filter(|token| **token == Token::Percent).count();
    let value = value * 100_f64.powi(i32::try_from(percents).unwrap_or(0));
    if let Some(slash) = tokens.iter().position(|token| *token == Token::Slash)
        && tokens[..slash].iter().any(is_digit)
    {
        return fraction(value, &tokens[..slash], &tokens[slash + 1..]);
    }
    match tokens.iter().position(|token| matches!(token, Token::Exponent { .. })) {
        Some(place) => show_scientific(&tokens[..place], &tokens[place..], value),
        None => show_plain(tokens, value),
    }
}

fn show_scientific(mantissa: &[Token], exponent: &[Token], value: f64) -> String {
    let point = mantissa.iter().position(|token| *token == Token::Point).unwrap_or(mantissa.len());
    let whole = mantissa[..point].iter().filter(|token| is_digit(token)).count();
    let decimals = mantissa[point..].iter().filter(|token| is_digit(token)).count();
    let (digits, power) = scientific_parts(value, whole.max(1), decimals);
    let sign = if power < 0 {
        "-"
    } else if exponent.first() == Some(&Token::Exponent { has_plus: true }) {
        "+"
    } else {
        ""
    };
    format!("{}E{sign}{}", show_plain(mantissa, digits), fill_whole(&exponent[1..], &power.unsigned_abs().to_string(), false))
}

fn show_plain(tokens: &[Token], value: f64) -> String {
    let point = tokens.iter().position(|token| *token == Token::Point).unwrap_or(tokens.len());
    let (whole, after) = tokens.split_at(point);
    let last_digit = whole.iter().rposition(is_digit).unwrap_or(0);
    let is_grouped = whole[..last_digit].contains(&Token::Comma);
    // Commas behind the last digit stand for thousands.
    let thousands = whole[last_digit..].iter().filter(|token| **token == Token::Comma).count();
    let value = value / 1000_f64.powi(i32::try_from(thousands).unwrap_or(0));
    let decimals = after.iter().filter(|token| is_digit(token)).count();
    let rounded = Decimal::round(value, decimals);
    format!("{}{}", fill_whole(whole, &rounded.whole, is_grouped), fill_decimals(after, &rounded.decimals))
}

fn is_digit(token: &Token) -> bool {
    matches!(token, Token::Digit(_))
}

/// Puts the digits of a whole number into their places, from the right; the first place takes all that are left.
fn fill_whole(tokens: &[Token], digits: &str, is_grouped: bool) -> String {
    let mut rest = digits.trim_start_matches('0').chars().rev();
    let first = tokens.iter().position(is_digit);
    let mut placed = 0;
    let mut backwards = String::new();
    let mut place = |backwards: &mut String, digit: char| {
        if is_grouped && placed > 0 && placed % 3 == 0 {
            backwards.push(',');
        }
        placed += 1;
        backwards.push(digit);
    };
    for (n, token) in tokens.iter().enumerate().rev() {
        match token {
            Token::Text(text) => backwards.extend(text.chars().rev()),
            Token::Percent => backwards.push('%'),
            Token::Digit(kind) => {
                match (rest.next(), kind) {
                    (Some(digit), _) => place(&mut backwards, digit),
                    (None, '0') => place(&mut backwards, '0'),
                    (None, '?') => backwards.push(' '),
                    (None, _) => {}
                }
                if Some(n) == first {
                    rest.by_ref().for_each(|digit| place(&mut backwards, digit));
                }
            }
            _ => {}
        }
    }
    backwards.chars().rev().collect()
}

/// Puts decimals into their places; zeros at the end stay away where the place is `#` or `?`.
fn fill_decimals(tokens: &[Token], decimals: &str) -> String {
    let mut digits = decimals.char_indices();
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Text(literal) => text.push_str(literal),
            Token::Percent => text.push('%'),
            Token::Point => text.push('.'),
            Token::Digit(kind) => {
                let Some((n, digit)) = digits.next() else { continue };
                let is_needed = *kind == '0' || decimals[n..].contains(|c| c != '0');
                match (is_needed, kind) {
                    (true, _) => text.push(digit),
                    (false, '?') => text.push(' '),
                    (false, _) => {}
                }
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(code: &str, value: f64) -> String {
        NumberFormat::parse(code).show(value, false).text
    }

    #[test]
    fn numbers_are_shown_as_spreadsheets_show_them() {
        for (code, value, wanted) in [
            ("0.00", 1234.565, "1234.57"),
            ("0.0#", 1.5, "1.5"),
            ("0.###", 2.0, "2."),
            ("#.0#", 0.25, ".25"),
            ("#,##0.00", 1_234_567.891, "1,234,567.89"),
            ("0.00", 0.995, "1.00"),
            ("0", 9_999_999.5, "10000000"),
            ("#,##0,,", 12_345_678.0, "12"),
            ("0%", 0.075, "8%"),
            ("0.0%", 0.075, "7.5%"),
            ("0.00E+00", 0.000_123, "1.23E-04"),
            ("0.00E+00", 9.999e5, "1.00E+06"),
            ("##0.0E+0", 12_345.0, "12.3E+3"),
            ("0E-0", 1e5, "1E5"),
            ("# ??/??", 2.333_333_333, "2 1/3"),
            ("# ?/8", 0.625, "5/8"),
            ("?/?", 1.5, "3/2"),
            ("0;-0", -5.0, "-5"),
            ("0;(0)", -5.0, "(5)"),
            ("0", -5.0, "-5"),
            ("0;-0;\"none\"", 0.0, "none"),
            ("[>=1000]#,##0;[<0]\"minus\" 0;0.0", 12.0, "12.0"),
            ("[Red][<5]\"few\";[Blue]0", 3.0, "few"),
            ("(###) ###-####", 9_876_543_210.0, "(987) 654-3210"),
            ("0000000000000000", 12.0, "0000000000000012"),
            ("General", 0.5, "0.5"),
            ("General", 1e21, "1E+21"),
            ("", 12.0, "12"),
            ("\"", 12.0, ""),
            ("[", 12.0, ""),
            ("\\", 12.0, ""),
            ("_", 12.0, ""),
            ("*", 12.0, ""),
        ] {
            assert_eq!(show(code, value), wanted, "{code} {value}");
        }
    }

    #[test]
    fn dates_are_shown_as_spreadsheets_show_them() {
        for (code, value, wanted) in [
            ("m/d/yy h:mm", 46_082.0, "3/1/26 0:00"),
            ("ddd dd mmm yyyy", 46_082.0, "Sun 01 Mar 2026"),
            ("mmmmm", 46_082.0, "M"),
            ("hh:mm:ss", 0.5 + 5.0 / 86_400.0, "12:00:05"),
            ("mm:ss", 0.5 + 65.0 / 86_400.0, "01:05"),
            ("h AM/PM", 0.0, "12 AM"),
            ("[mm]:ss", 1.0, "1440:00"),
            ("[$-409]mmmm d, yyyy;@", 46_082.0, "March 1, 2026"),
            ("yyyy\"年\"m\"月\"", 46_082.0, "2026年3月"),
            ("e", 46_082.0, "2026"),
        ] {
            let shown = NumberFormat::parse(code).show(value, false);
            assert_eq!((shown.text.as_str(), shown.is_date), (wanted, true), "{code}");
        }
        assert_eq!(NumberFormat::parse("yyyy-mm-dd").show(46_082.0, true).text, "2030-03-02");
    }

    proptest! {
        #[test]
        fn no_format_and_no_number_panics(code in "[-0#?.,%/Ee+@;:_*\\\\\"\\[\\]<>=$ ymdhsAaPMGenrl5]{0,30}", value in any::<f64>(), is_1904: bool) {
            NumberFormat::parse(&code).show(value, is_1904);
        }

        #[test]
        fn a_whole_number_without_a_format_is_shown_as_it_is(value in 0..1_000_000_000_000_000_i64) {
            let number = value as f64;
            for code in ["General", "0", "#", "@", "?", "0;-0;0", "[Red]0_)"] {
                prop_assert!(value == 0 && code.starts_with(['#', '?']) || show(code, number) == value.to_string(), "{}", code);
            }
            let zeros = "0".repeat(18);
            prop_assert_eq!(show(&zeros, number), format!("{value:018}"));
        }
    }
}
