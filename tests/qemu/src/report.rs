//! Scenes side by side, told one after the other as `cargo test` tells tests.

use anyhow::Result;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Instant;

/// One boot of a machine, and what is shown in it.
pub struct Scene {
    /// What it is, for the heading. A word of it on the command line chooses it.
    pub name: &'static str,
    /// Runs only when it is named, or with `--include-ignored`.
    pub long: bool,
    /// Its cases, in their order.
    pub cases: fn(&mut Report) -> Result<()>,
}

/// What came of the cases of a scene so far.
#[derive(Default)]
pub struct Report {
    passed: usize,
    failed: usize,
    text: String,
}

impl Report {
    /// Runs one case: a sentence and what shows it; the text that it returns is printed beside it. A scene goes no further
    /// than its first failure, since each case begins where the one before it ended.
    pub fn case(&mut self, sentence: &str, case: impl FnOnce() -> Result<String>) -> Result<()> {
        let note = case().map_err(|error| error.context(format!("not so: {sentence}")))?;
        self.passed += 1;
        let note = match note.as_str() {
            "" => note,
            _ => format!("  ({note})"),
        };
        let _ = writeln!(self.text, "test {sentence} ... ok{note}");
        Ok(())
    }

    /// Runs the cases of a scene. What it cannot even begin with is a failure of its own.
    fn of(scene: &Scene) -> Self {
        let mut report = Self::default();
        let begun = Instant::now();
        if let Err(error) = (scene.cases)(&mut report) {
            report.failed += 1;
            let _ = writeln!(report.text, "test {} ... FAILED\n{error:#}", scene.name);
        }
        let _ = write!(report.text, "({:.0} s)", begun.elapsed().as_secs_f64());
        report
    }
}

/// Runs the scenes that the command line asks for, two machines at a time; prints the closing line and ends the program. A machine
/// keeps one core busy, and its own time does not depend on what else the host does.
pub fn run(scenes: &[Scene]) -> ! {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let all = arguments.iter().any(|word| word == "--include-ignored");
    let words: Vec<&String> = arguments.iter().filter(|w| !w.starts_with('-')).collect();
    let wanted = |scene: &&Scene| match &words[..] {
        [] => all || !scene.long,
        words => words.iter().any(|word| scene.name.contains(*word)),
    };
    let (chosen, left): (Vec<_>, Vec<_>) = scenes.iter().partition(wanted);
    for scene in &left {
        println!("!!! LEFT OUT {}", scene.name);
    }
    let queue = Mutex::new(chosen.into_iter());
    let totals = Mutex::new((0, 0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(scene) = next(&queue) {
                    let report = Report::of(scene);
                    // Told whole, so that two scenes do not mix.
                    println!("\n{}\n{}", scene.name, report.text);
                    if let Ok(mut totals) = totals.lock() {
                        totals.0 += report.passed;
                        totals.1 += report.failed;
                    }
                }
            });
        }
    });
    let (passed, failed) = totals.into_inner().unwrap_or((0, 1));
    finish(passed, failed, left.len())
}

/// The lock is given back before the scene runs.
fn next<'a>(queue: &Mutex<impl Iterator<Item = &'a Scene>>) -> Option<&'a Scene> {
    queue.lock().ok()?.next()
}

/// Says that and why nothing runs; ends the program.
pub fn skip(reason: &str) -> ! {
    println!("!!! SKIPPED: {reason}");
    finish(0, 0, 0)
}

fn finish(passed: usize, failed: usize, ignored: usize) -> ! {
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; 0 filtered out"
    );
    std::process::exit(i32::from(failed > 0))
}
