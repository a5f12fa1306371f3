//! Small files: configuration in, state out.

use crate::error::{Error, Result, check};
use crate::fd::Fd;
use crate::path::Path;

/// Reads the whole file into `buf` and gives its bytes; `EFBIG` if it does not fit.
pub fn read<'a>(path: &str, buf: &'a mut [u8]) -> Result<&'a [u8]> {
    let file = open(path, libc::O_RDONLY, 0)?;
    let mut used = 0;
    while let Some(rest) = buf.get_mut(used..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)?.unwrap_or(0) {
            0 => return Ok(buf.get(..used).unwrap_or(&[])),
            more => used += more,
        }
    }
    // Full: only right if the file ends exactly here.
    match file.read(&mut [0])? {
        None | Some(0) => Ok(buf),
        Some(_) => Err(Error::new("read a file", libc::EFBIG)),
    }
}

/// Replaces the file by `bytes`, whole or not at all, also when the power goes in the middle.
pub fn write_atomically(path: &str, bytes: &[u8], mode: u32) -> Result<()> {
    let (temporary, target) = (Path::join(&[path, ".new"])?, Path::new(path)?);
    let _ = remove(temporary.as_str());
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let file = open(temporary.as_str(), flags, mode)?;
    // SAFETY: an open descriptor, constant-sized arguments; the paths end in zero.
    let written = file.write_all(bytes).and_then(|()| unsafe {
        // The mode given to open was narrowed by the umask.
        check(
            "set a file's mode",
            libc::fchmod(file.raw(), mode as libc::mode_t),
        )?;
        check("flush a file", libc::fsync(file.raw()))?;
        check(
            "rename a file",
            libc::rename(temporary.as_ptr(), target.as_ptr()),
        )
    });
    if written.is_err() {
        let _ = remove(temporary.as_str());
    }
    written?;
    flush_directory(path);
    Ok(())
}

/// Reads what the file has from `offset` on, as far as it fits into `buf`.
pub fn read_at<'a>(path: &str, offset: u32, buf: &'a mut [u8]) -> Result<&'a [u8]> {
    let file = open(path, libc::O_RDONLY, 0)?;
    seek(&file, offset)?;
    let mut used = 0;
    while let Some(rest) = buf.get_mut(used..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)?.unwrap_or(0) {
            0 => break,
            more => used += more,
        }
    }
    Ok(buf.get(..used).unwrap_or(&[]))
}

/// Writes `bytes` into the file from `offset` on, and waits until they are on the disk; what is not there yet is made. The
/// power may go in the middle: whoever reads must see by the bytes whether they are whole.
pub fn write_at(path: &str, offset: u32, bytes: &[u8], mode: u32) -> Result<()> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_NOFOLLOW;
    let file = open(path, flags, mode)?;
    seek(&file, offset)?;
    file.write_all(bytes)?;
    // SAFETY: an open descriptor.
    check("flush a file", unsafe { libc::fsync(file.raw()) }).map(drop)
}

fn seek(file: &Fd, offset: u32) -> Result<()> {
    // SAFETY: an open descriptor. Slots lie in the first megabyte: 32 bits hold every offset.
    let at = unsafe { libc::lseek(file.raw(), offset as libc::off_t, libc::SEEK_SET) };
    check("find a place in a file", if at < 0 { -1 } else { 0 }).map(drop)
}

/// Writes `bytes` into a file that is there already: how settings of the kernel (`/proc/sys`) are changed.
pub fn overwrite(path: &str, bytes: &[u8]) -> Result<()> {
    open(path, libc::O_WRONLY, 0)?.write_all(bytes)
}

/// Makes the directory, for its owner alone; no error if it exists.
pub fn create_dir(path: &str) -> Result<()> {
    // SAFETY: a path that ends in zero.
    match check("make a directory", unsafe {
        libc::mkdir(Path::new(path)?.as_ptr(), 0o700)
    }) {
        Err(error) if error.errno != libc::EEXIST => Err(error),
        _ => Ok(()),
    }
}

