//! Cases in their order, told as `cargo test` tells tests.

use anyhow::Result;
use std::time::Instant;

/// What came of the cases so far.
#[derive(Default)]
pub struct Report {
    passed: usize,
    failed: usize,
    filter: Vec<String>,
}

impl Report {
    /// Only scenes whose name contains one of the words on the command line, or all.
    pub fn from_arguments() -> Self {
        let words = std::env::args().skip(1);
        Self {
            filter: words.filter(|word| !word.starts_with('-')).collect(),
            ..Self::default()
        }
    }

    /// Runs the cases of one scene. What it cannot even begin with is a failure of its own.
    pub fn scene(&mut self, name: &str, scene: impl FnOnce(&mut Self) -> Result<()>) {
        let wanted = |word: &String| name.contains(word.as_str());
        if !self.filter.is_empty() && !self.filter.iter().any(wanted) {
            return;
        }
        println!("\n{name}");
        let begun = Instant::now();
        if let Err(error) = scene(self) {
            self.failed += 1;
            println!("test {name} ... FAILED\n{error:?}");
        }
        println!("({:.0} s)", begun.elapsed().as_secs_f64());
    }

    /// Runs one case: a sentence and what shows it; the text that it returns is printed beside it. A scene goes no further
    /// than its first failure, since each case begins where the one before it ended.
    pub fn case(&mut self, sentence: &str, case: impl FnOnce() -> Result<String>) -> Result<()> {
        let note = case().map_err(|error| error.context(format!("not so: {sentence}")))?;
        self.passed += 1;
        let note = if note.is_empty() {
            note
        } else {
            format!("  ({note})")
        };
        println!("test {sentence} ... ok{note}");
        Ok(())
    }

    /// Says that and why nothing runs; ends the program.
    pub fn skip(self, reason: &str) -> ! {
        println!("!!! SKIPPED: {reason}");
        self.finish()
    }

    /// The closing line; ends the program.
    pub fn finish(self) -> ! {
        let word = if self.failed == 0 { "ok" } else { "FAILED" };
        println!(
            "\ntest result: {word}. {} passed; {} failed; 0 ignored; 0 measured; 0 filtered out",
            self.passed, self.failed
        );
        std::process::exit(i32::from(self.failed > 0))
    }
}
