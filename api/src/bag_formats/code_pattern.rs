//! The pattern of a bag format: what it matches, how its matches begin, and the same pattern for JavaScript.
//!
//! All three are about codes, which consist of `A` to `Z`, `0` to `9` and `-`: a class of the pattern counts as the
//! characters of that alphabet in it. So `[S]B`, `(?i)sb` and `\x53B` all begin with `SB`.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind, Literal, Look, Repetition};

/// The characters of codes, in the order of their bytes.
const ALPHABET: &[u8] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// A shorter prefix is no sign of a parent: many child codes begin with any given letter or digit.
const MIN_PREFIX_LENGTH: usize = 2;
/// Longest prefix that is looked for, in characters: that of a code.
const MAX_PREFIX_LENGTH: usize = 64;
/// A pattern with more beginnings than this has none that are special.
const MAX_PREFIXES: usize = 64;
/// A class stands for its characters, as in `S[BM]`, up to this many; a larger one is "some letter" or "some digit".
const MAX_CLASS_SIZE: usize = 4;

/// A compiled pattern, which matches whole codes.
#[derive(Debug, Clone)]
pub struct CodePattern {
    regex: Regex,
    literal_prefixes: Vec<String>,
    ecmascript: String,
}

impl CodePattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When it is not a regular expression, or too large a one.
    pub fn parse(pattern: &str) -> anyhow::Result<Self> {
        let anchored = format!("^(?:{pattern})$");
        let hir = regex_syntax::parse(&anchored)?;
        let literal_prefixes = literal_prefixes(&hir);
        Ok(Self { regex: Regex::new(&anchored)?, literal_prefixes, ecmascript: to_ecmascript(&hir) })
    }

    /// Does the whole code match?
    pub fn is_match(&self, code: &str) -> bool {
        self.regex.is_match(code)
    }

    /// Strings of at least two characters that matches begin with. A match that begins with none of them begins
    /// with nothing special; there may be such matches, also when the list is not empty.
    pub fn literal_prefixes(&self) -> &[String] {
        &self.literal_prefixes
    }

    /// The pattern as an anchored regular expression of ECMAScript without flags, which matches the same codes.
    pub fn ecmascript(&self) -> &str {
        &self.ecmascript
    }
}

/// The beginning of some matches.
#[derive(Debug, Clone, PartialEq)]
struct Prefix {
    text: String,
    /// What comes next in the pattern can make it longer.
    is_open: bool,
}

impl Prefix {
    fn closed(self) -> Self {
        Self { is_open: false, ..self }
    }

    fn followed_by(&self, literal: &str) -> Self {
        let text = format!("{}{literal}", self.text);
        Self { is_open: text.len() < MAX_PREFIX_LENGTH, text }
    }
}

fn literal_prefixes(hir: &Hir) -> Vec<String> {
    let start = Prefix { text: String::new(), is_open: true };
    let found = extend(vec![start], hir).into_iter().map(|prefix| prefix.text);
    let mut prefixes: Vec<String> = Vec::new();
    for text in found.filter(|text| text.len() >= MIN_PREFIX_LENGTH) {
        if !prefixes.iter().any(|other| text.starts_with(other.as_str())) {
            // What begins with a longer one begins with this one too.
            prefixes.retain(|other| !other.starts_with(&text));
            prefixes.push(text);
        }
    }
    prefixes
}

/// Continues each open prefix with what `hir` matches.
fn extend(prefixes: Vec<Prefix>, hir: &Hir) -> Vec<Prefix> {
    if prefixes.iter().all(|prefix| !prefix.is_open) {
        return prefixes;
    }
    let extended: Vec<Prefix> = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => prefixes,
        HirKind::Literal(literal) => match code_text(literal) {
            Some(text) => each_open(prefixes, |prefix| vec![prefix.followed_by(text)]),
            // No code matches this.
            None => each_open(prefixes, |_| Vec::new()),
        },
        HirKind::Class(class) => {
            let members = members(class);
            each_open(prefixes, |prefix| extend_by_class(prefix, &members))
        }
        HirKind::Repetition(repetition) => extend_by_repetition(prefixes, repetition),
        HirKind::Capture(capture) => extend(prefixes, &capture.sub),
        HirKind::Concat(parts) => parts.iter().fold(prefixes, extend),
        HirKind::Alternation(choices) => {
            each_open(prefixes, |prefix| choices.iter().flat_map(|choice| extend(vec![prefix.clone()], choice)).collect())
        }
    };
    if extended.len() > MAX_PREFIXES { Vec::new() } else { extended }
}

