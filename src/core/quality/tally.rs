//! PURE: what is where in a result, counted in one pass without recursion, in memory that the
//! result's size does not change.
//!
//! A result is read as a tree of paths; arrays have no place in a path, so that
//! `products.price` goes through any arrays that `products` may be. Each path has counts of a
//! page and of all pages.

use std::collections::HashMap;

use json_event_parser::{JsonEvent, JsonSyntaxError, SliceJsonParser};

use super::{
    Wanted,
    kind::{Kind, Kinds},
    notation,
    value::{Hollow, hollow},
};

/// So many paths are counted, beside those that are wanted.
const MAX_PATHS: usize = 2000;

/// A longer key gets no path, in bytes.
const MAX_KEY_BYTES: usize = 200;

/// So much of a value is kept as a sample, in characters.
const SAMPLE_CHARS: usize = 80;

/// So many samples of a path are kept.
const MAX_SAMPLES: usize = 2;

/// A path, by its place in [`Tally::paths`].
type PathId = usize;

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
    objects: u64,
    /// Single values that it leads to, null among them.
    scalars: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
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
    children: HashMap<Box<str>, PathId>,
    /// The last part of it.
    pub key: String,
    /// Which of the wanted fields it is.
    pub wanted: Option<usize>,
    /// Whether other wanted fields are within it.
    pub leads_to_wanted: bool,
    page: Counts,
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
    /// How many texts are those of another page: consent, a check for robots.
    pub walls: u64,
    /// How an expectation was missed, the first time.
    pub missed: Option<String>,
    /// The object in which it was last seen, and what was counted of it there.
    last: Option<(u64, Counts)>,
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
    /// Why the first of those that cannot be read is none.
    pub unreadable: Option<String>,
}

/// A container that is open.
#[derive(Debug)]
enum Open {
    Object {
        at: Option<PathId>,
        /// A number of its own.
        serial: u64,
        /// The path of the key that was read last.
        key: Option<PathId>,
        has_key: bool,
        is_filled: bool,
    },
    Array {
        at: Option<PathId>,
        items: u64,
        is_filled: bool,
    },
}

/// A value that has ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    kind: Kind,
    is_filled: bool,
    is_number: bool,
    items: u64,
}

impl<'w> Tally<'w> {
    pub fn new(wanted: &'w Wanted, fair_share: f64) -> Self {
        let mut tally = Self {
            wanted,
            fair_share,
            paths: vec![Path::default()],
            pages: 0,
            pages_filled: 0,
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
            for last in first..parts.len() {
                to = self.child(to, parts[last]);
                let key = parts[first..=last].join(".");
                self.paths[from].children.entry(key.into()).or_insert(to);
            }
            from = self.child(from, parts[first]);
        }
    }

    fn child(&mut self, parent: PathId, key: &str) -> PathId {
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
        let mut is_filled = false;
        match result.map(|json| self.read(json)) {
            None => {}
            Some(Ok(filled)) => is_filled = filled,
            Some(Err(error)) => {
                self.unreadable.get_or_insert_with(|| error.to_string());
            }
        }
        self.pages_filled += usize::from(is_filled);
        self.end_page(result.is_some(), is_filled);
    }

