//! Keys and secrets as text: 32 bytes in standard base64 with padding (RFC 4648 section 4), 44 characters, the way
//! WireGuard writes keys, so that people and tools recognise them.
//!
//! Decoding is strict (canonical padding, no stray characters) and runs in constant time: the text may be a private key.

use base64ct::{Base64Unpadded, Encoding};

/// Bytes of every key and secret.
pub const KEY_BYTES: usize = 32;

/// Characters of a key as text.
pub const KEY_TEXT: usize = 44;

/// A key as text.
pub type KeyText = heapless::String<KEY_TEXT>;

/// Why a text is not a key. The text itself is never part of the error: it may be secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextError {
    /// The text, without white space around it, has this many characters instead of [`KEY_TEXT`].
    Length(u16),
    /// A character outside the base64 alphabet, or padding that is not canonical.
    NotBase64,
}

impl core::fmt::Display for TextError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length(n) => write!(f, "has {n} characters instead of {KEY_TEXT}"),
            Self::NotBase64 => f.write_str("is not base64"),
        }
    }
}

/// The 32 bytes as 44 characters of base64.
#[must_use]
pub fn key_to_text(key: &[u8; KEY_BYTES]) -> KeyText {
    let mut buffer = [0u8; KEY_TEXT];
    let mut text = KeyText::new();
    // Both steps fit by the arithmetic of base64: 32 bytes are exactly 44 characters.
    if let Ok(encoded) = Base64Unpadded::encode(key, &mut buffer) {
        let _ = text.push_str(encoded);
        let _ = text.push('=');
    }
    text
}

/// The 32 bytes a text stands for. White space around it (the line end of a key file) is ignored.
///
/// # Errors
/// [`TextError`] when the rest is not exactly one canonical base64 text of 32 bytes.
pub fn key_from_text(text: &str) -> Result<[u8; KEY_BYTES], TextError> {
    let text = text.trim_ascii();
    if text.len() != KEY_TEXT {
        return Err(TextError::Length(
            u16::try_from(text.chars().count()).unwrap_or(u16::MAX),
        ));
    }
    let Some(text) = text.strip_suffix('=') else {
        return Err(TextError::NotBase64);
    };
    let mut key = [0u8; KEY_BYTES];
    match Base64Unpadded::decode(text.as_bytes(), &mut key) {
        Ok(bytes) if bytes.len() == KEY_BYTES => Ok(key),
        _ => Err(TextError::NotBase64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_reads_as_wireguard_would_write_it() {
        assert_eq!(
            key_to_text(&[0; 32]).as_str(),
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        );
        assert_eq!(
            key_to_text(&[0xff; 32]).as_str(),
            "//////////////////////////////////////////8="
        );
    }

    #[test]
    fn the_line_end_of_a_key_file_is_ignored() {
        let text = format!("{}\n", key_to_text(&[7; 32]));
        assert_eq!(key_from_text(&text), Ok([7; 32]));
    }

    #[test]
    fn a_shortened_key_says_how_long_it_is() {
        assert_eq!(key_from_text("AAAA"), Err(TextError::Length(4)));
        assert_eq!(key_from_text(""), Err(TextError::Length(0)));
    }

    #[test]
    fn foreign_letters_and_loose_padding_are_refused() {
        assert_eq!(
            key_from_text("AAAAAAAAAAAAAAAAAAAAA_AAAAAAAAAAAAAAAAAAAAA="),
            Err(TextError::NotBase64)
        );
        // The last character before the padding carries bits beyond the 32 bytes.
        assert_eq!(
            key_from_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB="),
            Err(TextError::NotBase64)
        );
    }

    proptest! {
        #[test]
        fn every_key_survives_the_way_through_text(key: [u8; 32]) {
            prop_assert_eq!(key_from_text(&key_to_text(&key)), Ok(key));
        }

        #[test]
        fn no_text_makes_the_decoder_panic(text in "\\PC{0,60}") {
            let _ = key_from_text(&text);
        }
    }
}
