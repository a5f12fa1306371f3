//! The layer rule of the router's crates, kept from the source text:
//! `wire <- control, data, ledger <- node`; these three never import each other; core needs neither `std` nor `alloc` nor `unsafe`;
//! system calls are made in `firmware/linux` only; `aead` names nothing of ours.

#[allow(dead_code, reason = "each test file uses its part of it")]
mod source;

use proc_macro2::{Span, TokenStream, TokenTree};
use source::{Source, for_tests, rust_files};
use std::path::PathBuf;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A path as it is used in a file, with everything relative resolved: `super::x` in `wire::frame` is `crate::wire::x`.
struct Use {
    segments: Vec<String>,
    line: usize,
}

/// Everything the rules ask about one file. Items for tests are left out.
struct Uses {
    module: Vec<String>,
    paths: Vec<Use>,
    unsafety: Vec<usize>,
}

impl Uses {
    fn of(source: &Source) -> Self {
        let mut uses = Self {
            module: source.module(),
            paths: Vec::new(),
            unsafety: Vec::new(),
        };
        if !source.only_tests {
            uses.visit_file(&source.syntax);
        }
        uses
    }

    fn add(&mut self, segments: Vec<String>, span: Span) {
        let line = span.start().line;
        let supers = segments.iter().take_while(|name| *name == "super").count();
        let own = segments.first().is_some_and(|name| name == "self");
        let segments = if supers > 0 || own {
            let kept = self.module.len().saturating_sub(supers);
            let rest = segments.into_iter().skip(supers + usize::from(own));
            let start = std::iter::once("crate".to_owned());
            start
                .chain(self.module[..kept].iter().cloned())
                .chain(rest)
                .collect()
        } else {
            segments
        };
        self.paths.push(Use { segments, line });
    }

