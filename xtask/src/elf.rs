//! What xtask reads from router binaries, and the only thing it takes away from them.

use crate::targets::Target;
use anyhow::{Context, Result, bail, ensure};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Architecture, Endianness, Object, ObjectSection, ObjectSymbol, SectionFlags, elf};

/// How a binary finds its C library.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Linking {
    /// It carries the C library.
    Static,
    /// It asks the router's loader for it.
    Dynamic,
}

/// Refuses a binary that `target` could not run, or that is linked in another way.
pub fn check(file: &[u8], target: &Target, linking: Linking) -> Result<()> {
    let parsed = object::File::parse(file)?;
    ensure!(
        parsed.is_little_endian() != target.big_endian,
        "the byte order is wrong"
    );
    ensure!(
        parsed.architecture() == target.machine,
        "machine {:?}, wanted {:?}",
        parsed.architecture(),
        target.machine
    );
    let loader = loader(file)?;
    match (linking, loader.as_deref()) {
        (Linking::Static, Some(loader)) => {
            bail!("it asks for the loader {loader}, so it is not static")
        }
        (Linking::Dynamic, loader) => {
            ensure!(
                loader == Some(target.loader),
                "it asks for the loader {loader:?}, not {}",
                target.loader
            );
            let needed = needed(file)?;
            ensure!(
                needed == ["libc.so"],
                "it needs {needed:?}, and a router has musl's libc.so"
            );
        }
        (Linking::Static, None) => {}
    }
    Ok(())
}

/// The loader that the binary asks for.
fn loader(file: &[u8]) -> Result<Option<String>> {
    let parsed = object::File::parse(file)?;
    let Some(section) = parsed.section_by_name(".interp") else {
        return Ok(None);
    };
    let text = section.data()?.strip_suffix(&[0]).unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}

/// The shared libraries that the binary needs.
fn needed(file: &[u8]) -> Result<Vec<String>> {
    match object::FileKind::parse(file)? {
        object::FileKind::Elf32 => needed_in::<elf::FileHeader32<Endianness>>(file),
        _ => needed_in::<elf::FileHeader64<Endianness>>(file),
    }
}

fn needed_in<Header: FileHeader<Endian = Endianness>>(file: &[u8]) -> Result<Vec<String>> {
    use object::read::elf::Dyn;
    let header = Header::parse(file)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, file)?;
    let Some((entries, link)) = sections.dynamic(endian, file)? else {
        return Ok(Vec::new());
    };
    let strings = sections.strings(endian, file, link)?;
    let mut names = Vec::new();
    for entry in entries
        .iter()
        .filter(|e| e.tag32(endian) == Some(elf::DT_NEEDED))
    {
        names.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
    }
    Ok(names)
}

/// The file without what nobody loads: it ends behind its last segment, as OpenWrt's `sstrip` leaves it.
pub fn strip(file: &[u8]) -> Result<Vec<u8>> {
    match object::FileKind::parse(file)? {
        object::FileKind::Elf32 => strip_as::<elf::FileHeader32<Endianness>>(file, 32, 46),
        object::FileKind::Elf64 => strip_as::<elf::FileHeader64<Endianness>>(file, 40, 58),
        other => bail!("not an ELF file: {other:?}"),
    }
}

/// `table`, `sizes`: where the header names the table of sections, and where its three 16-bit sizes begin.
fn strip_as<Header: FileHeader<Endian = Endianness>>(
    file: &[u8],
    table: usize,
    sizes: usize,
) -> Result<Vec<u8>> {
    let header = Header::parse(file)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, file)?;
    let end = segments
        .iter()
        .filter(|segment| segment.p_filesz(endian).into() > 0)
        .map(|segment| segment.p_offset(endian).into() + segment.p_filesz(endian).into())
        .max()
        .context("the file has no segments")?;
    let mut kept = file
        .get(..usize::try_from(end)?)
        .context("the file is cut short")?
        .to_vec();
    let word = if header.is_type_64() { 8 } else { 4 };
    // Entry size, count, and the section of names; the entry size stays.
    kept[table..table + word].fill(0);
    kept[sizes + 2..sizes + 6].fill(0);
    Ok(kept)
}

/// A name with its bytes.
pub type Named = (String, u64);

