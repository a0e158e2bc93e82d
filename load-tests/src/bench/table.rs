//! The figures as a Markdown table.

use std::fmt;

/// The target of a figure.
#[derive(Debug, Clone, Copy)]
pub enum Aim {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
    /// No target: the figure is stated, so that a change is visible.
    Stated,
}

/// One figure.
#[derive(Debug, Clone)]
pub struct Line {
    /// Stable name, for the stored ratios of the short check.
    pub key: &'static str,
    pub what: String,
    /// The results of TraitorTrack and of its reference.
    pub ours: String,
    pub theirs: String,
    pub got: f64,
    /// `×` for a ratio.
    pub unit: &'static str,
    pub aim: Aim,
}

impl Line {
    /// A figure without a reference.
    pub fn figure(key: &'static str, what: impl Into<String>, got: f64, unit: &'static str, aim: Aim) -> Self {
        Self { key, what: what.into(), ours: String::new(), theirs: String::new(), got, unit, aim }
    }

    /// Whether the target is met. `None` if there is no target.
    pub fn is_met(&self) -> Option<bool> {
        match self.aim {
            Aim::AtLeast(least) => Some(self.got >= least),
            Aim::AtMost(most) => Some(self.got <= most),
            Aim::Below(limit) => Some(self.got < limit),
            Aim::Stated => None,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, ours, theirs, got, unit, .. } = self;
        let aim = match self.aim {
            Aim::AtLeast(least) => format!("≥ {least} {unit}"),
            Aim::AtMost(most) => format!("≤ {most} {unit}"),
            Aim::Below(limit) => format!("< {limit} {unit}"),
            Aim::Stated => "–".into(),
        };
        let met = match self.is_met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let digits = if *got < 10.0 { 2 } else { usize::from(*got < 100.0) };
        writeln!(f, "| {what} | {ours} | {theirs} | {got:.digits$} {unit} | {aim} | {met} |")
    }
}

/// Header of the table.
pub const HEAD: &str = "| figure | TraitorTrack | compared with | result | target | met |\n| --- | ---: | ---: | ---: | ---: | --- |\n";

/// The results of two systems that take turns.
#[derive(Default)]
pub struct Rounds(Vec<(f64, f64)>);

impl Rounds {
    pub fn add(&mut self, ours: f64, theirs: f64) {
        self.0.push((ours, theirs));
    }

    pub fn ours(&self) -> f64 {
        median(self.0.iter().map(|round| round.0))
    }

    pub fn theirs(&self) -> f64 {
        median(self.0.iter().map(|round| round.1))
    }

    /// Median of the ratios of all rounds.
    pub fn ratio(&self) -> f64 {
        median(self.0.iter().map(|(ours, theirs)| ours / theirs))
    }

    /// A row with two rates per second.
    pub fn rates(&self, key: &'static str, what: &str, theirs: &str, aim: Aim) -> Line {
        Line {
            key,
            what: what.into(),
            ours: format!("{}/s", round(self.ours())),
            theirs: format!("{}/s {theirs}", round(self.theirs())),
            got: self.ratio(),
            unit: "×",
            aim,
        }
    }
}

/// The median; 0 if there are no values.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Rounds to three digits: further digits carry no information.
pub fn round(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let scale = 10_f64.powf(value.log10().floor() - 2.0);
    format!("{:.0}", (value / scale).round() * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_is_told_as_one() {
        let line = |got, aim| Line::figure("k", "what", got, "×", aim);
        assert_eq!(line(0.9, Aim::AtLeast(1.0)).is_met(), Some(false));
        assert_eq!(line(1.2, Aim::AtMost(1.2)).is_met(), Some(true));
        assert_eq!(line(100.0, Aim::Below(100.0)).is_met(), Some(false));
        assert_eq!(line(9.0, Aim::Stated).is_met(), None);
        assert_eq!(line(0.9, Aim::AtLeast(1.0)).to_string(), "| what |  |  | 0.90 × | ≥ 1 × | **no** |\n");
    }

    #[test]
    fn the_median_of_the_ratios_counts() {
        let mut rounds = Rounds::default();
        for (ours, theirs) in [(10.0, 5.0), (9.0, 3.0), (100.0, 100.0)] {
            rounds.add(ours, theirs);
        }
        assert_eq!((rounds.ratio(), rounds.ours(), rounds.theirs()), (2.0, 10.0, 5.0));
        assert_eq!((round(12_345.0), round(9.87), round(123.4)), ("12300".into(), "9.9".into(), "123".into()));
    }
}
