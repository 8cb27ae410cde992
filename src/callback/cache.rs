//! What the backend allowed a moment ago.
//!
//! Only a yes is kept, for the very same question, and for no longer than the
//! operator said. What is kept is bounded by weight, whoever asks how often.

use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Fingerprint;
use crate::authorize::Verdict;

/// All that is kept, as [`ByBytes`] weighs it; some 8000 usual answers.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// What keeping an answer takes, and what a byte of it comes to in memory at most.
const ENTRY_BYTES: u64 = 512;
const BYTES_FOR_ONE: u64 = 16;
/// So long is a usual answer.
const USUAL_BYTES: u64 = 100;

/// Verdicts by their questions.
#[derive(Debug)]
pub(crate) struct Recent {
    kept_for: Duration,
    verdicts: Cache<Fingerprint, Kept, ByBytes>,
}

#[derive(Clone, Debug)]
struct Kept {
    verdict: Verdict,
    bytes: usize,
    until: Instant,
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<Fingerprint, Kept> for ByBytes {
    fn weight(&self, _: &Fingerprint, kept: &Kept) -> u64 {
        ENTRY_BYTES + BYTES_FOR_ONE * kept.bytes as u64
    }
}

impl Recent {
    pub(crate) fn new(kept_for: Duration) -> Self {
        let usual = usize::try_from(MAX_BYTES / (ENTRY_BYTES + BYTES_FOR_ONE * USUAL_BYTES)).unwrap_or_default();
        Self { kept_for, verdicts: Cache::with_weighter(usual, MAX_BYTES, ByBytes) }
    }

    /// What counts still.
    pub(crate) fn get(&self, question: &Fingerprint) -> Option<Verdict> {
        self.verdicts.get(question).filter(|kept| Instant::now() < kept.until).map(|kept| kept.verdict)
    }

    /// Keeps a yes that came in so many bytes.
    pub(crate) fn keep(&self, question: Fingerprint, verdict: Verdict, bytes: usize) {
        self.verdicts.insert(question, Kept { verdict, bytes, until: Instant::now() + self.kept_for });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::Allowance;

    #[test]
    fn what_is_kept_ends_and_never_weighs_more_than_its_bound() {
        let yes = || Verdict::Allow(Allowance::role("viewer", "callback"));
        let recent = Recent::new(Duration::ZERO);
        recent.keep([0; 32], yes(), 100);
        assert!(recent.get(&[0; 32]).is_none());

        let recent = Recent::new(Duration::from_secs(30));
        for number in 0..100_000_u32 {
            let mut question = [0; 32];
            question[..4].copy_from_slice(&number.to_be_bytes());
            recent.keep(question, yes(), (number % 4096) as usize);
        }
        assert!(recent.verdicts.weight() <= MAX_BYTES, "{}", recent.verdicts.weight());
        assert!(recent.verdicts.len() > 100);
        recent.keep([7; 32], yes(), 64 * 1024);
        assert!(recent.get(&[7; 32]).is_some());
    }
}
