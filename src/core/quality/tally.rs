//! PURE: what is where in the results of a parser's pages: counts of each path.
//!
//! A result is read as a tree of paths; arrays have no place in a path, so that
//! `products.price` goes through any arrays that `products` may be. Each path has counts of a
//! page and of all pages.

use std::collections::HashMap;

use super::{
    Wanted,
    kind::Kinds,
    reading::{self, Found},
};

/// So many paths are counted, beside those that are wanted.
pub(super) const MAX_PATHS: usize = 2000;

/// A longer key gets no path, in bytes.
pub(super) const MAX_KEY_BYTES: usize = 200;

/// So many parts of a path may stand in one key.
const MAX_JOINED: usize = 4;

/// So much of a value is kept as a sample, in characters.
const SAMPLE_CHARS: usize = 80;

/// So many samples of a path are kept.
const MAX_SAMPLES: usize = 2;

/// A path, by its place in [`Tally::paths`].
pub(super) type PathId = usize;

/// The path of a page's result as a whole.
pub(super) const ROOT: PathId = 0;

/// Counts of one path on one page, or on all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Objects in which its key ought to stand.
    pub places: u64,
    /// Objects in which it does.
    pub seen: u64,
    /// Of them, where there is something in it.
    pub filled: u64,
    /// Of them, where it is of the type that was asked for.
    pub usable: u64,
    /// Objects that it leads to.
    pub(super) objects: u64,
    /// Single values that it leads to, null among them.
    pub(super) scalars: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.places += other.places;
        self.seen += other.seen;
        self.filled += other.filled;
        self.usable += other.usable;
        self.objects += other.objects;
        self.scalars += other.scalars;
    }
}

/// What is known of one path.
#[derive(Debug, Default)]
pub(super) struct Path {
    parent: Option<PathId>,
    /// Paths within it, by their keys; one further within it, too, by a key that has dots.
    pub(super) children: HashMap<Box<str>, PathId>,
    /// The last part of it.
    pub key: String,
    /// Which of the wanted fields it is.
    pub wanted: Option<usize>,
    /// Whether other wanted fields are within it.
    pub leads_to_wanted: bool,
    pub(super) page: Counts,
    /// Of all pages that have ended.
    pub total: Counts,
    /// How many pages have something in it.
    pub pages_filled: usize,
    /// Of them, how many have something of the type that was asked for.
    pub pages_usable: usize,
    /// Objects that it led to on pages on which anything was found.
    objects_found: u64,
    /// Whether a page has it in a fair share of its places.
    pub is_common: bool,
    /// Whether a page on which anything was found has such objects and it in none.
    pub is_lacking: bool,
    /// What sorts of value it leads to.
    pub kinds: Kinds,
    /// Values that are not empty.
    pub samples: Vec<String>,
    /// How many single values are not empty.
    pub values: u64,
    /// How many of these are such as those of a consent page or of a check for robots.
    pub walls: u64,
    /// How an expectation was missed, the first time.
    pub missed: Option<String>,
    /// The object in which it was last seen, and what was counted of it there.
    pub(super) last: Option<(u64, Counts)>,
}

/// Counts of all paths of all pages.
#[derive(Debug)]
pub(super) struct Tally<'w> {
    wanted: &'w Wanted,
    /// How full a path is on a page that it counts as common there.
    fair_share: f64,
    pub paths: Vec<Path>,
    /// How many pages there are.
    pub pages: usize,
    /// How many of them have anything in their result.
    pub pages_filled: usize,
    /// How many are the text of a consent page or of a check for robots, and nothing else.
    pub pages_blocked: usize,
    /// Why the first of those that cannot be read is none.
    pub unreadable: Option<String>,
}

impl<'w> Tally<'w> {
    pub fn new(wanted: &'w Wanted, fair_share: f64) -> Self {
        let mut tally = Self {
            wanted,
            fair_share,
            paths: vec![Path::default()],
            pages: 0,
            pages_filled: 0,
            pages_blocked: 0,
            unreadable: None,
        };
        for (number, field) in wanted.fields.iter().enumerate() {
            let mut at = ROOT;
            let parts: Vec<&str> = field.path.split('.').collect();
            for part in &parts {
                tally.paths[at].leads_to_wanted = true;
                at = tally.child(at, part);
            }
            tally.paths[at].wanted = Some(number);
        }
        for field in &wanted.fields {
            tally.add_keys_with_dots(&field.path);
        }
        tally
    }