fn each_open(prefixes: Vec<Prefix>, next: impl Fn(Prefix) -> Vec<Prefix>) -> Vec<Prefix> {
    prefixes.into_iter().flat_map(|prefix| if prefix.is_open { next(prefix) } else { vec![prefix] }).collect()
}

fn extend_by_class(prefix: Prefix, members: &[char]) -> Vec<Prefix> {
    let is_needed = prefix.text.len() < MIN_PREFIX_LENGTH && members.len() <= MAX_CLASS_SIZE;
    if members.len() <= 1 || is_needed {
        return members.iter().map(|member| prefix.followed_by(member.encode_utf8(&mut [0; 4]))).collect();
    }
    vec![prefix.closed()]
}

fn extend_by_repetition(prefixes: Vec<Prefix>, repetition: &Repetition) -> Vec<Prefix> {
    let mut extended = prefixes;
    for _ in 0..repetition.min {
        let before = extended.clone();
        extended = extend(extended, &repetition.sub);
        if extended == before {
            break;
        }
    }
    if repetition.max == Some(repetition.min) {
        return extended;
    }
    if repetition.min > 0 {
        return extended.into_iter().map(Prefix::closed).collect();
    }
    each_open(extended, |prefix| {
        let once = extend(vec![prefix.clone()], &repetition.sub);
        let once = once.into_iter().map(|prefix| if repetition.max == Some(1) { prefix } else { prefix.closed() });
        once.chain([prefix.clone()]).collect()
    })
}

/// The text of a literal that codes can contain.
fn code_text(literal: &Literal) -> Option<&str> {
    let is_of_codes = literal.0.iter().all(|byte| ALPHABET.contains(byte));
    std::str::from_utf8(&literal.0).ok().filter(|_| is_of_codes)
}

/// The characters of codes that a class has, in order.
fn members(class: &Class) -> Vec<char> {
    let has = |byte: u8| match class {
        Class::Unicode(class) => class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&char::from(byte))),
        Class::Bytes(class) => class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte)),
    };
    ALPHABET.iter().copied().filter(|byte| has(*byte)).map(char::from).collect()
}

fn to_ecmascript(hir: &Hir) -> String {
    match hir.kind() {
        HirKind::Empty => String::new(),
        // `[]` matches nothing.
        HirKind::Literal(literal) => code_text(literal).unwrap_or("[]").to_owned(),
        HirKind::Class(class) => class_to_ecmascript(&members(class)),
        HirKind::Look(look) => look_to_ecmascript(*look).to_owned(),
        HirKind::Repetition(repetition) => repetition_to_ecmascript(repetition),
        HirKind::Capture(capture) => format!("(?:{})", to_ecmascript(&capture.sub)),
        HirKind::Concat(parts) => parts.iter().map(to_ecmascript).collect(),
        HirKind::Alternation(choices) => {
            format!("(?:{})", choices.iter().map(to_ecmascript).collect::<Vec<_>>().join("|"))
        }
    }
}

fn class_to_ecmascript(members: &[char]) -> String {
    if let [member] = members {
        return member.to_string();
    }
    let mut text = String::from("[");
    for range in members.chunk_by(|one, next| u32::from(*one) + 1 == u32::from(*next)) {
        match range {
            ['-'] => text.push_str("\\-"),
            few if few.len() <= 2 => text.extend(few),
            [first, .., last] => text.extend([*first, '-', *last]),
            _ => {}
        }
    }
    text.push(']');
    text
}

