//! Which shared libraries a program wants.

/// Names in the program's `DT_NEEDED` entries and its interpreter; nothing for what is no little-endian ELF file.
pub fn needed(file: &[u8]) -> Vec<String> {
    Elf::new(file).map(|elf| elf.needed()).unwrap_or_default()
}

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;

struct Elf<'a> {
    file: &'a [u8],
    wide: bool,
}

/// One program header.
struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    size: u64,
}

impl<'a> Elf<'a> {
    fn new(file: &'a [u8]) -> Option<Self> {
        let little = file.starts_with(b"\x7fELF") && file.get(5) == Some(&1);
        little.then(|| Self {
            file,
            wide: file.get(4) == Some(&2),
        })
    }

    fn number(&self, at: u64, length: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.file.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// A number of the file's word size.
    fn word(&self, at: u64) -> Option<u64> {
        self.number(at, if self.wide { 8 } else { 4 })
    }

    fn text(&self, at: u64) -> Option<String> {
        let rest = self.file.get(usize::try_from(at).ok()?..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    fn segments(&self) -> Option<Vec<Segment>> {
        let (table, sizes) = if self.wide { (32, 54) } else { (28, 42) };
        let begin = self.word(table)?;
        let (size, count) = (self.number(sizes, 2)?, self.number(sizes + 2, 2)?);
        (0..count)
            .map(|index| {
                let at = begin + index * size;
                // Offset, address and size in the file stand elsewhere in the two widths.
                let [offset, address, length] = if self.wide { [8, 16, 32] } else { [4, 8, 16] };
                Some(Segment {
                    kind: self.number(at, 4)?,
                    offset: self.word(at + offset)?,
                    address: self.word(at + address)?,
                    size: self.word(at + length)?,
                })
            })
            .collect()
    }

    fn needed(&self) -> Vec<String> {
        let segments = self.segments().unwrap_or_default();
        let interpreter = segments
            .iter()
            .filter(|s| s.kind == PT_INTERP)
            .filter_map(|s| self.text(s.offset));
        let mut names: Vec<String> = interpreter.collect();
        for dynamic in segments.iter().filter(|s| s.kind == PT_DYNAMIC) {
            names.extend(self.entries(dynamic, &segments));
        }
        names
    }

    fn entries(&self, dynamic: &Segment, segments: &[Segment]) -> Vec<String> {
        let word = if self.wide { 8 } else { 4 };
        let entries: Vec<(u64, u64)> = (0..dynamic.size / (2 * word))
            .map(|index| dynamic.offset + index * 2 * word)
            .filter_map(|at| Some((self.word(at)?, self.word(at + word)?)))
            .collect();
        let table = entries.iter().find(|e| e.0 == DT_STRTAB).map(|e| e.1);
        let strings = table.and_then(|address| {
            let holder = segments.iter().find(|s| {
                s.kind == PT_LOAD && (s.address..s.address + s.size).contains(&address)
            })?;
            Some(address - holder.address + holder.offset)
        });
        let Some(strings) = strings else {
            return Vec::new();
        };
        entries
            .iter()
            .filter(|entry| entry.0 == DT_NEEDED)
            .filter_map(|entry| self.text(strings + entry.1))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_wants_the_c_library() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let names = needed(&file);
        assert!(names.iter().any(|n| n.starts_with("libc.so")), "{names:?}");
        assert!(names.iter().any(|n| n.contains("/ld-")), "{names:?}");
    }

    #[test]
    fn what_is_no_program_wants_nothing() {
        assert!(needed(b"#!/bin/sh\n").is_empty());
    }
}
