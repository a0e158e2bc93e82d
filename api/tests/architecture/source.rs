//! Reads Rust files as tokens: comments, documentation and test code are left out, and code inside
//! macro calls is seen, which a syntax tree would hide.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// One token and the lines and columns that it covers.
#[derive(Debug, Clone)]
pub struct Token {
    pub text: String,
    pub line: usize,
    pub end_line: usize,
    pub end_column: usize,
}

/// A function and its length in lines.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub lines: usize,
}

/// A file of code.
pub struct Source {
    /// Path below the folder of the crate's code, for example `bags/queries.rs`.
    pub file: String,
    /// The module that the file is.
    pub module: Vec<String>,
    pub tokens: Vec<Token>,
}

impl Source {
    /// Parses the text of a file. `file` is its path below `src`.
    pub fn parse(file: &str, text: &str) -> Self {
        let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file} is not Rust: {error}"));
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        Self { file: file.to_owned(), module: module_of(file), tokens: without_tests(tokens) }
    }

    /// The functions, those inside of others too.
    pub fn functions(&self) -> Vec<Function> {
        let tokens = &self.tokens;
        let starts = (0..tokens.len().saturating_sub(1)).filter(|&at| tokens[at].text == "fn" && is_word(&tokens[at + 1].text));
        starts
            .filter_map(|at| {
                let open = (at..tokens.len()).find(|&at| matches!(tokens[at].text.as_str(), "{" | ";"))?;
                let is_body = tokens[open].text == "{";
                let lines = tokens[closing(tokens, open)].line - tokens[at].line + 1;
                is_body.then(|| Function { name: tokens[at + 1].text.clone(), lines })
            })
            .collect()
    }

    /// The contents of all string literals.
    pub fn strings(&self) -> impl Iterator<Item = String> {
        self.tokens.iter().filter(|token| token.text.ends_with(['"', '#']) && token.text.contains('"')).map(|token| token.text.replace("\\\n", " "))
    }

    /// The lines whose code is wider than `width`. String literals are not counted: a formatter
    /// can't break them.
    pub fn wide_lines(&self, width: usize) -> Vec<usize> {
        let mut ends: BTreeMap<usize, usize> = BTreeMap::new();
        let mut literals: BTreeMap<usize, usize> = BTreeMap::new();
        for token in &self.tokens {
            let end = ends.entry(token.end_line).or_default();
            *end = token.end_column.max(*end);
            if token.text.contains('"') {
                let last_line = token.text.lines().next_back().unwrap_or_default();
                *literals.entry(token.end_line).or_default() += last_line.chars().count();
            }
        }
        ends.retain(|line, end| *end > width + literals.get(line).copied().unwrap_or(0));
        ends.into_keys().collect()
    }
}

/// Is this a word of Rust, not punctuation?
pub fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The module of a file below `src`.
fn module_of(file: &str) -> Vec<String> {
    let mut module: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(token(open.to_owned(), group.span_open()));
                flatten(group.stream(), tokens);
                tokens.push(token(close.to_owned(), group.span_close()));
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint => {
                let is_path = matches!(trees.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':');
                if is_path {
                    trees.next();
                }
                tokens.push(token(if is_path { "::" } else { ":" }.to_owned(), punct.span()));
            }
            other => tokens.push(token(other.to_string(), other.span())),
        }
    }
}

fn token(text: String, span: proc_macro2::Span) -> Token {
    Token { text, line: span.start().line, end_line: span.end().line, end_column: span.end().column }
}

/// The position of the delimiter that closes the one at `open`; `open` itself when none is there.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    open
}

/// Leaves out documentation, and items that only tests compile.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut left = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let Some(end) = attribute_end(&tokens, at) else {
            left.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let is_of_tests = tokens[at..=end].windows(3).any(|words| words[0].text == "cfg" && words[1].text == "(" && words[2].text == "test");
        let is_doc = tokens[at..=end].iter().take(4).any(|token| token.text == "doc");
        if is_of_tests {
            at = item_end(&tokens, end + 1) + 1;
        } else if is_doc {
            at = end + 1;
        } else {
            left.extend_from_slice(&tokens[at..=end]);
            at = end + 1;
        }
    }
    left
}

/// Where the attribute that begins at `at` ends.
fn attribute_end(tokens: &[Token], at: usize) -> Option<usize> {
    let text = |at: usize| tokens.get(at).map(|token| token.text.as_str());
    let open = match (text(at), text(at + 1)) {
        (Some("#"), Some("[")) => at + 1,
        (Some("#"), Some("!")) if text(at + 2) == Some("[") => at + 2,
        _ => return None,
    };
    Some(closing(tokens, open))
}

/// Where the item that begins at `at` ends: at its block or semicolon.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    let mut is_use = false;
    while at < tokens.len() {
        if let Some(end) = attribute_end(tokens, at) {
            at = end + 1;
            continue;
        }
        match tokens[at].text.as_str() {
            ";" => return at,
            "use" => is_use = true,
            "{" if !is_use => return closing(tokens, at),
            "{" | "(" | "[" => at = closing(tokens, at),
            _ => {}
        }
        at += 1;
    }
    tokens.len() - 1
}

/// All Rust files below a folder, by their path in it. Files of unit tests are left out.
pub fn read(folder: &Path) -> Vec<Source> {
    files(folder, "rs")
        .into_iter()
        .filter(|file| !file.ends_with("tests.rs"))
        .map(|file| {
            let path = folder.join(&file);
            Source::parse(&file, &fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect()
}

/// The files below a folder with this ending, by their path in it, in order.
pub fn files(folder: &Path, extension: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let file = path.strip_prefix(folder).expect("it is inside");
                found.insert(file.to_string_lossy().into_owned());
            }
        }
    }
    found
}
