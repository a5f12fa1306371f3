//! Names that end in a zero byte, on the stack.

use crate::error::{Error, Result};
use core::ffi::CStr;
use core::fmt;

/// A path or an argument as the kernel wants it, at most 255 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Path {
    bytes: [u8; 256],
}

impl Path {
    /// `parts` joined, e.g. a directory's name and a suffix.
    pub fn join(parts: &[&str]) -> Result<Self> {
        let mut bytes = [0; 256];
        let mut used = 0;
        for part in parts {
            let end = used + part.len();
            // One byte stays free for the zero; an inner zero would cut the name short.
            if end >= bytes.len() || part.as_bytes().contains(&0) {
                return Err(Error::new("use a path", libc::ENAMETOOLONG));
            }
            bytes[used..end].copy_from_slice(part.as_bytes());
            used = end;
        }
        Ok(Self { bytes })
    }

    pub fn new(path: &str) -> Result<Self> {
        Self::join(&[path])
    }

    pub fn as_ptr(&self) -> *const libc::c_char {
        self.bytes.as_ptr().cast()
    }

    pub fn as_cstr(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    pub fn as_str(&self) -> &str {
        self.as_cstr().to_str().unwrap_or("")
    }
}

/// The name of a network interface, at most 15 bytes, with its zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InterfaceName([u8; libc::IFNAMSIZ]);

impl InterfaceName {
    /// Checks the length and that the name has no zero byte, slash or blank (the kernel's own rule).
    pub fn new(name: &str) -> Result<Self> {
        let mut bytes = [0; libc::IFNAMSIZ];
        let foreign =
            |byte: u8| byte == 0 || byte == b'/' || byte == b':' || byte.is_ascii_whitespace();
        if name.is_empty() || name.len() >= bytes.len() || name.bytes().any(foreign) {
            return Err(Error::new("use an interface name", libc::EINVAL));
        }
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self(bytes))
    }

    /// From the kernel's own fixed field.
    pub(crate) fn from_kernel(field: &[libc::c_char; libc::IFNAMSIZ]) -> Self {
        let mut bytes = field.map(|byte| byte as u8);
        bytes[libc::IFNAMSIZ - 1] = 0;
        Self(bytes)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        CStr::from_bytes_until_nul(&self.0)
            .ok()
            .and_then(|name| name.to_str().ok())
            .unwrap_or("")
    }

    /// With its zero byte.
    pub(crate) fn with_zero(&self) -> &[u8] {
        self.0.get(..=self.as_str().len()).unwrap_or(&self.0)
    }

    pub(crate) fn to_kernel(self) -> [libc::c_char; libc::IFNAMSIZ] {
        self.0.map(|byte| byte as libc::c_char)
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_too_long_or_has_a_zero_is_refused() {
        assert!(Path::new(&"x".repeat(255)).is_ok());
        assert!(Path::new(&"x".repeat(256)).is_err());
        assert!(Path::new("a\0b").is_err());
        assert_eq!(
            Path::join(&["/run/x", ".new"]).unwrap().as_cstr(),
            c"/run/x.new"
        );
    }

    #[test]
    fn interface_names_follow_the_kernels_rule() {
        assert_eq!(InterfaceName::new("bm0").unwrap().as_str(), "bm0");
        assert_eq!(InterfaceName::new("bm0").unwrap().with_zero(), b"bm0\0");
        for bad in ["", "sixteen-letters-", "a/b", "a b", "a:1"] {
            assert!(InterfaceName::new(bad).is_err(), "{bad}");
        }
    }
}
