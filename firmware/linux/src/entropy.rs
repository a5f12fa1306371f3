//! Randomness from the kernel.

use crate::error::{Error, Result};
use crate::fd::retry;

/// Fills `buf` with bytes fit for keys. Sleeps only while the kernel has not gathered enough after boot.
pub fn fill(buf: &mut [u8]) -> Result<()> {
    let mut rest = buf;
    while !rest.is_empty() {
        // Through the raw call: old C libraries lack the wrapper.
        // SAFETY: `rest` is writable for its length.
        let got =
            retry(
                || unsafe { libc::syscall(libc::SYS_getrandom, rest.as_mut_ptr(), rest.len(), 0) }
                    as libc::ssize_t,
            );
        if got <= 0 {
            return Err(Error::last("gather entropy"));
        }
        rest = rest.get_mut(got as usize..).unwrap_or(&mut []);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_fills_differ() {
        let (mut a, mut b) = ([0; 300], [0; 300]);
        fill(&mut a).unwrap();
        fill(&mut b).unwrap();
        assert_ne!(a, b);
        assert!(a.iter().any(|&byte| byte != 0));
    }
}