    fn read(&mut self, json: &str) -> Result<bool, JsonSyntaxError> {
        let mut parser = SliceJsonParser::new(json.as_bytes());
        let mut reading = Reading {
            tally: self,
            open: Vec::new(),
            serial: 0,
            is_filled: false,
        };
        loop {
            match parser.parse_next()? {
                JsonEvent::Eof => return Ok(reading.is_filled),
                event => reading.take(event),
            }
        }
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

/// A page's result, as far as it was read.
struct Reading<'t, 'w> {
    tally: &'t mut Tally<'w>,
    open: Vec<Open>,
    serial: u64,
    is_filled: bool,
}

impl Reading<'_, '_> {
    fn take(&mut self, event: JsonEvent<'_>) {
        match event {
            JsonEvent::StartObject => {
                let at = self.at();
                self.serial += 1;
                if let Some(path) = self.path(at) {
                    path.page.objects += 1;
                    path.kinds.add(Kind::Object);
                }
                self.open.push(Open::Object {
                    at,
                    serial: self.serial,
                    key: None,
                    has_key: false,
                    is_filled: false,
                });
            }
            JsonEvent::StartArray => {
                let at = self.at();
                if let Some(path) = self.path(at) {
                    path.kinds.add(Kind::Array);
                }
                self.open.push(Open::Array {
                    at,
                    items: 0,
                    is_filled: false,
                });
            }
            JsonEvent::ObjectKey(key) => {
                let parent = match self.open.last() {
                    Some(Open::Object { at, .. }) => *at,
                    _ => None,
                };
                let path = parent.and_then(|parent| self.key(parent, &key));
                if let Some(Open::Object { key, has_key, .. }) = self.open.last_mut() {
                    *key = path;
                    *has_key = true;
                }
            }
            JsonEvent::EndObject | JsonEvent::EndArray => self.close(),
            JsonEvent::String(text) => {
                let hollow = hollow(&text);
                self.scalar(Kind::String, &text, hollow);
            }
            JsonEvent::Number(text) => self.scalar(Kind::Number, &text, None),
            JsonEvent::Boolean(value) => {
                self.scalar(Kind::Boolean, if value { "true" } else { "false" }, None);
            }
            JsonEvent::Null => self.scalar(Kind::Null, "null", Some(Hollow::Empty)),
            JsonEvent::Eof => {}
        }
    }

    /// The path of the value that begins.
    fn at(&self) -> Option<PathId> {
        match self.open.last() {
            None => Some(ROOT),
            Some(Open::Object { key, .. }) => *key,
            Some(Open::Array { at, .. }) => *at,
        }
    }

    fn path(&mut self, at: Option<PathId>) -> Option<&mut Path> {
        self.tally.paths.get_mut(at?)
    }

    fn key(&mut self, parent: PathId, key: &str) -> Option<PathId> {
        if let Some(known) = self.tally.paths[parent].children.get(key) {
            return Some(*known);
        }
        let has_room = self.tally.paths.len() < MAX_PATHS && key.len() <= MAX_KEY_BYTES;
        has_room.then(|| self.tally.child(parent, key))
    }

    fn scalar(&mut self, kind: Kind, text: &str, hollow: Option<Hollow>) {
        let at = self.at();
        let is_filled = hollow.is_none();
        let wanted = self.tally.wanted;
        let mut is_number = kind == Kind::Number;
        if let Some(path) = self.path(at) {
            path.page.scalars += 1;
            path.kinds.add(kind);
            path.walls += u64::from(hollow == Some(Hollow::Wall));
            if is_filled || hollow == Some(Hollow::Wall) {
                path.sample(text);
            }
            let field = path.wanted.and_then(|number| wanted.fields.get(number));
            if let Some(field) = field.filter(|_| is_filled) {
                let asks_for_number = field.kind == Some(Kind::Number);
                let value = (asks_for_number || field.expectation.is_about_numbers())
                    .then(|| notation::number(text))
                    .flatten();
                is_number |= kind == Kind::String && value.is_some();
                path.miss(|| field.expectation.missed_by(text, value));
            }
        }
        self.ended(Ended {
            kind,
            is_filled,
            is_number,
            items: u64::from(is_filled),
        });
    }

    fn close(&mut self) {
        let ended = match self.open.pop() {
            None => return,
            Some(Open::Object { is_filled, .. }) => Ended {
                kind: Kind::Object,
                is_filled,
                is_number: false,
                items: 1,
            },
            Some(Open::Array {
                items, is_filled, ..
            }) => Ended {
                kind: Kind::Array,
                is_filled,
                is_number: false,
                items,
            },
        };
        self.ended(ended);
    }

    fn ended(&mut self, ended: Ended) {
        match self.open.last_mut() {
            None => self.is_filled = ended.is_filled,
            Some(Open::Array {
                items, is_filled, ..
            }) => {
                *items += 1;
                *is_filled |= ended.is_filled;
            }
            Some(Open::Object {
                serial,
                key,
                has_key,
                is_filled,
                ..
            }) => {
                *is_filled |= ended.is_filled;
                let (serial, key) = (*serial, if *has_key { *key } else { None });
                self.in_object(serial, key, ended);
            }
        }
    }

    /// Counts the value of a key. Of a key that comes twice the last value counts, as most
    /// readers have it.
    fn in_object(&mut self, serial: u64, key: Option<PathId>, ended: Ended) {
        let wanted = self.tally.wanted;
        let Some(path) = self.path(key) else { return };
        let field = path.wanted.and_then(|number| wanted.fields.get(number));
        let fits = field.is_none_or(|field| match field.kind {
            Some(Kind::Number) => ended.is_number,
            Some(Kind::Array) => ended.kind == Kind::Array,
            Some(_) => !matches!(ended.kind, Kind::Array | Kind::Object),
            None => true,
        });
        if let Some((_, before)) = path.last.take_if(|(last, _)| *last == serial) {
            path.page.seen -= before.seen;
            path.page.filled -= before.filled;
            path.page.usable -= before.usable;
        }
        let counts = Counts {
            seen: 1,
            filled: u64::from(ended.is_filled),
            usable: u64::from(ended.is_filled && fits),
            ..Counts::default()
        };
        path.page.add(counts);
        path.last = Some((serial, counts));
        if let Some(field) = field {
            path.miss(|| {
                field
                    .expectation
                    .missed_by_count(ended.is_filled, ended.items)
            });
            if ended.is_filled && matches!(ended.kind, Kind::Array | Kind::Object) {
                path.sample(&ended.shown());
            }
        }
    }
}

impl Ended {
    /// A container as a sample shows it.
    fn shown(self) -> String {
        match self.kind {
            Kind::Array => format!("[{} items]", self.items),
            _ => "{...}".to_owned(),
        }
    }
}

impl Path {
    fn sample(&mut self, text: &str) {
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

    fn miss(&mut self, missed: impl FnOnce() -> Option<String>) {
        if self.missed.is_none() {
            self.missed = missed();
        }
    }
}
