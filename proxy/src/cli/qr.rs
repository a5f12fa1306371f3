//! A QR code for a terminal: half blocks, two modules of a column to a character.

use anyhow::{Context as _, Result};
use qrcode::{Color, EcLevel, QrCode};

/// The light margin that readers need (ISO/IEC 18004), in modules.
const MARGIN: usize = 4;
/// Black on white, whatever the terminal's own colours are: many readers take no code of light on dark.
const COLOURS: (&str, &str) = ("\x1b[38;5;16;48;5;231m", "\x1b[0m");

/// The code as lines of text. Without colours it is right where the text is dark on light.
pub fn drawn(text: &str, colours: bool) -> Result<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).context("QR code")?;
    let width = code.width();
    let inside = |at: usize| at.checked_sub(MARGIN).filter(|at| *at < width);
    let dark = |x: usize, y: usize| match (inside(x), inside(y)) {
        (Some(x), Some(y)) => code[(x, y)] == Color::Dark,
        _ => false,
    };
    let (before, after) = if colours { COLOURS } else { ("", "") };
    let size = width + 2 * MARGIN;
    let line = |y: usize| -> String {
        let blocks = (0..size).map(|x| match (dark(x, y), dark(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
        let blocks: String = blocks.collect();
        format!("{before}{blocks}{after}\n")
    };
    Ok((0..size).step_by(2).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a camera reads from the drawing, each module four dots wide.
    fn read(drawn: &str) -> String {
        const DOTS: usize = 4;
        let lines: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        let dark = |x: usize, y: usize| match lines[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            _ => false,
        };
        let (width, height) = (lines[0].len() * DOTS, lines.len() * 2 * DOTS);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            if dark(x / DOTS, y / DOTS) { 0 } else { 255 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_camera_reads_what_was_drawn() {
        for length in [1, 40, 190, 775] {
            let text = "bm1-Aa9_".repeat(100)[..length].to_owned();
            assert_eq!(read(&drawn(&text, false).unwrap()), text);
        }
    }

    #[test]
    fn colours_stand_around_each_line_and_change_nothing_in_it() {
        let bare = drawn("bm1", false).unwrap();
        let coloured = drawn("bm1", true).unwrap();
        assert!(
            coloured
                .lines()
                .all(|line| line.starts_with(COLOURS.0) && line.ends_with(COLOURS.1))
        );
        assert_eq!(coloured.replace(COLOURS.0, "").replace(COLOURS.1, ""), bare);
    }

    #[test]
    fn too_long_a_text_is_an_error() {
        assert!(drawn(&"x".repeat(5_000), false).is_err());
    }
}
