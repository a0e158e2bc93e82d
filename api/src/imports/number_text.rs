//! Digits, dates and fractions of numbers, for [`super::number_format`].

use calamine::{ExcelDateTime, ExcelDateTimeType};
use chrono::{Datelike, NaiveDate};

use super::number_format::Token;

/// Spreadsheets show this many digits of a number; the others are zeros.
const SHOWN_DIGITS: usize = 15;
/// From here on digits are lost.
pub const FIRST_INEXACT: f64 = 1e15;
const MONTHS: [&str; 12] = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A number that is not negative, rounded, in decimal digits.
pub struct Decimal {
    pub whole: String,
    pub decimals: String,
}

impl Decimal {
    /// Rounds half up, as spreadsheets do, to this many decimals and to 15 digits in all.
    pub fn round(value: f64, decimals: usize) -> Self {
        // A number of 15 digits has at most some 300 zeros before or behind them.
        let scientific = format!("{:.*e}", SHOWN_DIGITS - 1, if value.is_finite() { value } else { 0.0 });
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        let mut point = exponent + 1;
        if point < 0 {
            digits.splice(0..0, std::iter::repeat_n(0, point.unsigned_abs() as usize));
            point = 0;
        }
        let point = point.unsigned_abs() as usize;
        digits.resize(digits.len().max(point + decimals + 1), 0);
        let is_up = digits[point + decimals] >= 5;
        digits.truncate(point + decimals);
        if is_up && !increment(&mut digits) {
            digits.insert(0, 1);
            return Self::split(&digits, point + 1);
        }
        Self::split(&digits, point)
    }

    fn split(digits: &[u8], point: usize) -> Self {
        let text = |digits: &[u8]| digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        Self { whole: text(&digits[..point]), decimals: text(&digits[point..]) }
    }
}

/// Adds one in the last place; false when one is carried over the first.
fn increment(digits: &mut [u8]) -> bool {
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return true;
        }
        *digit = 0;
    }
    false
}

/// A number without a format. Numbers of up to 15 digits are whole, however narrow the column is.
pub fn general(value: f64) -> String {
    if value.abs() < FIRST_INEXACT {
        return value.to_string();
    }
    let scientific = format!("{value:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    format!("{mantissa}E+{exponent:0>2}")
}

/// A number as a mantissa with so many whole digits at most, and a power of ten.
pub fn scientific_parts(value: f64, whole_digits: usize, decimals: usize) -> (f64, i32) {
    if value == 0.0 || !value.is_finite() {
        return (0.0, 0);
    }
    let step = i32::try_from(whole_digits).unwrap_or(1);
    let power_of = |value: f64| (value.log10().floor() as i32).div_euclid(step) * step;
    let power = power_of(value);
    // Two steps: 10^308 is the largest there is.
    let mantissa = value / 10_f64.powi(power / 2) / 10_f64.powi(power - power / 2);
    let rounded = Decimal::round(mantissa, decimals);
    if rounded.whole.trim_start_matches('0').len() > whole_digits {
        return (mantissa / 10_f64.powi(step), power + step);
    }
    (mantissa, power)
}

/// A number as a fraction: `before` the slash are the places of the whole and of the numerator, `after` it those of
/// the denominator, or a denominator.
pub fn fraction(value: f64, before: &[Token], after: &[Token]) -> String {
    let fixed: String = after.iter().map_while(|token| if let Token::Text(text) = token { Some(text.as_str()) } else { None }).collect();
    let places = after.iter().filter(|token| matches!(token, Token::Digit(_))).count().clamp(1, 3);
    let denominators = match fixed.trim().parse::<u32>() {
        Ok(fixed) if fixed > 0 => fixed..=fixed,
        _ => 1..=10_u32.pow(places as u32) - 1,
    };
    // The whole is apart when something stands between its places and those of the numerator.
    let runs = before.split(|token| !matches!(token, Token::Digit(_))).filter(|run| !run.is_empty()).count();
    let whole = if runs > 1 { value.trunc() } else { 0.0 };
    let rest = value - whole;
    let error = |denominator: u32| {
        let scaled = rest * f64::from(denominator);
        ((scaled.round() - scaled) / f64::from(denominator)).abs()
    };
    let least = denominators.clone().map(error).fold(f64::INFINITY, f64::min);
    // Of 1/3 and 33/99 the first.
    let best = denominators.into_iter().find(|denominator| error(*denominator) <= least + 1e-9).unwrap_or(1);
    let numerator = (rest * f64::from(best)).round();
    if runs > 1 && numerator == 0.0 {
        return format!("{whole}");
    }
    if runs > 1 && whole > 0.0 { format!("{whole} {numerator}/{best}") } else { format!("{numerator}/{best}") }
}

/// Does `m` at this place of a format mean months? Minutes stand behind hours or before seconds.
pub fn is_month(tokens: &[Token], place: usize) -> bool {
    let unit = |token: &Token| match token {
        Token::Date(letter, _) | Token::Elapsed(letter) => Some(*letter),
        _ => None,
    };
    let before = tokens[..place].iter().rev().find_map(unit);
    let after = tokens[place + 1..].iter().find_map(unit);
    before != Some('h') && after != Some('s')
}

/// A part of a date, with as many letters as its format has; `M` are minutes. Hours count to 12 with `is_half_day`.
pub fn date_part(value: f64, is_1904: bool, letter: char, letters: usize, is_half_day: bool) -> String {
    let moment = ExcelDateTime::new(value, ExcelDateTimeType::DateTime, is_1904);
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let name = |names: &[&str], n: usize, letters: usize| {
        let name = names.get(n).copied().unwrap_or_default();
        if letters == 3 { name[..name.len().min(3)].to_owned() } else { name.to_owned() }
    };
    let number = |n: u8| if letters == 1 { n.to_string() } else { format!("{n:02}") };
    match letter {
        'y' if letters <= 2 => format!("{:02}", year % 100),
        'y' => format!("{year:04}"),
        'm' if letters == 5 => name(&MONTHS, usize::from(month).wrapping_sub(1), 4)[..1].to_owned(),
        'm' if letters >= 3 => name(&MONTHS, usize::from(month).wrapping_sub(1), letters),
        'm' => number(month),
        'd' if letters >= 3 => {
            let date = NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day));
            date.map_or_else(String::new, |date| name(&DAYS, date.weekday().num_days_from_monday() as usize, letters))
        }
        'd' => number(day),
        'h' if is_half_day => number((hour + 11) % 12 + 1),
        'h' => number(hour),
        'M' => number(minute),
        _ => number(second),
    }
}
