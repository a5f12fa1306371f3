//! Sizes that keep the code readable: files of at most 600 lines without their tests, functions of at most 60.

#[allow(dead_code, reason = "each test file uses its part of it")]
mod source;

use source::{Source, for_tests, rust_files};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 60;

/// Functions that may be longer: file, function, and the reason a reviewer accepted.
const LONG_FUNCTIONS: [(&str, &str, &str); 0] = [];

const FOLDERS: [&str; 4] = ["firmware", "proxy", "xtask", "tests"];

/// Lines of a span of text that hold code, as clippy counts them: blank lines and comments are free.
fn code_lines(text: &str, first: usize, last: usize) -> usize {
    let lines = text.lines().skip(first - 1).take(last + 1 - first);
    let code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    lines.filter(code).count()
}

struct Functions<'a> {
    text: &'a str,
    found: Vec<(String, usize, usize)>,
}

impl Functions<'_> {
    fn add(&mut self, name: &syn::Ident, block: &syn::Block) {
        let (first, last) = (block.span().start().line, block.span().end().line);
        // The lines of the braces are no content.
        let lines = code_lines(self.text, first, last).saturating_sub(2);
        self.found.push((name.to_string(), first, lines));
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig.ident, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig.ident, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

fn functions(source: &Source) -> Vec<(String, usize, usize)> {
    let mut functions = Functions {
        text: &source.text,
        found: Vec::new(),
    };
    functions.visit_file(&source.syntax);
    functions.found
}

/// Lines of a file without its test modules.
fn product_lines(source: &Source) -> usize {
    let tests = source.syntax.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if for_tests(&module.attrs) => {
            Some(module.span().end().line + 1 - module.span().start().line)
        }
        _ => None,
    });
    source.text.lines().count() - tests.sum::<usize>()
}

#[test]
fn no_file_is_longer_than_the_budget() {
    let long: Vec<String> = FOLDERS
        .iter()
        .flat_map(|folder| rust_files(folder))
        .filter(|source| product_lines(source) > FILE_LINES)
        .map(|source| {
            format!(
                "{}: {} lines",
                source.name.display(),
                product_lines(&source)
            )
        })
        .collect();
    assert!(
        long.is_empty(),
        "over {FILE_LINES} lines without tests:\n{}",
        long.join("\n")
    );
}

#[test]
fn no_function_is_longer_than_the_budget() {
    let mut long = Vec::new();
    for source in FOLDERS.iter().flat_map(|folder| rust_files(folder)) {
        let file = source.name.display().to_string();
        for (name, line, lines) in functions(&source) {
            let reviewed = LONG_FUNCTIONS
                .iter()
                .any(|(in_file, function, _)| *in_file == file && *function == name);
            if lines > FUNCTION_LINES && !reviewed {
                long.push(format!("{file}:{line}: `{name}` has {lines} lines"));
            }
        }
    }
    assert!(
        long.is_empty(),
        "over {FUNCTION_LINES} lines:\n{}",
        long.join("\n")
    );
}

#[test]
fn comments_and_blank_lines_are_free() {
    let text = "fn f() {\n    // why\n\n    g();\n    h();\n}\n";
    let source = Source::parse("a.rs".into(), text.to_owned());
    assert_eq!(functions(&source), [("f".to_owned(), 1, 2)]);
}
