//! The exit's own key: its identity, which invitations pin.

use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use burstmesh_core::identity::{Identity, SecretKey};
use burstmesh_core::wire::invitation::Secret;
use burstmesh_core::wire::text::{key_from_text, key_to_text};

use crate::files;

/// The key's file in `state_dir`.
pub const FILE: &str = "key";

/// The exit's key; made on first use.
///
/// # Errors
/// A file that cannot be read or made, or that holds something else.
pub fn load_or_create(state_dir: &Path) -> Result<Identity> {
    let path = state_dir.join(FILE);
    files::private_dir(state_dir).with_context(|| format!("{}", state_dir.display()))?;
    let text = files::read_or_create(&path, || {
        let mut text = key_to_text(&random()?).as_bytes().to_vec();
        text.push(b'\n');
        Ok(text)
    });
    let text = text.with_context(|| format!("the exit's key {}", path.display()))?;
    let bytes = std::str::from_utf8(&text)
        .ok()
        .and_then(|t| key_from_text(t).ok());
    let bytes = bytes.with_context(|| {
        format!(
            "{} holds no key (44 characters of base64): restore it from a backup",
            path.display()
        )
    })?;
    Ok(Identity::new(SecretKey::from_bytes(bytes)))
}

/// A fresh community secret.
///
/// # Errors
/// The system's source of entropy failed.
pub fn new_secret() -> io::Result<Secret> {
    random().map(Secret::new)
}

/// Fresh random bytes.
///
/// # Errors
/// The system's source of entropy failed.
pub fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    burstmesh_linux::entropy::fill(&mut bytes)
        .map_err(|e| io::Error::from_raw_os_error(e.errno))?;
    Ok(bytes)
}
