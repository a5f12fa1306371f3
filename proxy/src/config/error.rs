//! Errors of a configuration: where it is, what is wrong, how to mend it.

use std::fmt;
use std::ops::Range;

/// One mistake in a configuration file. Shown as `file:line:column: what; how to mend it`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file as the user named it.
    pub file: String,
    /// Line and column, both from 1; `None` when the mistake is an absence or the file cannot be read.
    pub at: Option<(usize, usize)>,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl ConfigError {
    /// A mistake at a byte range of the file's text.
    pub fn at(file: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            at: Some(line_and_column(text, span.start)),
            message: message.into(),
        }
    }

    /// A mistake that has no place in the text.
    pub fn whole(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            at: None,
            message: message.into(),
        }
    }

    /// Turns what the TOML parser says into our form.
    pub fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let message = mend(error.message());
        // A missing option is reported with the span of its whole table: only its first line is of use,
        // and for the root table not even that.
        match error.span() {
            Some(span) if !(message.starts_with("missing") && span.start == 0) => {
                Self::at(file, text, span, message)
            }
            _ => Self::whole(file, message),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    (line, column)
}

/// Adds to the parser's words what to do about them.
fn mend(message: &str) -> String {
    let message = message.trim();
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((found, known)) = rest.split_once("`, expected ")
    {
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let hint = match nearest(found, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "remove it, or move it to the table it belongs to".into(),
        };
        return format!(
            "unknown option `{found}`; {hint} Options here: {}",
            known.join(", ")
        );
    }
    if let Some(rest) = message.strip_prefix("missing field `") {
        let field = rest.trim_end_matches('`');
        return match field {
            "nat" | "uplink" => {
                "missing `uplink`; name the interface to the Internet: [nat] uplink = \"eth0\""
                    .into()
            }
            other => format!("missing option `{other}`; add it"),
        };
    }
    message.replace('\n', ", ")
}

fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let best = known.iter().min_by_key(|k| distance(found, k))?;
    (distance(found, best) <= 2).then_some(*best)
}

/// Levenshtein's edit distance; option names are short, so the plain form will do.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            let substitute = diagonal + usize::from(ca != *cb);
            left = substitute.min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
