//! `burstmesh keygen` and `burstmesh pubkey`.

use super::check::{Loaded, load, own_key};
use super::fail;
use crate::cli::{Exit, Made};
use burstmesh_core::identity::SecretKey;
use burstmesh_core::wire::invitation::{Invitation, Secret, TEXT_CHARS, Text};
use burstmesh_core::wire::text::key_to_text;
use burstmesh_linux::process::Output;
use burstmesh_linux::{entropy, file};
use core::fmt::Write;

pub(super) fn generate(made: Made<'_>, output: Option<&str>) -> Exit {
    let mut key = [0; 32];
    if let Err(error) = entropy::fill(&mut key) {
        return fail(format_args!("{error}"));
    }
    let mut line = heapless::String::<{ TEXT_CHARS + 1 }>::new();
    let what = match made {
        Made::Key => "private key",
        Made::Secret => "secret",
        Made::Invitation(_) => "invitation",
    };
    let written = match made {
        Made::Invitation(name) => match invitation(name, key) {
            Some(text) => writeln!(line.as_mut_view(), "{text}"),
            None => {
                return fail(format_args!(
                    "a community's name has 1 to 32 characters of text, and no white space at its ends"
                ));
            }
        },
        _ => writeln!(line.as_mut_view(), "{}", key_to_text(&key).as_str()),
    };
    debug_assert!(written.is_ok());
    let Some(path) = output else {
        Output::Standard.write(line.as_bytes());
        return Exit::Success;
    };
    if file::exists(path) {
        return fail(format_args!(
            "{path} exists already; a {what} is never overwritten: remove it first or choose another file"
        ));
    }
    if let Err(error) = file::write_atomically(path, line.as_bytes(), 0o600) {
        return fail(format_args!("{path}: {error}"));
    }
    if made == Made::Key {
        print_public(&SecretKey::from_bytes(key));
    }
    Exit::Success
}

/// An invitation to a community that nobody else knows of yet.
fn invitation(name: &str, secret: [u8; 32]) -> Option<Text> {
    let invitation = Invitation {
        name: name.parse().ok()?,
        secret: Secret::new(secret),
        exits: heapless::Vec::new(),
        expires: None,
        admission: None,
        admin: None,
    };
    invitation.encode().ok()
}

fn print_public(key: &SecretKey) {
    let text = key_to_text(key.public().as_bytes());
    let _ = writeln!(Output::Standard, "{}", text.as_str());
}

pub(super) fn show_public(file: Option<&str>, config: &str) -> Exit {
    let loaded;
    let path = match file {
        Some(path) => path,
        None => {
            loaded = load(config, &mut |file, p| {
                let _ = writeln!(Output::Error, "{file}:{}: {p}", p.line);
            });
            match &loaded {
                Loaded::Good(config) => config.community.key_file.as_str(),
                _ => return Exit::Usage,
            }
        }
    };
    match own_key(path) {
        Some(key) => {
            print_public(&key);
            Exit::Success
        }
        None => fail(format_args!(
            "{path}: no private key there; make one with: burstmesh keygen --output {path}"
        )),
    }
}
