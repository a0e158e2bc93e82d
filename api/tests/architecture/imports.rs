//! Which file uses which: `use` trees and paths in code, through re-exports and local names.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, Token, is_word};

/// A path from the root of the crate.
type Path = Vec<String>;

/// The files of a crate and what each uses.
pub struct Imports {
    /// Each file, with the files of the same crate that it uses.
    pub files: BTreeMap<String, BTreeSet<String>>,
}

/// What one file declares and uses.
#[derive(Default)]
struct Uses {
    /// Local names of imported paths.
    names: BTreeMap<String, Path>,
    /// The part of `names` that is visible outside.
    exported: BTreeMap<String, Path>,
    paths: BTreeSet<Path>,
}

impl Imports {
    /// Resolves the paths of all files of a crate. The root files are left out: they only declare
    /// and start.
    pub fn of(sources: &[Source]) -> Self {
        let modules: BTreeMap<Path, &Source> = sources.iter().map(|source| (source.module.clone(), source)).collect();
        let uses: BTreeMap<&str, Uses> = sources.iter().map(|source| (source.file.as_str(), Uses::of(source, &modules))).collect();
        let resolver = Resolver { modules: &modules, macros: macros(sources), uses: &uses };
        let files = sources.iter().filter(|source| !source.module.is_empty()).map(|source| {
            let own = &uses[source.file.as_str()];
            let targets = own.paths.iter().filter_map(|path| resolver.file_of(path, 8)).filter(|file| *file != source.file);
            (source.file.clone(), targets.map(str::to_owned).collect())
        });
        Self { files: files.collect() }
    }

    /// Each folder of the root, with the folders that its files use. A file in the root counts as a
    /// folder.
    pub fn folders(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (file, targets) in &self.files {
            let folder = folder_of(file);
            let others = targets.iter().map(|target| folder_of(target)).filter(|target| *target != folder);
            folders.entry(folder.to_owned()).or_default().extend(others.map(str::to_owned));
        }
        folders
    }
}

/// The folder of the root that a file is in.
pub fn folder_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

struct Resolver<'a> {
    modules: &'a BTreeMap<Path, &'a Source>,
    /// The files that define exported macros.
    macros: BTreeMap<String, &'a str>,
    uses: &'a BTreeMap<&'a str, Uses>,
}

impl<'a> Resolver<'a> {
    /// The file that defines what a path names.
    fn file_of(&self, path: &[String], depth: usize) -> Option<&'a str> {
        if let [name, ..] = path
            && !self.modules.contains_key(&path[..1])
        {
            return self.macros.get(name).copied();
        }
        let length = (1..=path.len()).rev().find(|&length| self.modules.contains_key(&path[..length]))?;
        let file = self.modules[&path[..length]].file.as_str();
        let exported = path.get(length).and_then(|name| self.uses[file].exported.get(name));
        match exported {
            Some(target) if depth > 0 => {
                let rest = &path[length + 1..];
                self.file_of(&[target.as_slice(), rest].concat(), depth - 1).or(Some(file))
            }
            _ => Some(file),
        }
    }
}

/// Exported macros are named from the root of the crate, wherever they are defined.
fn macros(sources: &[Source]) -> BTreeMap<String, &str> {
    let definitions = sources.iter().flat_map(|source| {
        let names = source.tokens.windows(3).filter(|words| words[0].text == "macro_rules" && words[1].text == "!");
        names.map(|words| (words[2].text.clone(), source.file.as_str()))
    });
    definitions.collect()
}

impl Uses {
    fn of(source: &Source, modules: &BTreeMap<Path, &Source>) -> Self {
        let mut uses = Self::default();
        let tokens = &source.tokens;
        let inline = inline_modules(tokens);
        let module_at = |at: usize| {
            let within = inline.iter().filter(|(_, range)| range.contains(&at)).map(|(name, _)| name.clone());
            source.module.iter().cloned().chain(within).collect::<Path>()
        };
        let statements = statements(tokens);
        for statement in &statements {
            let is_exported = statement.start > 0 && matches!(tokens[statement.start - 1].text.as_str(), "pub" | ")");
            let tree = &tokens[statement.start + 1..statement.end];
            uses.add_tree(tree, &module_at(statement.start), is_exported, modules);
        }
        for at in 0..tokens.len() {
            if !statements.iter().any(|statement| statement.contains(&at)) {
                uses.add_path(tokens, at, module_at, modules);
            }
        }
        uses
    }

