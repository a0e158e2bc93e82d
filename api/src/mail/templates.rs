//! The texts of e-mails in English and Hindi, from the files in `templates/`.
//!
//! Each e-mail consists of `<name>.<language>.txt`, whose first line is the subject, and
//! `<name>.<language>.html`.

use std::sync::OnceLock;

use anyhow::Context;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::users::language::Language;

macro_rules! files {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_str!(concat!("templates/", $name)))),+] };
}

const FILES: &[(&str, &str)] = files![
    "end_of_day.en.html",
    "end_of_day.en.txt",
    "end_of_day.hi.html",
    "end_of_day.hi.txt",
    "layout.html",
    "password_changed.en.html",
    "password_changed.en.txt",
    "password_changed.hi.html",
    "password_changed.hi.txt",
    "password_reset.en.html",
    "password_reset.en.txt",
    "password_reset.hi.html",
    "password_reset.hi.txt",
];

/// The content of an e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub subject: String,
    pub text: String,
    pub html: String,
}

#[derive(Serialize)]
struct WithLanguage<'a, C> {
    language: &'a str,
    #[serde(flatten)]
    context: C,
}

/// Renders the e-mail `name`. A variable that the context lacks is an error, so that no e-mail has
/// gaps.
///
/// # Errors
/// Fails if the template does not exist, or if the context lacks a variable.
pub fn render<C: Serialize>(name: &str, language: Language, context: C) -> anyhow::Result<Content> {
    let context = minijinja::Value::from(Serde(WithLanguage { language: language.as_str(), context }));
    let part = |ending: &str| {
        let file = format!("{name}.{}.{ending}", language.as_str());
        environment().get_template(&file).and_then(|template| template.render(&context)).with_context(|| format!("template {file}"))
    };
    let text = part("txt")?;
    let (subject, text) = text.split_once("\n\n").with_context(|| format!("template {name} has no subject"))?;
    let subject = subject.strip_prefix("Subject: ").with_context(|| format!("template {name} does not start with its subject"))?;
    Ok(Content { subject: subject.to_owned(), text: text.to_owned(), html: part("html")? })
}

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in FILES {
            environment.add_template(name, source).expect("a test parses every template");
        }
        environment
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_template_is_whole_in_every_language() {
        let context = json!({"username": "asha", "link": "https://t.example/#a", "minutes": 60, "time": "now", "public_url": "https://t.example",
            "date": "2026-11-24", "scans": 7, "scans_day_before": 6, "bills": 1, "finished": 1, "weight_kg": "30", "variance_kg": "0",
            "areas": [{"name": "Lucknow", "scans": 7, "open_parents": 1, "completed_parents": 1}], "people": [{"username": "asha", "scans": 7}]});
        for name in ["password_reset", "password_changed", "end_of_day"] {
            for language in Language::ALL {
                let content = render(name, language, &context).unwrap();
                assert!(!content.subject.is_empty() && !content.subject.contains('\n'));
                assert!(content.text.contains("asha") && content.html.contains("asha"));
                assert!(content.html.contains(&content.subject), "{name} {language:?}");
                assert!(content.html.starts_with(&format!("<!doctype html>\n<html lang=\"{}\">", language.as_str())));
            }
        }
        assert!(render("password_reset", Language::En, json!({"username": "asha"})).is_err(), "a missing variable is an error");
    }

    #[test]
    fn html_is_escaped_and_text_is_not() {
        let context = json!({"username": "<b>&", "link": "x", "minutes": 1, "public_url": "x"});
        let content = render("password_reset", Language::En, context).unwrap();
        assert!(content.text.contains("<b>&") && content.html.contains("&lt;b&gt;&amp;"));
    }
}
