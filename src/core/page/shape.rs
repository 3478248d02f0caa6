//! How a page is built: the paths of tags in it, as a sketch of a fixed size.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

/// How many tags make a path, from the innermost outwards. Longer ones tell pages of one type apart
/// by what they happen to nest.
const PATH_TAGS: usize = 4;

/// How many paths of a page are gathered.
pub(super) const PATHS_MAX: usize = 4_096;

/// How many hashes make a sketch: two sketches estimate how alike two sets are to within some
/// hundredths (the bottom-k method of Broder).
const SKETCH: usize = 256;

/// The smallest hashes of a page's tag paths, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Shape(Vec<u32>);

/// The path of the innermost of these open elements.
pub(super) fn path(open: &[String]) -> String {
    open[open.len().saturating_sub(PATH_TAGS)..].join(">")
}

impl Shape {
    /// Of these paths.
    pub(super) fn of(paths: &BTreeSet<String>) -> Self {
        let hash = |path: &String| {
            let digest = Sha256::digest(path.as_bytes());
            u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
        };
        let hashes: BTreeSet<u32> = paths.iter().map(hash).collect();
        Self(hashes.into_iter().take(SKETCH).collect())
    }

    /// Whether nothing is known of it.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How alike two pages are built: the share of their paths that both have, from 0 to 1.
    pub fn likeness(&self, other: &Self) -> f64 {
        let (mine, theirs): (BTreeSet<_>, BTreeSet<_>) =
            (self.0.iter().collect(), other.0.iter().collect());
        // Only the smallest hashes of both together are a fair sample of both.
        let sample: Vec<_> = mine.union(&theirs).take(SKETCH).collect();
        if sample.is_empty() {
            return 1.0;
        }
        let shared = sample
            .iter()
            .filter(|hash| mine.contains(**hash) && theirs.contains(**hash))
            .count();
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let likeness = shared as f64 / sample.len() as f64;
        likeness
    }
}
