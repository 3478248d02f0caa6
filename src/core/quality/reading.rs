//! PURE: a page's result, read in one pass without recursion, in memory that its size does not
//! change, and counted as it comes.

use json_event_parser::{JsonEvent, JsonSyntaxError, SliceJsonParser};

use super::{
    kind::Kind,
    notation,
    tally::{Counts, MAX_KEY_BYTES, MAX_PATHS, Path, PathId, ROOT, Tally},
    value::{Hollow, hollow},
};

/// What a result has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Something.
    Content,
    /// Nothing.
    Nothing,
    /// The text of a consent page or of a check for robots, and nothing else.
    Wall,
}

/// Reads and counts a result; what it has.
///
/// # Errors
/// Where it is not JSON, or deeper than the parser goes.
pub(super) fn read(tally: &mut Tally<'_>, json: &str) -> Result<Found, JsonSyntaxError> {
    let mut parser = SliceJsonParser::new(json.as_bytes());
    let mut reading = Reading {
        tally,
        open: Vec::new(),
        serial: 0,
        is_filled: false,
        walls: 0,
        content: 0,
    };
    loop {
        match parser.parse_next()? {
            JsonEvent::Eof => return Ok(reading.result()),
            event => reading.take(event),
        }
    }
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

/// A page's result, as far as it was read.
struct Reading<'t, 'w> {
    tally: &'t mut Tally<'w>,
    open: Vec<Open>,
    serial: u64,
    is_filled: bool,
    /// Texts such as those of a consent page, and values that are none.
    walls: u64,
    content: u64,
}

impl Reading<'_, '_> {
    const fn result(&self) -> Found {
        match (self.is_filled, self.content, self.walls) {
            (true, 0, 1..) => Found::Wall,
            (true, ..) => Found::Content,
            (false, ..) => Found::Nothing,
        }
    }

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
        let wanted = self.tally.wanted();
        let is_wall = hollow == Some(Hollow::Wall);
        // Whether it is one, the rest of the page tells.
        let mut is_filled = hollow != Some(Hollow::Empty);
        let mut is_number = kind == Kind::Number;
        if let Some(path) = self.path(at) {
            let field = path.wanted.and_then(|number| wanted.fields.get(number));
            is_filled |=
                kind == Kind::String && field.is_some_and(|field| field.expectation.names(text));
            path.page.scalars += 1;
            path.kinds.add(kind);
            path.values += u64::from(is_filled);
            path.walls += u64::from(is_wall);
            if is_filled {
                path.sample(text);
            }
            if let Some(field) = field.filter(|_| is_filled) {
                let asks_for_number = field.kind == Some(Kind::Number);
                let number = (asks_for_number || field.expectation.is_about_numbers())
                    .then(|| notation::number(text))
                    .flatten();
                is_number |= kind == Kind::String && number.is_some();
                path.miss(|| field.expectation.missed_by(text, number));
            }
        }
        self.walls += u64::from(is_wall);
        self.content += u64::from(is_filled && !is_wall);
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
        let wanted = self.tally.wanted();
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
