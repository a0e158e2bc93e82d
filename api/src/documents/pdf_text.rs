//! Text in PDFs: Latin and Devanagari, measured before it is drawn.

use std::sync::{Arc, OnceLock};

use anyhow::Context;
use krilla::geom::Point;
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use rustybuzz::{Face, UnicodeBuffer};

static REGULAR: &[u8] = include_bytes!("../../assets/fonts/NotoSans-Regular.ttf");
static BOLD: &[u8] = include_bytes!("../../assets/fonts/NotoSans-Bold.ttf");
static DEVANAGARI: &[u8] = include_bytes!("../../assets/fonts/NotoSansDevanagari-Regular.ttf");
static DEVANAGARI_BOLD: &[u8] = include_bytes!("../../assets/fonts/NotoSansDevanagari-Bold.ttf");

/// Font weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Bold,
}

struct Cut {
    font: Font,
    face: Face<'static>,
}

/// The fonts of a document. Only the used glyphs are embedded.
#[derive(Clone)]
pub struct Fonts(Arc<[Cut; 4]>);

impl Fonts {
    /// Loads the built-in fonts, once per process.
    ///
    /// # Errors
    /// Never for the built-in fonts.
    pub fn load() -> anyhow::Result<Self> {
        static LOADED: OnceLock<Fonts> = OnceLock::new();
        if let Some(loaded) = LOADED.get() {
            return Ok(loaded.clone());
        }
        let cut = |data: &'static [u8]| {
            let font = Font::new(data.to_vec().into(), 0).context("could not read a built-in font")?;
            let face = Face::from_slice(data, 0).context("could not load a built-in font for shaping")?;
            anyhow::Ok(Cut { font, face })
        };
        let fonts = Self(Arc::new([cut(REGULAR)?, cut(BOLD)?, cut(DEVANAGARI)?, cut(DEVANAGARI_BOLD)?]));
        Ok(LOADED.get_or_init(|| fonts).clone())
    }

    fn cut(&self, weight: Weight, is_devanagari: bool) -> &Cut {
        &self.0[usize::from(weight == Weight::Bold) + 2 * usize::from(is_devanagari)]
    }

    /// Width of a line, in points.
    pub fn width(&self, text: &str, size: f32, weight: Weight) -> f32 {
        runs(text).map(|(run, is_devanagari)| self.run_width(run, size, self.cut(weight, is_devanagari))).sum()
    }

    fn run_width(&self, run: &str, size: f32, cut: &Cut) -> f32 {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(run);
        buffer.guess_segment_properties();
        let shaped = rustybuzz::shape(&cut.face, &[], buffer);
        let advance: i32 = shaped.glyph_positions().iter().map(|position| position.x_advance).sum();
        advance as f32 * size / cut.face.units_per_em() as f32
    }

    /// Draws a line of text. `x`, `y` is the left end of its baseline.
    pub fn draw(&self, surface: &mut Surface<'_>, x: f32, y: f32, text: &str, size: f32, weight: Weight) {
        let mut x = x;
        for (run, is_devanagari) in runs(text) {
            let cut = self.cut(weight, is_devanagari);
            surface.draw_text(Point::from_xy(x, y), cut.font.clone(), size, run, false, TextDirection::LeftToRight);
            x += self.run_width(run, size, cut);
        }
    }

    /// The text, truncated with an ellipsis if it is wider than `width` points.
    pub fn fitted(&self, text: &str, size: f32, weight: Weight, width: f32) -> String {
        if self.width(text, size, weight) <= width {
            return text.to_owned();
        }
        let mut short: Vec<char> = text.chars().collect();
        while short.pop().is_some() {
            let candidate: String = short.iter().chain(&['…']).collect();
            if self.width(&candidate, size, weight) <= width {
                return candidate;
            }
        }
        String::new()
    }
}

/// Splits a line into runs of one script. Spaces and punctuation belong to the run before them.
fn runs(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_devanagari = script(first).unwrap_or(false);
        let end = rest.char_indices().find(|(_, c)| script(*c).is_some_and(|other| other != is_devanagari)).map_or(rest.len(), |(index, _)| index);
        let (run, after) = rest.split_at(end);
        rest = after;
        Some((run, is_devanagari))
    })
}

/// Whether the character is Devanagari. `None` if it belongs to no script.
fn script(c: char) -> Option<bool> {
    match c {
        '\u{0900}'..='\u{097F}' | '\u{A8E0}'..='\u{A8FF}' | '\u{1CD0}'..='\u{1CFF}' | '\u{200C}' | '\u{200D}' => Some(true),
        c if c.is_alphanumeric() || c == '…' => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_kept_apart() {
        let split: Vec<_> = runs("Jaipur जयपुर, 12").collect();
        assert_eq!(split, [("Jaipur ", false), ("जयपुर, ", true), ("12", false)]);
        assert_eq!(runs("").count(), 0);
    }

    #[test]
    fn long_text_is_cut_to_its_column() {
        let fonts = Fonts::load().unwrap();
        let fitted = fonts.fitted("A destination with a very long name", 9.0, Weight::Regular, 60.0);
        assert!(fitted.ends_with('…') && fonts.width(&fitted, 9.0, Weight::Regular) <= 60.0);
        assert_eq!(fonts.fitted("short", 9.0, Weight::Regular, 60.0), "short");
    }
}
