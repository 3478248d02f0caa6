//! How a page is built: the paths of elements in it, as a sketch of a fixed size.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

/// How many elements make a path, from the innermost outwards. Longer ones tell more pages of two
/// types apart, and pages of one type by what they happen to nest: one more element around a whole
/// page, as tests of variants bring it, then leaves little in common.
const PATH_ELEMENTS: usize = 3;

/// How much of a class is part of a path, in characters.
const CLASS_MAX_CHARS: usize = 32;

/// An element that is open.
#[derive(Debug)]
pub(super) struct Open {
    /// Its tag.
    pub name: String,
    /// What it is in a path: its tag and its first class, which says more of what a page is about than
    /// tags alone do. Numbers in it are of one page.
    step: String,
}

impl Open {
    pub(super) fn new(name: String, classes: Option<&str>) -> Self {
        let class = classes.and_then(|classes| classes.split_whitespace().next());
        let step = match class {
            None => name.clone(),
            Some(class) => {
                let class = class.chars().filter(|c| !c.is_ascii_digit());
                let class: String = class.take(CLASS_MAX_CHARS).collect();
                format!("{name}.{class}")
            }
        };
        Self { name, step }
    }
}

/// How many paths of a page are gathered.
pub(super) const PATHS_MAX: usize = 4_096;

/// How many hashes make a sketch (the bottom-k method of Broder). Most pages have fewer paths, and
/// are compared as a whole; others by a sample.
const SKETCH: usize = 256;

/// A page with fewer paths to compare tells nothing of its type.
const COMPARED_MIN: usize = 8;

/// The smallest hashes of a page's paths, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Shape(Vec<u32>);

/// The path of the innermost of these open elements.
pub(super) fn path(open: &[Open]) -> String {
    let last = &open[open.len().saturating_sub(PATH_ELEMENTS)..];
    let steps: Vec<_> = last.iter().map(|open| open.step.as_str()).collect();
    steps.join(">")
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

    /// How alike two pages are built: which share of the paths of the one that has fewer the other
    /// one has too, from 0 to 1. So a long page is like a short one of its type, which only lacks
    /// parts. Pages of which too little can be compared are taken to be alike.
    pub fn likeness(&self, other: &Self) -> f64 {
        let limit = self.sampled_to().min(other.sampled_to());
        let (mine, theirs) = (self.sample(limit), other.sample(limit));
        let (fewer, more) = if mine.len() < theirs.len() {
            (mine, theirs)
        } else {
            (theirs, mine)
        };
        if fewer.len() < COMPARED_MIN {
            return 1.0;
        }
        let shared = fewer
            .iter()
            .filter(|hash| more.binary_search(hash).is_ok())
            .count();
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let likeness = shared as f64 / fewer.len() as f64;
        likeness
    }

    /// All hashes of the page up to this one are in its sketch.
    fn sampled_to(&self) -> u32 {
        let is_whole = self.0.len() < SKETCH;
        self.0
            .last()
            .copied()
            .filter(|_| !is_whole)
            .unwrap_or(u32::MAX)
    }

    /// What two pages have up to the same hash is a fair sample of both, however large they are.
    fn sample(&self, limit: u32) -> &[u32] {
        &self.0[..self.0.partition_point(|hash| *hash <= limit)]
    }
}
