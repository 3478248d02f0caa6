//! JSON Lines: a job a line; and a job as an object of JSON.

use std::fmt;
use std::io::{self, BufRead, Read};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{BadJob, Entry, LINE_MAX_BYTES, MARK, MARK_INSIDE, job};
use crate::core::spec::{Strict, key_twice, shown};

pub(super) const NO_UTF8: &str = "this is not valid UTF-8: save the file as UTF-8";

/// The jobs of JSON Lines, one at a time, so that a file of any length can be read.
///
/// Blank lines are passed over; a bad line does not end the reading, an error of the
/// reader does. Whether a name comes twice is for [`SeenNames`](super::SeenNames) to say.
pub fn json_lines<R: BufRead>(reader: R) -> impl Iterator<Item = Entry> {
    let mut reader = Some(reader);
    let mut line = 0;
    std::iter::from_fn(move || {
        loop {
            line += 1;
            match next_line(reader.as_mut()?) {
                Ok(JsonLine::End) => return None,
                Ok(JsonLine::TooLong) => {
                    let reason =
                        format!("is longer than {LINE_MAX_BYTES} bytes: write one job a line");
                    return Some(Err(BadJob::at(line, reason)));
                }
                Ok(JsonLine::Of(bytes)) => {
                    let bytes = bytes
                        .strip_prefix(b"\xef\xbb\xbf")
                        .filter(|_| line == 1)
                        .unwrap_or(&bytes);
                    match std::str::from_utf8(bytes) {
                        Ok(text) if text.trim().is_empty() => {}
                        Ok(text) if text.starts_with(MARK) => {
                            return Some(Err(BadJob::at(line, MARK_INSIDE)));
                        }
                        Ok(text) => return Some(entry(line, text)),
                        Err(_) => return Some(Err(BadJob::at(line, NO_UTF8))),
                    }
                }
                Err(error) => {
                    reader = None;
                    return Some(Err(BadJob::unread(&error)));
                }
            }
        }
    })
}

enum JsonLine {
    Of(Vec<u8>),
    TooLong,
    End,
}

fn next_line(reader: &mut impl BufRead) -> io::Result<JsonLine> {
    let mut bytes = Vec::new();
    reader
        .by_ref()
        .take(LINE_MAX_BYTES + 1)
        .read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(JsonLine::End);
    }
    if bytes.len() as u64 <= LINE_MAX_BYTES || bytes.ends_with(b"\n") {
        return Ok(JsonLine::Of(bytes));
    }
    loop {
        let rest = reader.fill_buf()?;
        let end = rest.iter().position(|byte| *byte == b'\n');
        let seen = end.map_or(rest.len(), |at| at + 1);
        reader.consume(seen);
        if end.is_some() || seen == 0 {
            return Ok(JsonLine::TooLong);
        }
    }
}

pub(super) fn entry(line: usize, text: &str) -> Entry {
    match serde_json::from_str(text) {
        Ok(ObjectReader { members, problems }) => job::spec(line, members, problems),
        Err(error) => {
            let reason = format!(
                "is not a JSON object such as {{\"name\": ..., \"urls\": [...]}}: column {}: {}",
                error.column(),
                words(&error)
            );
            Err(BadJob::at(line, reason))
        }
    }
}

/// What serde_json says, without its line, which is not that of the file.
pub(super) fn words(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    error.to_string().replace(&place, "")
}

/// A JSON object, and what serde_json would pass over: keys that come twice, in it or in
/// its members.
struct ObjectReader {
    members: Map<String, Value>,
    problems: Vec<String>,
}

impl<'de> Deserialize<'de> for ObjectReader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = ObjectReader;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ObjectReader, A::Error> {
                let mut object = ObjectReader {
                    members: Map::new(),
                    problems: Vec::new(),
                };
                while let Some((key, member)) = map.next_entry::<String, Strict>()? {
                    if member.has_key_twice {
                        object.problems.push(key_twice(&shown_key(&key)));
                    }
                    if object.members.insert(key.clone(), member.value).is_some() {
                        let key = shown_key(&key);
                        let problem = format!("{key} is given twice: write it once");
                        object.problems.push(problem);
                    }
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A key as a message names it: the known ones as they are.
fn shown_key(key: &str) -> String {
    if job::JOB_KEYS.contains(&key) {
        key.to_owned()
    } else {
        shown(key)
    }
}
