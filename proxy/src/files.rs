//! Files with secrets in them: readable by the daemon's user alone, whoever runs the command.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::Path;

/// Makes a directory that only its owner may enter, with its parents; one that exists is left as it is.
///
/// # Errors
/// The system's.
pub fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes an empty file that only its owner may read; one that exists is left as it is.
///
/// # Errors
/// The system's.
pub fn create_private(path: &Path) -> io::Result<()> {
    match new_private(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// The content of a small file, or what `make` gives, kept in a new private file from then on.
///
/// # Errors
/// The system's.
pub fn read_or_create(
    path: &Path,
    make: impl FnOnce() -> io::Result<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    match File::open(path) {
        Ok(file) => {
            let mut content = Vec::new();
            file.take(4096).read_to_end(&mut content)?;
            Ok(content)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let content = make()?;
            // Written beside and linked into place: a power cut leaves the whole key or none, and of two
            // processes that start together one wins.
            let draft = path.with_extension(format!("new-{}", std::process::id()));
            let mut file = new_private(&draft)?;
            file.write_all(&content)?;
            file.sync_all()?;
            let linked = std::fs::hard_link(&draft, path);
            std::fs::remove_file(&draft)?;
            match linked {
                Ok(()) => Ok(content),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => std::fs::read(path),
                Err(e) => Err(e),
            }
        }
        Err(error) => Err(error),
    }
}

fn new_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // A command run by root must not leave files that the daemon's own user cannot open.
    if let Some(owner) = path.parent().map(std::fs::metadata).transpose()?
        && file.metadata()?.uid() == 0
        && owner.uid() != 0
    {
        chown(path, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(file)
}
