//! The name that was probably meant.

/// Bytes of the longest word that is compared.
const WORD_BYTES: usize = 24;

/// The candidate nearest to `word`: at most two slips away, and at most a third of its letters.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .filter_map(|candidate| Some((slips(word.as_bytes(), candidate.as_bytes())?, candidate)))
        .filter(|(slips, candidate)| *slips <= 2 && *slips * 3 <= candidate.len().max(3))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Edits that turn one word into the other, where exchanging two neighbours is one edit (optimal string alignment).
/// `None` for words too long to be one of ours.
fn slips(a: &[u8], b: &[u8]) -> Option<usize> {
    if a.len() > WORD_BYTES || b.len() > WORD_BYTES {
        return None;
    }
    let mut before = [0usize; WORD_BYTES + 1];
    let mut last: [usize; WORD_BYTES + 1] = core::array::from_fn(|j| j);
    for (i, x) in a.iter().enumerate() {
        let mut row = [i + 1; WORD_BYTES + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize; WORD_BYTES + 1], j: usize| {
                row.get(j).copied().unwrap_or(usize::MAX / 2)
            };
            let mut best = at(&last, j) + usize::from(!x.eq_ignore_ascii_case(y));
            best = best.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let exchanged = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if exchanged {
                best = best.min(at(&before, j - 1) + 1);
            }
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = best;
            }
        }
        before = last;
        last = row;
    }
    last.get(b.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 5] = ["ifname", "lend", "lend_up", "lend_down", "default"];

    #[test]
    fn a_slip_of_the_hand_finds_its_name() {
        for (word, meant) in [
            ("ifnmae", "ifname"),
            ("lend-up", "lend_up"),
            ("lendup", "lend_up"),
            ("Default", "default"),
            ("lned", "lend"),
            ("defualt", "default"),
        ] {
            assert_eq!(nearest(word, NAMES.into_iter()), Some(meant), "{word}");
        }
    }

    #[test]
    fn a_different_word_finds_nothing() {
        for word in [
            "",
            "x",
            "bandwidth",
            "interface",
            "a word that is far too long to be an option",
        ] {
            assert_eq!(nearest(word, NAMES.into_iter()), None, "{word}");
        }
    }

    proptest! {
        #[test]
        fn equal_words_have_no_slips_and_order_does_not_matter(a in "[a-c_]{0,24}", b in "[a-c_]{0,24}") {
            prop_assert_eq!(slips(a.as_bytes(), a.as_bytes()), Some(0));
            prop_assert_eq!(slips(a.as_bytes(), b.as_bytes()), slips(b.as_bytes(), a.as_bytes()));
        }
    }
}
