//! The imports of src/, file by file, as the parser of Rust reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Attribute, Item, ItemFn, ItemImpl, ItemMod, ItemUse, Macro, Meta, Path, UseTree, Visibility,
};

/// Every module of the library, and the modules that its file imports.
pub struct Imports(BTreeMap<String, BTreeSet<String>>);

/// The paths in one file, all from the root of the crate.
#[derive(Default)]
struct File {
    module: Vec<String>,
    /// The modules that it declares, each in a file of its own.
    children: BTreeSet<String>,
    /// The paths of its re-exports, by the exported name.
    exports: BTreeMap<String, Vec<String>>,
    paths: BTreeSet<Vec<String>>,
    /// The inline modules around the item that is read.
    inside: Vec<String>,
}

// === impl Imports ===

impl Imports {
    /// Reads src/lib.rs and every file below it.
    pub fn of_the_library() -> Self {
        let mut files = BTreeMap::new();
        read(Vec::new(), &mut files);
        let imports = files.iter().filter(|(module, _)| !module.is_empty());
        let imports = imports.map(|(module, file)| {
            let targets = file.paths.iter().map(|path| resolve(&files, path));
            let targets = targets.filter(|target| target != module && !target.is_empty());
            (module.join("::"), targets.map(|it| it.join("::")).collect())
        });
        Self(imports.collect())
    }

    pub fn modules(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Returns each import as a pair: the importing file and the imported file.
    pub fn edges(&self) -> impl Iterator<Item = (&String, &String)> {
        let edges = self.0.iter();
        edges.flat_map(|(from, to)| to.iter().map(move |to| (from, to)))
    }

    /// Returns every file that a file imports, directly or through others.
    pub fn reachable(&self, module: &str) -> BTreeSet<&String> {
        let mut reached = BTreeSet::new();
        let mut next = vec![module];
        while let Some(module) = next.pop() {
            for import in self.0.get(module).into_iter().flatten() {
                if reached.insert(import) {
                    next.push(import);
                }
            }
        }
        reached
    }
}

/// Returns the top module that contains a module.
pub fn top(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

/// Returns the paths in one text, which is the file of a module.
pub fn paths(text: &str, module: &str) -> BTreeSet<String> {
    let file = parse(text, module.split("::").map(str::to_owned).collect());
    file.paths.iter().map(|path| path.join("::")).collect()
}

fn read(module: Vec<String>, files: &mut BTreeMap<Vec<String>, File>) {
    let name = if module.is_empty() {
        "lib".to_owned()
    } else {
        module.join("/")
    };
    let path = crate::docs::path(&format!("src/{name}.rs"));
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = parse(&text, module.clone());
    for child in &file.children {
        read([&module[..], std::slice::from_ref(child)].concat(), files);
    }
    files.insert(module, file);
}

fn parse(text: &str, module: Vec<String>) -> File {
    let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{module:?}: {error}"));
    let mut file = File {
        module,
        ..File::default()
    };
    for item in &parsed.items {
        if let Item::Mod(ItemMod {
            attrs,
            ident,
            content: None,
            ..
        }) = item
            && !is_test(attrs)
        {
            file.children.insert(ident.to_string());
        }
    }
    file.visit_file(&parsed);
    file
}

/// Returns the module whose file defines a path, after following every re-export.
fn resolve(files: &BTreeMap<Vec<String>, File>, path: &[String]) -> Vec<String> {
    let mut at = Vec::new();
    for (place, name) in path.iter().enumerate() {
        let next = [&at[..], std::slice::from_ref(name)].concat();
        if files.contains_key(&next) {
            at = next;
        } else if let Some(target) = files[&at].exports.get(name) {
            return resolve(files, &[&target[..], &path[place + 1..]].concat());
        } else {
            break;
        }
    }
    at
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string().replace(' ', "");
            condition == "test" || condition.starts_with("all(test")
        }
        _ => false,
    })
}

// === impl File ===

impl File {
    /// Adds a path if it belongs to this crate.
    fn add(&mut self, path: &[String], name: Option<String>, is_exported: bool) {
        let Some(first) = path.first() else { return };
        let here = [&self.module[..], &self.inside].concat();
        let absolute = match first.as_str() {
            "crate" => path[1..].to_vec(),
            "self" => [&here[..], &path[1..]].concat(),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                [&here[..here.len() - up], &path[up..]].concat()
            }
            child if self.children.contains(child) && path.len() > 1 => [&here[..], path].concat(),
            _ => return,
        };
        if let Some(name) = name.filter(|_| is_exported) {
            self.exports.insert(name, absolute.clone());
        }
        self.paths.insert(absolute);
    }

    fn add_tree(&mut self, before: &[String], tree: &UseTree, is_exported: bool) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            UseTree::Path(path) => {
                self.add_tree(&with(path.ident.to_string()), &path.tree, is_exported);
            }
            UseTree::Name(name) if name.ident == "self" => {
                self.add(before, before.last().cloned(), is_exported);
            }
            UseTree::Name(name) => self.add(
                &with(name.ident.to_string()),
                Some(name.ident.to_string()),
                is_exported,
            ),
            UseTree::Rename(rename) => {
                self.add(
                    &with(rename.ident.to_string()),
                    Some(rename.rename.to_string()),
                    is_exported,
                );
            }
            UseTree::Glob(_) => self.add(before, None, false),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree, is_exported);
                }
            }
        }
    }

    /// Adds the paths of a macro, whose tokens have no syntax tree.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.add(&std::mem::take(&mut path), None, false);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.add(&std::mem::take(&mut path), None, false);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.add(&path, None, false);
    }
}

impl<'a> Visit<'a> for File {
    fn visit_item_use(&mut self, item: &'a ItemUse) {
        if !is_test(&item.attrs) {
            self.add_tree(&[], &item.tree, !matches!(item.vis, Visibility::Inherited));
        }
    }

    fn visit_path(&mut self, path: &'a Path) {
        let parts: Vec<_> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        // A path of one part is a local name, or the `super` of `pub(super)`.
        if parts.len() > 1 {
            self.add(&parts, None, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        if let Meta::List(list) = &attribute.meta
            && !list.path.is_ident("cfg")
        {
            self.add_tokens(list.tokens.clone());
        }
    }

    fn visit_item_mod(&mut self, item: &'a ItemMod) {
        if item.content.is_some() && !is_test(&item.attrs) {
            self.inside.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.inside.pop();
        }
    }

    fn visit_item_fn(&mut self, item: &'a ItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'a ItemImpl) {
        if !is_test(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }
}
