//! LuCI's form of a catalogue of texts: the translations, then an index of them by the hash of the text (LuCI, `lmo.h`).

use anyhow::{Result, bail, ensure};

/// Makes it of a gettext catalogue without contexts and plurals. What is not translated, or the same, is left out.
pub fn compile(catalogue: &str) -> Result<Vec<u8>> {
    let mut texts = Vec::new();
    let mut index = Vec::new();
    for (id, text) in messages(catalogue)? {
        let key = hash(id.as_bytes());
        if id.is_empty() || text.is_empty() || key == hash(text.as_bytes()) {
            continue;
        }
        index.push([key, 1, texts.len() as u32, text.len() as u32]);
        texts.extend(text.as_bytes());
        texts.resize(texts.len().next_multiple_of(4), 0);
    }
    index.sort_unstable();
    let clash = index.windows(2).any(|pair| pair[0][0] == pair[1][0]);
    ensure!(
        !clash,
        "two texts have one hash: say one of them in other words"
    );
    let begins = texts.len() as u32;
    for number in index.into_iter().flatten().chain([begins]) {
        texts.extend(number.to_be_bytes());
    }
    Ok(texts)
}

/// Texts and their translations.
fn messages(catalogue: &str) -> Result<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut translation = false;
    for (number, line) in catalogue.lines().enumerate() {
        let mut rest = line.trim();
        if rest.is_empty() || rest.starts_with('#') {
            continue;
        }
        if let Some(id) = rest.strip_prefix("msgid ") {
            found.push(Default::default());
            (rest, translation) = (id, false);
        } else if let Some(text) = rest.strip_prefix("msgstr ") {
            (rest, translation) = (text, true);
        }
        let inner = rest.strip_prefix('"').and_then(|r| r.strip_suffix('"'));
        let (Some(inner), Some(last)) = (inner, found.last_mut()) else {
            bail!("line {}: neither msgid nor msgstr: {line}", number + 1);
        };
        let place = if translation {
            &mut last.1
        } else {
            &mut last.0
        };
        // LuCI leaves other escapes as they are.
        place.push_str(&inner.replace("\\\"", "\"").replace("\\\\", "\\"));
    }
    Ok(found)
}

/// Paul Hsieh's SuperFastHash, begun with the length. Bytes that are left over count as signed.
fn hash(bytes: &[u8]) -> u32 {
    let pair = |at: &[u8]| u32::from(u16::from_le_bytes([at[0], at[1]]));
    let signed = |byte: u8| i32::from(byte as i8) as u32;
    let mut hash = bytes.len() as u32;
    let (fours, rest) = bytes.as_chunks::<4>();
    for four in fours {
        hash = hash.wrapping_add(pair(four));
        hash = (hash << 16) ^ (pair(&four[2..]) << 11) ^ hash;
        hash = hash.wrapping_add(hash >> 11);
    }
    match *rest {
        [_, _, last] => {
            hash = hash.wrapping_add(pair(rest));
            hash ^= hash << 16;
            hash ^= signed(last) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [_, _] => {
            hash = hash.wrapping_add(pair(rest));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [last] => {
            hash = hash.wrapping_add(signed(last));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    for (left, right) in [(3, 5), (4, 17), (25, 6)] {
        hash ^= hash << left;
        hash = hash.wrapping_add(hash >> right);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What LuCI's own function gives.
    #[test]
    fn texts_have_the_hash_that_luci_looks_for() {
        for (text, expected) in [
            ("Overview", 0xadba_ae97),
            ("Übersicht", 0x9d7a_3e81),
            ("a", 0x115e_a782),
            ("ab", 0x516b_8b44),
            ("abc", 0xd2be_198a),
            ("zü", 0xd07b_5a37),
        ] {
            assert_eq!(hash(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_catalogue_becomes_texts_an_index_sorted_by_hash_and_where_it_begins() {
        let made = compile("msgid \"\"\nmsgstr \"Language: de\\n\"\n\nmsgid \"Start\"\nmsgstr \"Los \\\"jetzt\\\"\"\n\nmsgid \"same\"\nmsgstr \"same\"\n\n#, fuzzy\nmsgid \"Re\"\n\"sume\"\nmsgstr \"\"\n\"Weiter\"\n\nmsgid \"later\"\nmsgstr \"\"\n").unwrap();
        let number = |at: usize| u32::from_be_bytes(made[at..at + 4].try_into().unwrap());
        let begins = number(made.len() - 4) as usize;
        assert_eq!(&made[..begins], b"Los \"jetzt\"\0Weiter\0\0");
        let mut wanted = [[hash(b"Start"), 1, 0, 11], [hash(b"Resume"), 1, 12, 6]];
        wanted.sort_unstable();
        let entries: Vec<[u32; 4]> = (begins..made.len() - 4)
            .step_by(16)
            .map(|at| [0, 4, 8, 12].map(|more| number(at + more)))
            .collect();
        assert_eq!(entries, wanted);
    }

    #[test]
    fn what_is_no_catalogue_is_told_by_its_line() {
        let error = compile("msgid \"a\"\nmsgstr a\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
