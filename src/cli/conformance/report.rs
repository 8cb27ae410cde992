//! The verdict: a line for each check, and how many there were of each kind.

use std::fmt;

/// How a check ended.
#[derive(Debug)]
pub(super) enum Verdict {
    Ok(String),
    /// Roomkey can work with it, but better not; what would be right.
    Warn(String),
    /// What came, and what would be right.
    Fail(String),
}

/// Counts, and prints as it goes.
#[derive(Debug, Default)]
pub(super) struct Report {
    passed: usize,
    failed: usize,
    warned: usize,
}

impl Report {
    pub(super) fn add(&mut self, check: &str, verdict: &Verdict) {
        let (word, text, count) = match verdict {
            Verdict::Ok(text) => ("ok  ", text, &mut self.passed),
            Verdict::Warn(text) => ("warn", text, &mut self.warned),
            Verdict::Fail(text) => ("FAIL", text, &mut self.failed),
        };
        *count += 1;
        say!("{word}  {check}: {text}");
    }

    pub(super) const fn has_passed(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, warned } = self;
        write!(f, "{passed} passed, {failed} failed, {warned} warned")
    }
}