fn repetition_to_ecmascript(repetition: &Repetition) -> String {
    let sub = to_ecmascript(&repetition.sub);
    let is_single = match repetition.sub.kind() {
        HirKind::Class(_) | HirKind::Capture(_) | HirKind::Alternation(_) => true,
        HirKind::Literal(_) => sub.len() == 1 || sub == "[]",
        _ => false,
    };
    let sub = if is_single { sub } else { format!("(?:{sub})") };
    match (repetition.min, repetition.max) {
        (0, Some(1)) => format!("{sub}?"),
        (0, None) => format!("{sub}*"),
        (1, None) => format!("{sub}+"),
        (min, None) => format!("{sub}{{{min},}}"),
        (min, Some(max)) if min == max => format!("{sub}{{{min}}}"),
        (min, Some(max)) => format!("{sub}{{{min},{max}}}"),
    }
}

/// Codes are one line of ASCII, so lines and the words of Unicode make no difference.
const fn look_to_ecmascript(look: Look) -> &'static str {
    match look {
        Look::Start | Look::StartLF | Look::StartCRLF => "^",
        Look::End | Look::EndLF | Look::EndCRLF => "$",
        Look::WordAscii | Look::WordUnicode => "\\b",
        Look::WordAsciiNegate | Look::WordUnicodeNegate => "\\B",
        Look::WordStartAscii | Look::WordStartUnicode => "\\b(?=\\w)",
        Look::WordEndAscii | Look::WordEndUnicode => "\\b(?<=\\w)",
        Look::WordStartHalfAscii | Look::WordStartHalfUnicode => "(?<!\\w)",
        Look::WordEndHalfAscii | Look::WordEndHalfUnicode => "(?!\\w)",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefixes(pattern: &str) -> Vec<String> {
        CodePattern::parse(pattern).unwrap().literal_prefixes().to_vec()
    }

    #[test]
    fn literal_prefixes_are_found_whatever_way_the_pattern_is_written() {
        for (pattern, wanted) in [
            ("SB[0-9]{5,62}", &["SB"][..]),
            ("M444-[0-9]{5}", &["M444-"]),
            ("[S]B[0-9]{5}", &["SB"]),
            ("(?i)sb[0-9]{5}", &["SB"]),
            ("(?i)mustard-k[0-9]{5}", &["MUSTARD-K"]),
            (r"\x53\u{42}\d{5}", &["SB"]),
            (r"SB\-\d{5}", &["SB-"]),
            ("^SB[0-9]{5}$", &["SB"]),
            (r"\bSB[0-9]{5}", &["SB"]),
            ("(?P<area>SB)[0-9]{5}", &["SB"]),
            ("S{2}B[0-9]", &["SSB"]),
            ("S{2,3}B[0-9]", &["SS"]),
            ("SB+[0-9]", &["SB"]),
            ("SBX", &["SBX"]),
            ("(?:SB|MB)[0-9]{5}", &["SB", "MB"]),
            ("(?:LKO|IND)-[0-9]{5}", &["LKO-", "IND-"]),
            ("(?:SB|SBX)[0-9]{5}", &["SB"]),
            ("S[BM][0-9]{5}", &["SB", "SM"]),
            ("S[BM][12][0-9]{5}", &["SB", "SM"]),
            ("P[12]-[0-9]{5}", &["P1-", "P2-"]),
            ("SB[12][0-9]{5}", &["SB"]),
            ("(?:SB|M)[0-9]{5}", &["SB"]),
            ("X?SB[0-9]{5}", &["XSB", "SB"]),
            ("(?:SB)?[0-9]{9}", &["SB"]),
            ("(?:SB)*[0-9]{9}", &["SB"]),
            ("SB-?[0-9]{5}", &["SB"]),
            ("(?:AB){2,}[0-9]{5}", &["ABAB"]),
            // Nothing that is special.
            ("[A-Z]{2}[0-9]{6}", &[]),
            ("[0-9]{10}", &[]),
            (".{5}", &[]),
            (r"\w{12}", &[]),
            ("P[0-9]{6}", &[]),
            ("[A-Z]-[0-9]{6}", &[]),
            ("[PQ][0-9]{6}", &[]),
            ("sb[0-9]{5}", &[]),
            ("(?:|X)[0-9]{6}", &[]),
            ("(?:(?:(?:^){900}){900}){900}[0-9]{9}", &[]),
        ] {
            assert_eq!(prefixes(pattern), wanted, "{pattern}");
        }
        let depots: Vec<String> = (0..65).map(|n| format!("D{n:02}")).collect();
        assert_eq!(prefixes(&format!("(?:{})-[0-9]{{5}}", depots[..64].join("|"))).len(), 64);
        assert_eq!(prefixes(&format!("(?:{})-[0-9]{{5}}", depots.join("|"))).len(), 0);
        assert_eq!(prefixes("A{90}"), ["A".repeat(64)]);
    }

    #[test]
    fn javascript_gets_patterns_that_it_understands() {
        for (pattern, wanted) in [
            ("SB[0-9]{5,62}", "^SB[0-9]{5,62}$"),
            ("[A-Z0-9][A-Z0-9-]{1,62}[A-Z0-9]", r"^[0-9A-Z][\-0-9A-Z]{1,62}[0-9A-Z]$"),
            ("(?i)wheat-k[[:digit:]]+", "^WHEAT-K[0-9]+$"),
            (r"\x53B-\d{4}", "^SB-[0-9]{4}$"),
            ("(?:AB|CD)*X??", "^(?:AB|CD)*X?$"),
            ("(?P<area>AB)(?:CD){2,}", "^(?:AB)(?:CD){2,}$"),
            ("A{2,3}", "^A{2,3}$"),
            ("(?x) A B # the Wheat\n [0-9]", "^AB[0-9]$"),
            ("[0-9&&[4-9]]{4}", "^[4-9]{4}$"),
            (r"[ACE]|\PL", r"^[\-0-9ACE]$"),
            ("[01][A-C]", "^[01][A-C]$"),
            ("sb", "^[]$"),
        ] {
            assert_eq!(CodePattern::parse(pattern).unwrap().ecmascript(), wanted, "{pattern}");
        }
    }

    /// Patterns of everything that an admin may write, over few characters, so that codes match them.
    fn any_pattern() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "[ABab1-]{1,3}".prop_map(|text| text),
            Just("[AB]".to_owned()),
            Just("[^A]".to_owned()),
            Just("[1-9]".to_owned()),
            Just(r"\d".to_owned()),
            Just("(?i:b)".to_owned()),
            Just(r"\b".to_owned()),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                (inner.clone(), prop_oneof!["[?*+]", Just("{2}".to_owned()), Just("{0,2}".to_owned()), Just("{1,3}".to_owned())])
                    .prop_map(|(sub, times)| format!("(?:{sub}){times}")),
                inner.prop_map(|sub| format!("({sub})")),
            ]
        })
    }

    proptest! {
        /// The pattern for JavaScript is one of Rust too, so the two can be compared.
        #[test]
        fn the_pattern_for_javascript_matches_the_same_codes(
            pattern in any_pattern(), codes in proptest::collection::vec("[AB12-]{0,6}", 1..40),
        ) {
            let compiled = CodePattern::parse(&pattern).unwrap();
            // JavaScript's empty class is spelled otherwise in Rust.
            let same = Regex::new(&compiled.ecmascript().replace("[]", "[a&&b]")).unwrap();
            for code in codes {
                prop_assert_eq!(compiled.is_match(&code), same.is_match(&code), "{} {} {}", pattern, compiled.ecmascript(), code);
            }
        }

        #[test]
        fn prefixes_are_long_enough_and_none_contains_another(pattern in any_pattern()) {
            let compiled = CodePattern::parse(&pattern).unwrap();
            let prefixes = compiled.literal_prefixes();
            for (n, prefix) in prefixes.iter().enumerate() {
                prop_assert!(prefix.len() >= MIN_PREFIX_LENGTH && prefix.bytes().all(|byte| ALPHABET.contains(&byte)));
                let mut others = prefixes.iter().skip(n + 1);
                prop_assert!(others.all(|other| !other.starts_with(prefix) && !prefix.starts_with(other)));
            }
        }
    }
}
