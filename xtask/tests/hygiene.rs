//! Nothing in the tree ties it to one machine or one mirror: no registry's host name, no absolute path of somebody's home.

#[allow(dead_code, reason = "each test file uses its part of it")]
mod source;

use source::{files, root};
use std::fs;

/// Hosts of package registries and mirrors, in two halves so that this file passes its own test.
const HOSTS: [(&str, &str); 14] = [
    ("crates", ".io"),
    ("static.rust", "-lang.org"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("deb.debian", ".org"),
    ("security.debian", ".org"),
    ("ftp.debian", ".org"),
    ("snapshot.debian", ".org"),
    ("archive.ubuntu", ".com"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("proxy.golang", ".org"),
    ("ghcr", ".io"),
    ("quay", ".io"),
];

/// Beginnings of paths that exist on one machine only.
const HOMES: [(&str, &str); 4] = [
    ("/ho", "me/"),
    ("/ro", "ot/"),
    ("/wo", "rk/"),
    ("/Us", "ers/"),
];

/// Cargo writes its registry into the lock file.
const GENERATED: [&str; 1] = ["Cargo.lock"];

fn hosts_in(line: &str) -> Option<String> {
    let hosts = HOSTS.iter().map(|(a, b)| format!("{a}{b}"));
    hosts.into_iter().find(|host| line.contains(host.as_str()))
}

/// A path counts where it begins: `lib/home/x` and `https://example.net/work/` are something else.
fn homes_in(line: &str) -> Option<String> {
    HOMES.iter().map(|(a, b)| format!("{a}{b}")).find(|home| {
        line.match_indices(home.as_str()).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|mark| !(mark.is_alphanumeric() || "./-_}>*~".contains(mark)))
        })
    })
}

#[test]
fn no_file_names_a_registry_or_a_home() {
    let mut found = Vec::new();
    for name in files() {
        if GENERATED.iter().any(|generated| name.ends_with(generated)) {
            continue;
        }
        // Binary files (corpora, pictures) name nothing.
        let Ok(text) = fs::read_to_string(root().join(&name)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for what in hosts_in(line).into_iter().chain(homes_in(line)) {
                found.push(format!("{}:{}: {what}", name.display(), number + 1));
            }
        }
    }
    assert!(
        found.is_empty(),
        "tied to a machine or a mirror:\n{}",
        found.join("\n")
    );
}

#[test]
fn hosts_and_homes_are_seen_and_lookalikes_are_not() {
    assert!(hosts_in(&["https://static.crates", ".io/x"].concat()).is_some());
    assert!(hosts_in("the crate").is_none());
    assert!(homes_in(&["cd /ho", "me/someone/x"].concat()).is_some());
    assert!(homes_in(&["\"/ro", "ot/.cargo\""].concat()).is_some());
    assert!(homes_in(&["https://example.net/wo", "rk/list"].concat()).is_none());
    assert!(homes_in(&["files/ro", "ot/etc"].concat()).is_none());
}