/// Removes the file; no error if there is none.
pub fn remove(path: &str) -> Result<()> {
    // SAFETY: a path that ends in zero.
    match check("remove a file", unsafe {
        libc::unlink(Path::new(path)?.as_ptr())
    }) {
        Err(error) if error.errno != libc::ENOENT => Err(error),
        _ => Ok(()),
    }
}

/// Is there anything at `path`?
pub fn exists(path: &str) -> bool {
    // SAFETY: a path that ends in zero.
    Path::new(path).is_ok_and(|path| unsafe { libc::access(path.as_ptr(), libc::F_OK) } == 0)
}

pub(crate) fn open(path: &str, flags: libc::c_int, mode: u32) -> Result<Fd> {
    let path = Path::new(path)?;
    // SAFETY: a path that ends in zero.
    Fd::from_call("open a file", unsafe {
        libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, mode as libc::c_uint)
    })
}

/// A rename lasts only once its directory is on the disk. Some file systems refuse to flush directories: no matter.
fn flush_directory(path: &str) {
    let directory = match path.rfind('/') {
        Some(0) => "/",
        Some(end) => path.get(..end).unwrap_or("."),
        None => ".",
    };
    if let Ok(directory) = open(directory, libc::O_RDONLY | libc::O_DIRECTORY, 0) {
        // SAFETY: an open descriptor.
        unsafe { libc::fsync(directory.raw()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TempDir, in_namespace};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_written_is_read_back_with_its_mode() {
        let dir = TempDir::new();
        let path = dir.path("state");
        assert_eq!(read(&path, &mut [0; 8]).unwrap_err().errno, libc::ENOENT);
        for content in ["secret", "", "another"] {
            write_atomically(&path, content.as_bytes(), 0o640).unwrap();
            assert_eq!(read(&path, &mut [0; 8]).unwrap(), content.as_bytes());
        }
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert!(exists(&path) && !exists(&dir.path("state.new")));
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!exists(&path));
    }

    #[test]
    fn parts_of_a_file_are_written_and_read_where_they_belong() {
        let dir = TempDir::new();
        let path = dir.path("slots");
        assert_eq!(
            read_at(&path, 0, &mut [0; 4]).unwrap_err().errno,
            libc::ENOENT
        );
        write_at(&path, 100, b"second", 0o600).unwrap();
        write_at(&path, 0, b"first", 0o600).unwrap();
        assert_eq!(read_at(&path, 100, &mut [0; 8]).unwrap(), b"second");
        assert_eq!(read_at(&path, 0, &mut [0; 5]).unwrap(), b"first");
        assert_eq!(read_at(&path, 200, &mut [0; 5]).unwrap(), b"");
    }

    #[test]
    fn a_setting_is_written_where_it_exists_and_never_made() {
        let dir = TempDir::new();
        assert_eq!(
            overwrite(&dir.path("none"), b"2").unwrap_err().errno,
            libc::ENOENT
        );
        in_namespace(|| {
            overwrite("/proc/sys/net/ipv4/conf/lo/rp_filter", b"2").unwrap();
            assert_eq!(
                read("/proc/sys/net/ipv4/conf/lo/rp_filter", &mut [0; 8]),
                Ok(&b"2\n"[..])
            );
        });
    }

    #[test]
    fn a_file_that_does_not_fit_is_an_error_and_one_that_just_fits_is_not() {
        let dir = TempDir::new();
        let path = dir.path("f");
        write_atomically(&path, b"12345678", 0o600).unwrap();
        assert_eq!(read(&path, &mut [0; 8]).unwrap(), b"12345678");
        assert_eq!(read(&path, &mut [0; 7]).unwrap_err().errno, libc::EFBIG);
    }

    #[test]
    fn a_failed_write_leaves_the_old_content() {
        let dir = TempDir::new();
        create_dir(&dir.path("d")).unwrap();
        create_dir(&dir.path("d")).unwrap();
        assert_eq!(
            std::fs::metadata(dir.path("d"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o700
        );
        assert!(write_atomically(&dir.path("d"), b"x", 0o600).is_err());
        assert!(!exists(&dir.path("d.new")));
    }
}
