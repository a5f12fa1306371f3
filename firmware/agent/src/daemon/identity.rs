//! Who this gateway is: its key, made on the first start, and the number of its life.

use super::{Failure, because};
use crate::commands::own_key;
use crate::config::Config;
use crate::config::values::{FilePath, digits};

use burstmesh_core::control::handshake::Credentials;
use burstmesh_core::identity::{CommunityKeys, Identity, SecretKey};
use burstmesh_core::wire::text::key_to_text;
use burstmesh_linux::{clock, entropy, file, info, warn};
use core::fmt::Write;

/// The key from the configured file, or a new one written there.
pub fn credentials(config: &Config) -> Result<Credentials, Failure> {
    let path = config.community.key_file.as_str();
    let secret = match own_key(path) {
        Some(key) => key,
        None if file::exists(path) => {
            return Err(because(
                path,
                "holds no private key; remove it to have a new one made",
            ));
        }
        None => make_key(path)?,
    };
    let community = CommunityKeys::derive(&config.community.name, config.community.secret.bytes());
    Ok(Credentials {
        identity: Identity::new(secret),
        community,
    })
}

fn make_key(path: &str) -> Result<SecretKey, Failure> {
    let mut key = [0; 32];
    entropy::fill(&mut key).map_err(|e| because("entropy", e))?;
    if let Some((dir, _)) = path
        .rsplit_once('/')
        .filter(|(d, _)| !d.is_empty() && !file::exists(d))
    {
        file::create_dir(dir).map_err(|e| because(dir, e))?;
    }
    let mut line = heapless::String::<64>::new();
    let _ = writeln!(line.as_mut_view(), "{}", key_to_text(&key).as_str());
    file::write_atomically(path, line.as_bytes(), 0o600).map_err(|e| because(path, e))?;
    info!("made a new key in {}", path);
    Ok(SecretKey::from_bytes(key))
}

/// The number of this life: greater than all before, also on a router whose clock starts in 1970 each time.
pub fn next_epoch(config: &Config) -> u64 {
    let mut path = FilePath::new();
    let _ = write!(path.as_mut_view(), "{}.epoch", config.community.key_file);
    let mut buffer = [0; 32];
    let last = file::read(&path, &mut buffer)
        .ok()
        .and_then(|b| core::str::from_utf8(b).ok())
        .and_then(|t| digits(t.trim_ascii()))
        .unwrap_or(0);
    let epoch = clock::wall_seconds().max(last + 1);
    let mut text = heapless::String::<32>::new();
    let _ = writeln!(text.as_mut_view(), "{epoch}");
    if let Err(error) = file::write_atomically(&path, text.as_bytes(), 0o600) {
        warn!(
            "{}: {}; neighbours will not know this start from the last one",
            path, error
        );
    }
    epoch
}