    fn add_tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let joined = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&joined(&path.ident), &path.tree),
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.add_tree(prefix, item);
                }
            }
            syn::UseTree::Name(name) => self.add(joined(&name.ident), name.span()),
            syn::UseTree::Rename(name) => self.add(joined(&name.ident), name.span()),
            syn::UseTree::Glob(glob) => self.add(prefix.to_vec(), glob.span()),
        }
    }

    /// Paths inside a macro call, which is not parsed: runs of `name :: name`.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut run: Vec<syn::Ident> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(name) if colons == 2 => run.push(name),
                TokenTree::Ident(name) => {
                    self.add_run(&mut run);
                    if name == "unsafe" {
                        self.unsafety.push(name.span().start().line);
                    }
                    run.push(name);
                }
                TokenTree::Group(group) => {
                    self.add_run(&mut run);
                    self.add_tokens(group.stream());
                }
                _ => self.add_run(&mut run),
            }
            colons = 0;
        }
        self.add_run(&mut run);
    }

    fn add_run(&mut self, run: &mut Vec<syn::Ident>) {
        let names: Vec<String> = run.iter().map(syn::Ident::to_string).collect();
        if let [first, _, ..] = run.as_slice() {
            self.add(names, first.span());
        }
        run.clear();
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::ExternCrate(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.add(vec![item.ident.to_string(), String::new()], item.span());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        // One name alone is a local thing: `alloc(…)` may be a function of ours.
        if segments.len() > 1 {
            self.add(segments, path.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.unsafety.push(block.span().start().line);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.unsafety.extend(
            signature
                .unsafety
                .iter()
                .map(|word| word.span().start().line),
        );
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.unsafety
            .extend(item.unsafety.iter().map(|word| word.span().start().line));
        visit::visit_item_impl(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        self.unsafety.push(item.span().start().line);
        visit::visit_item_foreign_mod(self, item);
    }
}

/// Which layers of core a layer may name. Modules that are no layer (`time`, `limits`, `error`, …) are free to all, and name none.
fn allowed(layer: &str) -> &'static [&'static str] {
    match layer {
        "control" => &["wire", "control"],
        "data" => &["wire", "data"],
        "ledger" => &["wire", "ledger"],
        "usage" => &["wire", "ledger", "usage"],
        "node" => &["wire", "control", "data", "ledger", "node"],
        "wire" => &["wire"],
        _ => &[],
    }
}

const LAYERS: [&str; 6] = ["wire", "control", "data", "ledger", "usage", "node"];

/// Breaches of the order of layers in one file of core.
fn layer_breaches(source: &Source) -> Vec<String> {
    let uses = Uses::of(source);
    let own = uses.module.first().cloned().unwrap_or_default();
    // lib.rs declares the layers and may re-export from them.
    if own.is_empty() {
        return Vec::new();
    }
    let breaches = uses.paths.iter().filter_map(|used| {
        let [first, layer, ..] = used.segments.as_slice() else {
            return None;
        };
        let foreign = first == "crate"
            && LAYERS.contains(&layer.as_str())
            && !allowed(&own).contains(&layer.as_str());
        foreign.then(|| {
            format!(
                "{}:{}: `{own}` names `{}`",
                source.name.display(),
                used.line,
                used.segments.join("::")
            )
        })
    });
    breaches.collect()
}

/// Uses of a crate by one file.
fn crate_uses(source: &Source, names: &[&str]) -> Vec<String> {
    let uses = Uses::of(source);
    let found = uses.paths.iter().filter(|used| {
        let first = used.segments.first().map_or("", String::as_str);
        used.segments.len() > 1 && names.contains(&first)
    });
    let describe = |used: &Use| {
        format!(
            "{}:{}: `{}`",
            source.name.display(),
            used.line,
            used.segments.join("::")
        )
    };
    found.map(describe).collect()
}

fn unsafe_uses(source: &Source) -> Vec<String> {
    let uses = Uses::of(source);
    let describe = |line: &usize| format!("{}:{line}: unsafe", source.name.display());
    uses.unsafety.iter().map(describe).collect()
}

fn assert_none(rule: &str, breaches: impl Iterator<Item = String>) {
    let breaches: Vec<String> = breaches.collect();
    assert!(breaches.is_empty(), "{rule}:\n{}", breaches.join("\n"));
}

#[test]
fn layers_of_core_name_only_what_is_below_them() {
    let sources = rust_files("firmware/core/src");
    assert!(!sources.is_empty());
    let rule = "wire <- control, data, ledger <- node; they meet in node";
    assert_none(rule, sources.iter().flat_map(layer_breaches));
}

#[test]
fn router_libraries_use_neither_std_nor_alloc() {
    for folder in [
        "firmware/aead/src",
        "firmware/core/src",
        "firmware/control-net/src",
        "firmware/linux/src",
        "firmware/agent/src",
    ] {
        let sources = rust_files(folder);
        let found = sources
            .iter()
            .flat_map(|source| crate_uses(source, &["std", "alloc"]));
        assert_none("no std and no alloc on the router", found);
    }
}

#[test]
fn core_and_agent_make_no_system_call_and_hold_no_unsafe_code() {
    // What the linker calls before the agent's own main, and what the processor runs as the compiler would never write it.
    let shims = [
        "firmware/agent/src/main.rs",
        "firmware/aead/src/tuned/poly/mips.rs",
    ]
    .map(PathBuf::from);
    for folder in [
        "firmware/aead/src",
        "firmware/core/src",
        "firmware/control-net/src",
        "firmware/agent/src",
    ] {
        let sources = rust_files(folder);
        let product = || {
            sources
                .iter()
                .filter(|source| !shims.contains(&source.name))
        };
        assert_none(
            "unsafe code is in firmware/linux",
            product().flat_map(unsafe_uses),
        );
        let libc = product().flat_map(|source| crate_uses(source, &["libc"]));
        assert_none("system calls are in firmware/linux", libc);
    }
}

#[test]
fn the_cipher_names_nothing_of_ours() {
    let sources = rust_files("firmware/aead/src");
    assert!(!sources.is_empty());
    let ours = ["burstmesh", "burstmesh_core", "burstmesh_linux", "libc"];
    let found = sources.iter().flat_map(|source| crate_uses(source, &ours));
    assert_none("aead is below every layer", found);
}

#[test]
fn the_control_network_knows_messages_and_no_nodes_or_kernel() {
    let sources = rust_files("firmware/control-net/src");
    assert!(!sources.is_empty());
    let found = sources
        .iter()
        .flat_map(|source| crate_uses(source, &["burstmesh", "burstmesh_linux", "libc"]));
    assert_none("control-net is beside the node and above wire", found);
    let beyond = ["node", "data", "control", "ledger", "usage"];
    let beyond = sources.iter().flat_map(|source| {
        let uses = Uses::of(source);
        let names = uses.paths.into_iter().map(|used| used.segments);
        names.filter(|names| match names.as_slice() {
            [first, layer, ..] => first == "burstmesh_core" && beyond.contains(&layer.as_str()),
            _ => false,
        })
    });
    let beyond = beyond.map(|names| names.join("::"));
    assert_none("control-net uses wire alone", beyond);
}

#[test]
fn embassy_is_named_in_control_net_only() {
    for folder in [
        "firmware/core/src",
        "firmware/linux/src",
        "firmware/agent/src",
        "proxy/src",
    ] {
        let sources = rust_files(folder);
        let found = sources
            .iter()
            .flat_map(|source| crate_uses(source, &["embassy_net", "embassy_time"]));
        assert_none("the stack is behind control-net", found);
    }
}

#[test]
fn the_exit_holds_no_unsafe_code() {
    let sources = rust_files("proxy/src");
    assert_none(
        "unsafe code is in firmware/linux",
        sources.iter().flat_map(unsafe_uses),
    );
}

/// The rules on texts made up for it: they must see what they are for.
fn made_up(name: &str, text: &str) -> Source {
    Source::parse(PathBuf::from(name), text.to_owned())
}

#[test]
fn a_breach_is_seen_however_it_is_written() {
    for text in [
        "use crate::data::flow::Flow;",
        "use crate::{time::Instant, data};",
        "use super::super::data::flow;",
        "fn f() { let _ = crate::data::flow::new(); }",
        "fn f(x: &crate::node::Gateway) {}",
        "fn f() { g!(1, crate::data::X) }",
        "mod inner { use super::super::super::node; }",
    ] {
        let source = made_up("firmware/core/src/control/peers.rs", text);
        assert_eq!(layer_breaches(&source).len(), 1, "{text}");
    }
}

#[test]
fn what_is_allowed_is_no_breach() {
    for text in [
        "use crate::wire::announce;",
        "use super::handshake;",
        "use crate::time::Instant;",
        "#[cfg(test)] mod tests { use crate::data::flow; }",
        "fn f(data: u8) -> u8 { data }",
    ] {
        let source = made_up("firmware/core/src/control/peers.rs", text);
        assert!(layer_breaches(&source).is_empty(), "{text}");
    }
}

#[test]
fn std_alloc_libc_and_unsafe_are_seen() {
    let source = |text| made_up("firmware/core/src/wire/frame.rs", text);
    assert_eq!(
        crate_uses(&source("extern crate alloc;"), &["alloc"]).len(),
        1
    );
    assert_eq!(crate_uses(&source("use std::vec::Vec;"), &["std"]).len(), 1);
    assert_eq!(
        crate_uses(&source("fn f() { m!(std::mem::take(x)) }"), &["std"]).len(),
        1
    );
    assert_eq!(
        crate_uses(&source("fn f() { libc::abort() }"), &["libc"]).len(),
        1
    );
    assert!(crate_uses(&source("#[cfg(test)] extern crate std;"), &["std"]).is_empty());
    assert!(crate_uses(&source("fn f() { alloc(1) }"), &["alloc"]).is_empty());
    assert_eq!(unsafe_uses(&source("fn f() { unsafe { g() } }")).len(), 1);
    assert_eq!(unsafe_uses(&source("unsafe fn f() {}")).len(), 1);
    assert_eq!(unsafe_uses(&source("unsafe impl Send for X {}")).len(), 1);
}