    /// `a.b` may stand as such, as one key, in place of a `b` within an `a`.
    fn add_keys_with_dots(&mut self, path: &str) {
        let parts: Vec<&str> = path.split('.').collect();
        let mut from = ROOT;
        for first in 0..parts.len() {
            let mut to = from;
            for last in first..parts.len().min(first + MAX_JOINED) {
                to = self.child(to, parts[last]);
                let key = parts[first..=last].join(".");
                self.paths[from].children.entry(key.into()).or_insert(to);
            }
            from = self.child(from, parts[first]);
        }
    }

    pub(super) fn child(&mut self, parent: PathId, key: &str) -> PathId {
        if let Some(known) = self.paths[parent].children.get(key) {
            return *known;
        }
        self.paths.push(Path {
            parent: Some(parent),
            key: key.to_owned(),
            is_lacking: self.paths[parent].objects_found > 0,
            ..Path::default()
        });
        let id = self.paths.len() - 1;
        self.paths[parent].children.insert(key.into(), id);
        id
    }

    /// What it is counted for.
    pub const fn wanted(&self) -> &'w Wanted {
        self.wanted
    }

    /// The path of a wanted field.
    pub fn of_wanted(&self, number: usize) -> Option<&Path> {
        self.paths.iter().find(|path| path.wanted == Some(number))
    }

    /// A path as a user writes it.
    pub fn name(&self, path: &Path) -> String {
        let mut parts = vec![path.key.as_str()];
        let mut parent = path.parent;
        while let Some(at) = parent.filter(|at| *at != ROOT) {
            parts.push(&self.paths[at].key);
            parent = self.paths[at].parent;
        }
        parts.reverse();
        parts.join(".")
    }

    /// The keys that were seen where this one ought to be, and are not wanted themselves.
    pub fn beside<'t>(&'t self, path: &'t Path) -> impl Iterator<Item = &'t str> {
        self.paths
            .iter()
            .filter(|other| other.parent == path.parent && other.parent.is_some())
            .filter(|other| other.total.seen > 0 && other.wanted.is_none())
            .map(|other| other.key.as_str())
    }

    /// Counts a page. One whose result is missing or cannot be read counts as empty.
    pub fn add_page(&mut self, result: Option<&str>) {
        self.pages += 1;
        let mut found = Found::Nothing;
        match result.map(|json| reading::read(self, json)) {
            None => {}
            Some(Ok(read)) => found = read,
            Some(Err(error)) => {
                self.unreadable.get_or_insert_with(|| error.to_string());
            }
        }
        let is_filled = found == Found::Content;
        self.pages_filled += usize::from(is_filled);
        if found == Found::Wall {
            self.pages_blocked += 1;
            for path in &mut self.paths {
                path.page.filled = 0;
                path.page.usable = 0;
            }
        }
        self.end_page(result.is_some(), is_filled);
    }

    /// Where a key ought to have been is known once the page has ended.
    fn end_page(&mut self, has_result: bool, is_filled: bool) {
        for at in 0..self.paths.len() {
            let (places, parents) = match self.paths[at].parent {
                None => (1, 1),
                // Parents come before their children. A list that is empty has no places.
                Some(parent) => {
                    let parent = self.paths[parent].page;
                    let missing = parent.places.saturating_sub(parent.seen);
                    (parent.objects + parent.scalars + missing, parent.objects)
                }
            };
            let fair_share = self.fair_share * parents as f64;
            let path = &mut self.paths[at];
            if at == ROOT {
                path.page.seen = u64::from(has_result);
            }
            path.page.places = places.max(path.page.seen);
            path.is_common |= parents > 0 && path.page.seen as f64 >= fair_share.max(1.0);
            path.is_lacking |= is_filled && parents > 0 && path.page.seen == 0;
        }
        for path in &mut self.paths {
            path.pages_filled += usize::from(path.page.filled > 0);
            path.pages_usable += usize::from(path.page.usable > 0);
            path.objects_found += if is_filled { path.page.objects } else { 0 };
            path.total.add(path.page);
            path.page = Counts::default();
            path.last = None;
        }
    }
}

impl Path {
    pub(super) fn sample(&mut self, text: &str) {
        if self.samples.len() >= MAX_SAMPLES {
            return;
        }
        let text = text.trim();
        let mut sample: String = text.chars().take(SAMPLE_CHARS).collect();
        if sample.len() < text.len() {
            sample.push_str("...");
        }
        if !self.samples.contains(&sample) {
            self.samples.push(sample);
        }
    }

    pub(super) fn miss(&mut self, missed: impl FnOnce() -> Option<String>) {
        if self.missed.is_none() {
            self.missed = missed();
        }
    }
}
