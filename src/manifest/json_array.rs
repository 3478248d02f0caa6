//! A JSON array of jobs, one at a time, so that it may be of any length.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::json::{NO_UTF8, entry, words};
use super::{BadJob, Entry, LINE_MAX_BYTES};

/// Hands the jobs of a JSON array on. A fault of the array's own syntax ends it: what
/// follows cannot be told apart any more.
pub(super) fn each<E>(
    reader: impl BufRead,
    mut take: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let place = Rc::new(RefCell::new(ReadPosition::default()));
    let placed = Placed {
        reader,
        place: Rc::clone(&place),
    };
    let mut deserializer = serde_json::Deserializer::from_reader(placed);
    let mut items = ItemVisitor {
        place: &place,
        take: &mut take,
        refused: None,
        is_object: false,
    };
    let read = deserializer
        .deserialize_any(&mut items)
        .and_then(|()| deserializer.end());
    if let Some(refused) = items.refused {
        return Err(refused);
    }
    let is_object = items.is_object;
    match read {
        Ok(()) => Ok(()),
        Err(_) if is_object => take(Err(BadJob::of_file(
            "begins with an object: write an array, [{...}, {...}]; or one object a line, as JSON Lines (.jsonl)",
        ))),
        Err(error) => take(Err(fault(&error, &place.borrow()))),
    }
}

fn fault(error: &serde_json::Error, place: &ReadPosition) -> BadJob {
    match &place.fault {
        Some(ArrayFault::NoUtf8) => BadJob::at(place.line, NO_UTF8),
        Some(ArrayFault::TooLong) => BadJob::at(
            place.began,
            format!(
                "the job that begins here is longer than {LINE_MAX_BYTES} bytes: close it, or write less"
            ),
        ),
        Some(ArrayFault::Unread(reason)) => BadJob::of_file(reason.clone()),
        None if error.to_string().contains("invalid unicode code point") => {
            BadJob::at(place.began, NO_UTF8)
        }
        None => BadJob::at(
            error.line().max(1),
            format!(
                "is not a JSON array of jobs: column {}: {}",
                error.column(),
                words(error)
            ),
        ),
    }
}

/// Takes the items as they come.
struct ItemVisitor<'a, E, F> {
    place: &'a RefCell<ReadPosition>,
    take: &'a mut F,
    refused: Option<E>,
    is_object: bool,
}

impl<'de, E, F: FnMut(Entry) -> Result<(), E>> Visitor<'de> for &mut ItemVisitor<'_, E, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.is_object = true;
        Err(A::Error::custom("an object"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some((line, item)) = items.next_element_seed(Item(self.place))? {
            if let Err(refused) = (self.take)(entry(line, item.get())) {
                self.refused = Some(refused);
                return Err(A::Error::custom("no more is wanted"));
            }
        }
        Ok(())
    }
}

/// One item as it stands there, and its line: its first byte is the last that was read.
struct Item<'a>(&'a RefCell<ReadPosition>);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = (usize, Box<RawValue>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let line = {
            let mut place = self.0.borrow_mut();
            place.item_bytes = Some(0);
            place.began = place.line;
            place.line
        };
        let item = Box::<RawValue>::deserialize(deserializer)?;
        self.0.borrow_mut().item_bytes = None;
        Ok((line, item))
    }
}

/// Where the reading is, and what ended it.
struct ReadPosition {
    /// The line of the byte that was read last, from 1.
    line: usize,
    /// Whether that byte ends its line.
    at_break: bool,
    /// The line on which the item began.
    began: usize,
    /// How much of an item was read, within one.
    item_bytes: Option<u64>,
    /// How many bytes the character lacks that was begun.
    lacks: u8,
    fault: Option<ArrayFault>,
}

enum ArrayFault {
    NoUtf8,
    TooLong,
    Unread(String),
}

impl Default for ReadPosition {
    fn default() -> Self {
        Self {
            line: 1,
            at_break: false,
            began: 1,
            item_bytes: None,
            lacks: 0,
            fault: None,
        }
    }
}

impl ReadPosition {
    fn pass(&mut self, byte: u8) -> Option<ArrayFault> {
        self.line += usize::from(self.at_break);
        self.at_break = byte == b'\n';
        let lacks = match (byte, self.lacks) {
            (0x80..=0xbf, 1..) => self.lacks - 1,
            (..=0x7f, 0) => 0,
            (0xc2..=0xdf, 0) => 1,
            (0xe0..=0xef, 0) => 2,
            (0xf0..=0xf4, 0) => 3,
            _ => return Some(ArrayFault::NoUtf8),
        };
        self.lacks = lacks;
        let bytes = self.item_bytes.as_mut()?;
        *bytes += 1;
        (*bytes > LINE_MAX_BYTES).then_some(ArrayFault::TooLong)
    }
}

/// A reader that knows its place. serde_json takes byte by byte of it.
struct Placed<R> {
    reader: R,
    place: Rc<RefCell<ReadPosition>>,
}

impl<R: BufRead> Read for Placed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut place = self.place.borrow_mut();
        let one = buffer.len().min(1);
        let read = match self.reader.read(&mut buffer[..one]) {
            Ok(read) => read,
            // It is asked again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                place.fault = Some(ArrayFault::Unread(BadJob::unread(&error).reason));
                return Err(error);
            }
        };
        if let Some(fault) = buffer[..read].first().and_then(|byte| place.pass(*byte)) {
            place.fault = Some(fault);
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(read)
    }
}
