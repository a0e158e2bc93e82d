//! Codes that are well-formed and still not the label of a bag.
//!
//! Without this rule every plausible code counts as a child bag: what is left of a torn parent label, and the
//! barcode of a product. The child then goes into the wrong parent, and all others after it.
//!
//! The station applies the same rule offline, with what `GET /bag-formats` says of each format. Both are tested with
//! `api/tests/it/fixtures/code_verdicts.json`.

use super::kind::BagKind;
use super::qr_code::{BagFormats, QrCode};
use crate::error::{Error, ErrorCode};

/// Lengths of the numbers in the barcodes of products: GTIN-8, GTIN-12 (UPC-A), GTIN-13 (EAN), GTIN-14.
const GTIN_LENGTHS: [usize; 4] = [8, 12, 13, 14];

/// Why a well-formed code is not the label of a bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelFault {
    /// It begins like the codes of a parent format and is none of them.
    LooksLikeParent,
    /// It is a Global Trade Item Number (GTIN).
    ProductBarcode,
}

impl LabelFault {
    /// The problem code.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::LooksLikeParent => ErrorCode::LooksLikeParent,
            Self::ProductBarcode => ErrorCode::ProductBarcode,
        }
    }

    /// What a person reads who has scanned the label.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::LooksLikeParent => "This looks like a damaged parent label. Scan it again.",
            Self::ProductBarcode => "This is a product barcode. Scan the label of the bag.",
        }
    }

    /// What a person reads who finds the code in a file.
    pub fn sentence_in_file(self, code: &QrCode) -> String {
        match self {
            Self::LooksLikeParent => format!("{code} looks like a damaged parent label. Check the bag and correct the code."),
            Self::ProductBarcode => format!("{code} is a product barcode. Enter the code on the label of the bag."),
        }
    }
}

impl From<LabelFault> for Error {
    fn from(fault: LabelFault) -> Self {
        Self::refused(fault.code(), fault.sentence())
    }
}

impl BagFormats {
    /// Why no new bag may have this code; `None` when it may. A code that a format other than the catch-all child
    /// format takes is always good: the admin who added that format has said what such codes are.
    pub fn fault_of(&self, code: &QrCode) -> Option<LabelFault> {
        if self.of(code).is_some_and(|format| !format.is_catch_all) {
            return None;
        }
        if self.looks_like_parent(code.as_str()) {
            return Some(LabelFault::LooksLikeParent);
        }
        is_gtin(code.as_str()).then_some(LabelFault::ProductBarcode)
    }

    /// Does the code begin like a parent's, or is it the beginning of one that was torn off early?
    fn looks_like_parent(&self, code: &str) -> bool {
        let parents = self.0.iter().filter(|format| format.kind == BagKind::Parent);
        let mut prefixes = parents.flat_map(|format| format.pattern.literal_prefixes());
        prefixes.any(|prefix| code.starts_with(prefix.as_str()) || prefix.starts_with(code))
    }
}