/// What a binary is made of.
pub struct Contents {
    /// Sections that are loaded, in the order of the file.
    pub sections: Vec<Named>,
    /// Named pieces of code and constants: symbol and bytes.
    pub code: Vec<Named>,
    /// Named pieces of memory that is written: symbol and bytes.
    pub memory: Vec<Named>,
}

impl Contents {
    /// Reads a binary that still has its symbols.
    pub fn of(file: &[u8]) -> Result<Self> {
        let parsed = object::File::parse(file)?;
        let flags = |section: &object::Section<'_, '_>| match section.flags() {
            SectionFlags::Elf { sh_flags } => sh_flags as u32,
            _ => 0,
        };
        let sections = parsed
            .sections()
            .filter(|section| flags(section) & elf::SHF_ALLOC != 0 && section.size() > 0)
            .map(|section| (section.name().unwrap_or("?").to_owned(), section.size()))
            .collect();
        let (mut code, mut memory) = (Vec::new(), Vec::new());
        let mut last = None;
        let mut symbols: Vec<_> = parsed
            .symbols()
            .filter(|symbol| symbol.size() > 0)
            .collect();
        // Several names of one place are one piece.
        symbols.sort_by_key(|symbol| (symbol.address(), symbol.size()));
        for symbol in symbols {
            let Some(section) = symbol.section_index() else {
                continue;
            };
            if last.replace(symbol.address()) == Some(symbol.address()) {
                continue;
            }
            let name = format!(
                "{:#}",
                rustc_demangle::demangle(symbol.name().unwrap_or("?"))
            );
            let flags = flags(&parsed.section_by_index(section)?);
            let list = if flags & elf::SHF_WRITE == 0 {
                &mut code
            } else {
                &mut memory
            };
            list.push((name, symbol.size()));
        }
        Ok(Self {
            sections,
            code,
            memory,
        })
    }

    /// Bytes of memory that is written: what the process takes before it has done anything.
    pub fn static_memory(&self) -> u64 {
        let written = [".data", ".bss", ".got", ".data.rel.ro", ".tbss", ".tdata"];
        self.sections
            .iter()
            .filter(|(name, _)| written.contains(&name.as_str()))
            .map(|(_, size)| size)
            .sum()
    }
}

/// For [`Target`]: what `object` calls the machines.
pub type Machine = Architecture;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets;

    /// A 32-bit big-endian MIPS program with one segment of four bytes and, behind it, what nobody loads.
    fn mips() -> Vec<u8> {
        let mut file = vec![0; 52 + 32];
        file[..7].copy_from_slice(b"\x7fELF\x01\x02\x01");
        let mut half =
            |at: usize, value: u16| file[at..at + 2].copy_from_slice(&value.to_be_bytes());
        half(16, 2);
        half(18, 8);
        half(40, 52);
        half(42, 32);
        half(44, 1);
        half(46, 40);
        let mut word =
            |at: usize, value: u32| file[at..at + 4].copy_from_slice(&value.to_be_bytes());
        word(28, 52);
        word(52, 1);
        word(56, 84);
        word(68, 4);
        file.extend(b"codeleft over");
        file
    }

    #[test]
    fn a_static_big_endian_binary_passes() {
        check(&mips(), targets::STRICTEST, Linking::Static).unwrap();
    }

    #[test]
    fn a_binary_without_the_routers_loader_is_not_dynamic() {
        let error = check(&mips(), targets::STRICTEST, Linking::Dynamic).unwrap_err();
        assert!(error.to_string().contains("loader"), "{error}");
    }

    #[test]
    fn a_binary_of_another_byte_order_is_refused() {
        let little = targets::named("mipsel-unknown-linux-musl").unwrap();
        assert!(check(&mips(), little, Linking::Static).is_err());
    }

    #[test]
    fn a_cut_file_is_an_error() {
        for length in 0..52 {
            let cut = &mips()[..length];
            assert!(
                check(cut, targets::STRICTEST, Linking::Static).is_err(),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn stripping_keeps_the_segments_and_nothing_behind_them() {
        let stripped = strip(&mips()).unwrap();
        assert!(stripped.ends_with(b"code"));
        assert_eq!(stripped.len(), 88);
        check(&stripped, targets::STRICTEST, Linking::Static).unwrap();
    }
}
