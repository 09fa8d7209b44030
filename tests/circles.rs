//! The files of a crate form no circle: what two of them share stands in a third one, below both.
//!
//! A file names another by a path to one of its items, in an import or in code. The path is followed through modules,
//! imports and `pub use` to the file that declares the item, so a file that only passes a name on is not named, and
//! `pub use` counts where the code of its own file has the name too. A folder is a whole and its files are its parts,
//! most of which extend a type of its `mod.rs`: a file may name the items of those modules that it stands in. The other
//! way round counts, as between any two files. Unit tests may name what they like; methods and macros have no path.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;

use super::{CRATES, Source, code, root, sources};

/// A module, from the crate down; empty for the crate itself.
type Module = Vec<String>;
/// The modules that each module names, each with a path by which it does.
type Named = BTreeMap<Module, BTreeMap<Module, String>>;

/// The words before the name of an item.
const ITEMS: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

/// The names in a file.
#[derive(Default)]
struct Spelt {
    /// The imports, by the name that each gives.
    imports: BTreeMap<String, Vec<String>>,
    /// The names of those that the file passes on.
    passed_on: BTreeSet<String>,
    /// The modules below it all of whose items it passes on.
    globs: Vec<Vec<String>>,
    /// The items of the file itself.
    own: BTreeSet<String>,
    /// The paths in code, those of one word too.
    paths: BTreeSet<Vec<String>>,
}

impl Spelt {
    fn of(code: &str) -> Self {
        let tokens = tokens(code);
        let mut spelt = Self::default();
        let mut at = 0;
        while at < tokens.len() {
            let before = at.checked_sub(1).map_or("", |before| tokens[before]);
            // The word stands in texts too, and in `impl Trait + use<'_>`.
            if tokens[at] == "use" && ["", ";", "{", "}", "]", ")", "pub"].contains(&before) {
                let end = at + tokens[at..].iter().position(|token| *token == ";").unwrap();
                spelt.import(&tokens[at + 1..=end], before == "pub" || before == ")");
                at = end;
            } else if is_word(tokens[at]) {
                let mut path = vec![tokens[at].to_owned()];
                while tokens.get(at + 1) == Some(&"::") && tokens.get(at + 2).is_some_and(|next| is_word(next)) {
                    path.push(tokens[at + 2].to_owned());
                    at += 2;
                }
                if ITEMS.contains(&before) {
                    spelt.own.extend(path);
                } else if !["::", ".", "mod"].contains(&before) {
                    spelt.paths.insert(path);
                }
            }
            at += 1;
        }
        spelt
    }

    /// Reads the tree of an import, with the sign that ends it.
    fn import(&mut self, tree: &[&str], is_public: bool) {
        let (mut path, mut groups, mut name) = (Vec::<String>::new(), vec![0], None::<String>);
        for (at, token) in tree.iter().enumerate() {
            match *token {
                // `::http` is another crate's name, whatever modules there are.
                "::" if at == 0 => return,
                "::" | "as" => {}
                "{" => groups.push(path.len()),
                "," | "}" | ";" => {
                    if let Some(name) = name.take() {
                        self.imported(path.clone(), name, is_public);
                    }
                    path.truncate(*groups.last().unwrap());
                    if *token == "}" {
                        groups.pop();
                    }
                }
                word => {
                    name = Some(word.to_owned());
                    if at == 0 || tree[at - 1] != "as" {
                        path.push(word.to_owned());
                    }
                }
            }
        }
    }

    fn imported(&mut self, mut path: Vec<String>, mut name: String, is_public: bool) {
        if path.pop_if(|last| last == "*").is_some() {
            self.globs.push(path);
            return;
        }
        path.pop_if(|last| last == "self");
        if name == "self" {
            name = path.last().cloned().unwrap();
        }
        if is_public {
            self.passed_on.insert(name.clone());
        }
        self.imports.insert(name, path);
    }
}

