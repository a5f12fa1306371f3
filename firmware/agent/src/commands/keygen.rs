//! `burstmesh keygen` and `burstmesh pubkey`.

use super::check::{Loaded, load, own_key};
use super::fail;
use crate::cli::Exit;
use burstmesh_core::identity::SecretKey;
use burstmesh_core::wire::text::key_to_text;
use burstmesh_linux::process::Output;
use burstmesh_linux::{entropy, file};
use core::fmt::Write;

pub(super) fn generate(secret: bool, output: Option<&str>) -> Exit {
    let mut key = [0; 32];
    if let Err(error) = entropy::fill(&mut key) {
        return fail(format_args!("{error}"));
    }
    let mut line = heapless::String::<64>::new();
    let _ = writeln!(line.as_mut_view(), "{}", key_to_text(&key).as_str());
    let what = if secret { "secret" } else { "private key" };
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
    if !secret {
        print_public(&SecretKey::from_bytes(key));
    }
    Exit::Success
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
