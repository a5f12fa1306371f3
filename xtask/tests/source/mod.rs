//! Source files as the rules see them: parsed, without what only tests compile.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Root folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// Files that are part of the project, relative to its root: what git tracks, and what is new and not ignored.
pub fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "git ls-files failed");
    let names = String::from_utf8(output.stdout).unwrap();
    let names = names.split_terminator('\0').map(PathBuf::from);
    // A file may be deleted and not yet committed.
    names.filter(|name| root().join(name).is_file()).collect()
}

/// Rust files below `folder`.
pub fn rust_files(folder: &str) -> Vec<Source> {
    let names = files()
        .into_iter()
        .filter(|name| name.starts_with(folder) && name.extension().is_some_and(|end| end == "rs"));
    let mut sources: Vec<Source> = names.map(Source::read).collect();
    let tests: BTreeSet<PathBuf> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        source.only_tests = source
            .name
            .ancestors()
            .any(|part| tests.contains(&part.with_extension("")));
    }
    sources
}

/// One Rust file.
pub struct Source {
    /// Path relative to the root.
    pub name: PathBuf,
    pub text: String,
    pub syntax: syn::File,
    /// Whether the whole file is compiled for tests only.
    pub only_tests: bool,
}

impl Source {
    fn read(name: PathBuf) -> Self {
        let text = fs::read_to_string(root().join(&name)).unwrap();
        Self::parse(name, text)
    }

    pub fn parse(name: PathBuf, text: String) -> Self {
        let syntax =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", name.display()));
        Self {
            name,
            text,
            syntax,
            only_tests: false,
        }
    }

    /// The module path inside its crate: `src/wire/frame.rs` is `wire::frame`, and so is `src/wire/frame/mod.rs`.
    pub fn module(&self) -> Vec<String> {
        let parts = self.name.iter().map(|part| part.to_string_lossy());
        let mut module: Vec<String> = parts
            .skip_while(|part| part != "src")
            .skip(1)
            .map(|part| part.trim_end_matches(".rs").to_owned())
            .collect();
        module.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
        module
    }

    /// Folder and name, without extension, of the files behind `#[cfg(test)] mod name;`.
    fn test_modules(&self) -> Vec<PathBuf> {
        let stem = self.name.with_extension("");
        let is_root = ["mod", "lib", "main"]
            .iter()
            .any(|name| stem.ends_with(name));
        let folder = if is_root {
            stem.parent().unwrap().to_path_buf()
        } else {
            stem
        };
        let modules = self.syntax.items.iter().filter_map(|item| match item {
            syn::Item::Mod(module) if module.content.is_none() && for_tests(&module.attrs) => {
                Some(folder.join(module.ident.to_string()))
            }
            _ => None,
        });
        modules.collect()
    }
}

/// Whether an item is compiled for tests only.
pub fn for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if attribute.path().is_ident("cfg") => {
            list.tokens.to_string() == "test"
        }
        syn::Meta::Path(path) => path.is_ident("test"),
        _ => false,
    })
}