/// The words, each `::`, and all other signs.
fn tokens(code: &str) -> Vec<&str> {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if in_word(first) => rest.find(|c| !in_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// The files of a crate, by their modules.
struct Files(BTreeMap<Module, Spelt>);

impl Files {
    fn of(name: &str) -> Self {
        let src = root().join("src").join(name);
        let module = |source: &Source| -> Module {
            let path = source.path.strip_prefix(&src).unwrap().with_extension("");
            let words = path.iter().map(|word| word.to_str().unwrap().to_owned());
            words.filter(|word| word != "mod" && word != "lib").collect()
        };
        // `main.rs` is another crate.
        let own = sources().into_iter().filter(|source| source.room.0 == name && !source.path.ends_with("main.rs"));
        Self(own.map(|source| (module(&source), Spelt::of(&code(&source.text)))).collect())
    }

    /// Returns the file that declares the item of a path in the file `from`; `None` for a path to a module.
    fn declaring(&self, from: &[String], path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.inside(&[], rest),
            "self" => self.inside(from, rest),
            _ => self.inside(from, path),
        }
    }

    /// The same for a path from `module` on. What is not of this crate counts as declared where the path ends.
    fn inside(&self, module: &[String], path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        if first == "super" {
            return self.inside(&module[..module.len() - 1], rest);
        }
        let spelt = &self.0[module];
        let child: Module = module.iter().chain(once(first)).cloned().collect();
        let has_child = self.0.contains_key(&child);
        // An import from a crate of its own name leads no further.
        let import = spelt.imports.get(first).filter(|import| has_child || import[0] != *first);
        match import {
            // A function may have the name of its module: the last word is the function's.
            Some(import) if rest.is_empty() || !has_child => self.declaring(module, &[import, rest].concat()),
            _ if has_child => self.inside(&child, rest),
            _ => {
                let mut globs = spelt.globs.iter().map(|glob| [module, glob].concat());
                let below = globs.find(|glob| self.0.get(glob).is_some_and(|spelt| spelt.own.contains(first)));
                Some(below.unwrap_or_else(|| module.to_owned()))
            }
        }
    }

    fn named(&self) -> Named {
        let mut named = Named::new();
        for (file, spelt) in &self.0 {
            let imports = spelt.imports.iter().filter(|(name, _)| !spelt.passed_on.contains(*name));
            let others = named.entry(file.clone()).or_default();
            for path in imports.map(|(_, path)| path).chain(&spelt.paths) {
                let other = self.declaring(file, path).filter(|other| !file.starts_with(other));
                others.extend(other.map(|other| (other, path.join("::"))));
            }
        }
        named
    }
}

/// Returns a way from a file back to itself, in words; `None` if there is no circle.
fn circle(mut named: Named) -> Option<String> {
    // Without the files that name none of the rest, again and again, each of the rest names another of the rest.
    while let Some(last) = named.iter().find(|(_, others)| others.is_empty()).map(|(file, _)| file.clone()) {
        named.remove(&last);
        named.values_mut().for_each(|others| _ = others.remove(&last));
    }
    let mut way = vec![named.keys().next()?];
    loop {
        let (next, _) = named[*way.last().unwrap()].first_key_value().unwrap();
        if let Some(start) = way.iter().position(|file| *file == next) {
            let steps = way[start..].iter().zip(way[start + 1..].iter().chain(once(&next)));
            let steps = steps.map(|(file, other)| format!("{} names {}", file.join("/"), named[*file][*other]));
            return Some(steps.collect::<Vec<_>>().join(", "));
        }
        way.push(next);
    }
}

#[test]
fn files_of_a_crate_form_no_circle() {
    for name in CRATES {
        let circle = circle(Files::of(name).named());
        assert_eq!(circle, None, "{name}: a circle of files; move what they share into a file below both");
    }
}

#[test]
fn circles_are_found_through_whatever_passes_a_name_on() {
    let of = |files: &[(&str, &str)]| {
        let module = |path: &str| path.split('/').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        circle(Files(files.iter().map(|(path, code)| (module(path), Spelt::of(code))).collect()).named())
    };
    let root = ("", "pub mod a;\npub mod b;");
    // Parts name the whole, and each other in one direction; the whole passes their names on.
    let whole = ("a", "mod x;\nmod y;\npub use x::X;\npub use y::{Y as Z, go};\npub struct A;");
    let [x, y] = ["use super::{A, Z};\npub struct X;", "use crate::a::A;\npub struct Y;\npub fn go() -> A {}"];
    assert_eq!(of(&[root, whole, ("a/x", x), ("a/y", y), ("b", "use crate::a::{self, X};\nfn b() { a::go() }")]), None);
    // Siblings, over the names that the whole gives them, in code alone.
    let back = format!("{y}\nfn x() -> super::X {{}}");
    let found = of(&[root, whole, ("a/x", x), ("a/y", &back), ("b", "")]);
    assert_eq!(found.as_deref(), Some("a/x names super::Z, a/y names super::X"));
    // Rooms, over a name that one passes on with all others of a part, and one that it uses itself.
    let glob = ("a", "mod x;\npub use x::*;\npub use crate::b::B;\nfn a(b: B) {}");
    let found = of(&[root, glob, ("a/x", "pub struct X;\nfn f() { super::super::b::b() }"), ("b", "use crate::a::X;")]);
    assert_eq!(found.as_deref(), Some("b names crate::a::X, a/x names super::super::b::b"));
    let found = of(&[root, glob, ("a/x", "pub struct X;"), ("b", "pub struct B;\nfn f() { crate::a::a() }")]);
    assert_eq!(found.as_deref(), Some("a names B, b names crate::a::a"));
    // Another crate's name, a text, and a method.
    let b = "use ::a::X;\nuse other::a;\nfn f() { \"; use a.\"; a::b(); X.x() }";
    assert_eq!(of(&[root, ("a", "pub fn x() {}\nuse crate::b::f;"), ("b", b)]), None);
}