/// Is this a GTIN, check digit included (GS1 General Specifications, 7.9)?
fn is_gtin(code: &str) -> bool {
    if !GTIN_LENGTHS.contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    // From the right the digits weigh 1, 3, 1, 3 and so on, the check digit first.
    let weighted = code.bytes().rev().zip([1, 3].into_iter().cycle());
    weighted.map(|(digit, weight)| u32::from(digit - b'0') * weight).sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::bag_formats::code_pattern::CodePattern;
    use crate::bag_formats::qr_code::CATCH_ALL_PRIORITY;

    const ANY_CODE: &str = "[A-Z0-9][A-Z0-9-]{1,62}[A-Z0-9]";

    /// Formats with one more than the built-in ones.
    fn with_format(kind: BagKind, pattern: &str) -> BagFormats {
        BagFormats::of_patterns(&[
            ("Mustard", BagKind::Parent, "SB[0-9]{5,62}", 10),
            ("Own", kind, pattern, 100),
            ("Child", BagKind::Child, ANY_CODE, CATCH_ALL_PRIORITY),
        ])
    }

    fn verdict(formats: &BagFormats, scanned: &str) -> &'static str {
        let Ok(code) = QrCode::parse(scanned) else { return "invalid_qr_code" };
        match formats.fault_of(&code) {
            Some(fault) => fault.code().as_str(),
            None if formats.is_parent(&code) => "parent",
            None => "child",
        }
    }

    #[test]
    fn every_code_of_the_shared_list_counts_as_it_says() {
        #[derive(Deserialize)]
        struct Format {
            name: String,
            kind: BagKind,
            pattern: String,
            priority: i16,
            literal_prefixes: Vec<String>,
            is_catch_all: bool,
            ecmascript_pattern: String,
        }
        #[derive(Deserialize)]
        struct Case {
            formats: String,
            code: String,
            verdict: String,
        }
        #[derive(Deserialize)]
        struct Fixture {
            formats: HashMap<String, Vec<Format>>,
            cases: Vec<Case>,
        }
        let fixture: Fixture = serde_json::from_str(include_str!("../../tests/it/fixtures/code_verdicts.json")).unwrap();
        let mut sets = HashMap::new();
        for (name, formats) in &fixture.formats {
            for format in formats {
                let pattern = CodePattern::parse(&format.pattern).unwrap();
                assert_eq!(pattern.ecmascript(), format.ecmascript_pattern, "{}", format.pattern);
                let prefixes = if format.kind == BagKind::Parent { pattern.literal_prefixes() } else { &[] };
                assert_eq!(prefixes, format.literal_prefixes, "{}", format.pattern);
            }
            let parts: Vec<_> = formats.iter().map(|f| (f.name.as_str(), f.kind, f.pattern.as_str(), f.priority)).collect();
            let made = BagFormats::of_patterns(&parts);
            assert!(made.0.iter().zip(formats).all(|(made, format)| made.is_catch_all == format.is_catch_all));
            sets.insert(name.as_str(), made);
        }
        for case in &fixture.cases {
            assert_eq!(verdict(&sets[case.formats.as_str()], &case.code), case.verdict, "{} {:?}", case.formats, case.code);
        }
        assert!(fixture.cases.len() > 200);
    }

    /// A parent format as an admin writes one, and a label of it.
    fn parent_format() -> impl Strategy<Value = (String, String)> {
        let shape = prop_oneof![
            ("[A-Z0-9][A-Z0-9-]{0,5}[A-Z0-9]", 1..12_usize).prop_map(|(prefix, n)| (format!("{prefix}[0-9]{{{n}}}"), prefix, n)),
            ("[A-Z][A-Z0-9]{1,3}", 1..12_usize).prop_map(|(prefix, n)| (format!("(?i){}-?[0-9]{{{n},30}}", prefix.to_lowercase()), prefix, n)),
            ("[A-Z]{2,4}", "[A-Z]{2,4}", 1..12_usize).prop_map(|(one, two, n)| (format!("(?:{one}|{two})[0-9]{{{n}}}"), two, n)),
            ("[A-Z]{2,4}", 1..12_usize).prop_map(|(prefix, n)| (format!("[{}]{}[0-9]{{{n}}}", &prefix[..1], &prefix[1..]), prefix, n)),
        ];
        (shape, "[0-9]{12}").prop_map(|((pattern, prefix, n), digits)| (pattern, format!("{prefix}{}", &digits[..n])))
    }

    fn with_check_digit(digits: &str, error: u32) -> String {
        let weighted = digits.bytes().rev().zip([3, 1].into_iter().cycle());
        let sum: u32 = weighted.map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
        format!("{digits}{}", (10 - sum % 10 + error) % 10)
    }

    fn gtin_body() -> impl Strategy<Value = String> {
        prop_oneof!["[0-9]{7}", "[0-9]{11}", "[0-9]{12}", "[0-9]{13}"]
    }

    proptest! {
        #[test]
        fn what_is_left_of_a_parent_label_is_never_a_child((pattern, label) in parent_format(), noise in "[A-Z]") {
            let formats = with_format(BagKind::Parent, &pattern);
            prop_assert_eq!(verdict(&formats, &label), "parent", "{} {}", pattern, label);
            for end in 0..label.len() {
                prop_assert_ne!(verdict(&formats, &label[..end]), "child", "{} {}", pattern, &label[..end]);
            }
            let longer = format!("{label}{noise}");
            prop_assert_eq!(verdict(&formats, &longer), "looks_like_parent", "{} {}", pattern, longer);
        }

        #[test]
        fn every_product_barcode_is_refused_and_no_other_number(body in gtin_body(), error in 1..10_u32, more in "[0-9]{1,20}") {
            let formats = BagFormats::built_in();
            let good = with_check_digit(&body, 0);
            prop_assert_eq!(verdict(&formats, &good), "product_barcode", "{}", &good);
            prop_assert_eq!(verdict(&formats, &with_check_digit(&body, error)), "child");
            prop_assert_eq!(verdict(&formats, &format!("A{good}")), "child");
            let longer = format!("{good}{more}");
            prop_assert_eq!(verdict(&formats, &longer) == "product_barcode", longer.len() <= 14 && is_gtin(&longer));
        }

        #[test]
        fn a_code_that_another_format_takes_is_good(body in gtin_body()) {
            let code = with_check_digit(&body, 0);
            let exact = format!("[0-9]{{{}}}", code.len());
            prop_assert_eq!(verdict(&with_format(BagKind::Child, &exact), &code), "child");
            prop_assert_eq!(verdict(&with_format(BagKind::Parent, &exact), &code), "parent");
            let other = format!("[0-9]{{{}}}", code.len() + 1);
            prop_assert_eq!(verdict(&with_format(BagKind::Child, &other), &code), "product_barcode");
        }

        #[test]
        fn a_code_without_the_beginning_of_a_parent_is_a_child(code in "[CD][A-Z0-9]{2,20}") {
            prop_assert_eq!(verdict(&BagFormats::built_in(), &code), "child");
        }
    }
}
