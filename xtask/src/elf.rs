//! The few fields of an ELF header that tell whether a build is for the machine it was meant for.

use crate::targets::Target;
use anyhow::{Context, Result, bail, ensure};

/// Program header types.
const PT_INTERP: u32 = 3;

/// Refuses a binary that `target` could not run, or that needs a loader and shared libraries.
pub fn check_static(file: &[u8], target: &Target) -> Result<()> {
    let elf = Elf::parse(file)?;
    ensure!(
        elf.bits == target.bits,
        "{} bits, wanted {}",
        elf.bits,
        target.bits
    );
    ensure!(
        elf.big_endian == target.big_endian,
        "the byte order is wrong"
    );
    ensure!(
        elf.u16(18)? == target.machine,
        "machine {}, wanted {}",
        elf.u16(18)?,
        target.machine
    );
    if elf.program_header_types()?.contains(&PT_INTERP) {
        bail!("it asks for a loader, so it is not static");
    }
    Ok(())
}

struct Elf<'a> {
    file: &'a [u8],
    bits: u8,
    big_endian: bool,
}

impl<'a> Elf<'a> {
    fn parse(file: &'a [u8]) -> Result<Self> {
        ensure!(file.starts_with(b"\x7fELF"), "not an ELF file");
        let bits = match file.get(4) {
            Some(1) => 32,
            Some(2) => 64,
            other => bail!("unknown word size {other:?}"),
        };
        Ok(Self {
            file,
            bits,
            big_endian: file.get(5) == Some(&2),
        })
    }

    fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        self.file
            .get(at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .copied()
            .context("the file is cut short")
    }

    fn u16(&self, at: usize) -> Result<u16> {
        let bytes = self.bytes(at)?;
        Ok(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    fn u32(&self, at: usize) -> Result<u32> {
        let bytes = self.bytes(at)?;
        Ok(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    /// Offset of the program headers; 64-bit files hold it in 8 bytes, of which 4 are enough for any file of ours.
    fn program_headers(&self) -> Result<(usize, usize, usize)> {
        let (offset, size, count) = match (self.bits, self.big_endian) {
            (32, _) => (28, 42, 44),
            (_, true) => (36, 54, 56),
            (_, false) => (32, 54, 56),
        };
        Ok((
            self.u32(offset)? as usize,
            usize::from(self.u16(size)?),
            usize::from(self.u16(count)?),
        ))
    }

    fn program_header_types(&self) -> Result<Vec<u32>> {
        let (offset, size, count) = self.program_headers()?;
        (0..count)
            .map(|index| self.u32(offset + index * size))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets;

    /// A 32-bit big-endian MIPS header with one program header of the given type.
    fn mips(kind: u32) -> Vec<u8> {
        let mut file = vec![0; 52 + 32];
        file[..6].copy_from_slice(b"\x7fELF\x01\x02");
        file[18..20].copy_from_slice(&8u16.to_be_bytes());
        file[28..32].copy_from_slice(&52u32.to_be_bytes());
        file[42..44].copy_from_slice(&32u16.to_be_bytes());
        file[44..46].copy_from_slice(&1u16.to_be_bytes());
        file[52..56].copy_from_slice(&kind.to_be_bytes());
        file
    }

    #[test]
    fn a_static_big_endian_binary_passes() {
        check_static(&mips(1), targets::STRICTEST).unwrap();
    }

    #[test]
    fn a_binary_that_wants_a_loader_is_refused() {
        assert!(
            check_static(&mips(PT_INTERP), targets::STRICTEST)
                .unwrap_err()
                .to_string()
                .contains("not static")
        );
    }

    #[test]
    fn a_binary_of_another_byte_order_is_refused() {
        assert!(
            check_static(
                &mips(1),
                targets::named("mipsel-unknown-linux-musl").unwrap()
            )
            .is_err()
        );
    }

    #[test]
    fn a_cut_file_is_an_error() {
        for length in 0..mips(1).len() - 28 {
            assert!(
                check_static(&mips(1)[..length], targets::STRICTEST).is_err(),
                "{length} bytes"
            );
        }
    }
}