    fn add_tree(&mut self, tree: &[Token], module: &[String], is_exported: bool, modules: &BTreeMap<Path, &Source>) {
        for (path, name) in leaves(tree, &[]) {
            let Some(path) = absolute(&path, module, modules) else { continue };
            let is_own = path.starts_with(module);
            self.names.insert(name.clone(), path.clone());
            if is_exported {
                self.exported.insert(name, path.clone());
            }
            // A module that shows a part of itself under its own name does not depend on it.
            if !(is_exported && is_own) {
                self.paths.insert(path);
            }
        }
    }

    /// Adds the path that begins at a token, if one does.
    fn add_path(&mut self, tokens: &[Token], at: usize, module_at: impl Fn(usize) -> Path, modules: &BTreeMap<Path, &Source>) {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
        let is_start = at == 0 || !matches!(text(at - 1), "::" | ".");
        if !(is_start && is_word(text(at)) && text(at + 1) == "::") {
            return;
        }
        let mut path = vec![text(at).to_owned()];
        let mut next = at + 1;
        while text(next) == "::" && is_word(text(next + 1)) {
            path.push(text(next + 1).to_owned());
            next += 2;
        }
        if let Some(named) = self.names.get(&path[0]) {
            self.paths.insert([named.as_slice(), &path[1..]].concat());
        } else if let Some(path) = absolute(&path, &module_at(at), modules) {
            self.paths.insert(path);
        }
    }
}

/// Where the `use` statements are, each up to its semicolon. `use<…>` of a type is none.
fn statements(tokens: &[Token]) -> Vec<std::ops::Range<usize>> {
    let starts = (0..tokens.len().saturating_sub(1)).filter(|&at| tokens[at].text == "use" && tokens[at + 1].text != "<");
    starts.filter_map(|at| Some(at..(at..tokens.len()).find(|&end| tokens[end].text == ";")?)).collect()
}

/// The modules that are written inside a file, with the positions of their tokens.
fn inline_modules(tokens: &[Token]) -> Vec<(String, std::ops::RangeInclusive<usize>)> {
    let starts = (0..tokens.len().saturating_sub(2)).filter(|&at| tokens[at].text == "mod" && tokens[at + 2].text == "{");
    starts.map(|at| (tokens[at + 1].text.clone(), at + 2..=crate::source::closing(tokens, at + 2))).collect()
}

/// The paths of a `use` tree, each with its local name.
fn leaves(tree: &[Token], before: &[String]) -> Vec<(Path, String)> {
    let mut path = before.to_vec();
    let mut at = 0;
    while at < tree.len() {
        match tree[at].text.as_str() {
            "{" => {
                let inside = &tree[at + 1..crate::source::closing(tree, at)];
                return branches(inside).flat_map(|branch| leaves(branch, &path)).collect();
            }
            "as" => return vec![(path, tree[at + 1].text.clone())],
            "self" if !path.is_empty() => {}
            word if is_word(word) => path.push(word.to_owned()),
            _ => {}
        }
        at += 1;
    }
    let name = path.last().cloned().unwrap_or_default();
    vec![(path, name)]
}

/// Splits the inside of a group of a `use` tree at its commas.
fn branches(inside: &[Token]) -> impl Iterator<Item = &[Token]> {
    let mut depth = 0_usize;
    let parts = inside.split(move |token| {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && token.text == ","
    });
    parts.filter(|part| !part.is_empty())
}

/// A path from the root of the crate; `None` for one of another crate.
fn absolute(path: &[String], module: &[String], modules: &BTreeMap<Path, &Source>) -> Option<Path> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => absolute_below(module, rest),
        "super" => {
            let parent = module.split_last()?.1;
            match rest.first().map(String::as_str) {
                Some("super") => absolute(rest, parent, modules),
                _ => absolute_below(parent, rest),
            }
        }
        _ => {
            let child = [module, &path[..1]].concat();
            modules.contains_key(&child).then(|| [module, path].concat())
        }
    }
}

fn absolute_below(module: &[String], rest: &[String]) -> Option<Path> {
    Some([module, rest].concat())
}
