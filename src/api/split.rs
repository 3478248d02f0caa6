//! PURE: takes a JSON array or object apart at its top level without trusting what stands in
//! it: a part that is not JSON (NaN, a byte that is not UTF-8, a raw newline) must not hide the
//! others.

use std::io::BufRead;

/// What a byte means to who takes a container apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BytePlace {
    /// Within a part.
    Inside,
    /// Between two parts.
    Between,
    /// It closes the container.
    End,
}

/// Where the next byte stands, as far as brackets and strings show.
#[derive(Debug, Default)]
struct Scan {
    /// Containers that are open within the one that is taken apart.
    depth: usize,
    deepest: usize,
    is_string: bool,
    is_escaped: bool,
}

impl Scan {
    fn step(&mut self, byte: u8) -> BytePlace {
        if self.is_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_string = false,
                _ => {}
            }
            return BytePlace::Inside;
        }
        match byte {
            b'"' => self.is_string = true,
            b'[' | b'{' => {
                self.depth += 1;
                self.deepest = self.deepest.max(self.depth);
            }
            b']' | b'}' if self.depth == 0 => return BytePlace::End,
            b']' | b'}' => self.depth -= 1,
            b',' if self.depth == 0 => return BytePlace::Between,
            _ => {}
        }
        BytePlace::Inside
    }
}

/// How many containers of a JSON text stand within one another, at the most.
pub(super) fn depth(json: &str) -> usize {
    let mut scan = Scan::default();
    json.bytes().for_each(|byte| {
        scan.step(byte);
    });
    scan.deepest
}

/// The members of the JSON object that `bytes` begin with, each as it stands there, and
/// whether and why it is not whole.
pub(super) fn members(bytes: &[u8]) -> (Vec<&[u8]>, Result<(), String>) {
    let mut members = Vec::new();
    let bytes = without_mark(bytes).trim_ascii_start();
    let Some(rest) = bytes.strip_prefix(b"{") else {
        let why = match bytes {
            [] => "it is empty",
            _ => "it is not a JSON object",
        };
        return (members, Err(why.to_owned()));
    };
    let mut scan = Scan::default();
    let mut start = 0;
    for (at, byte) in rest.iter().enumerate() {
        let place = scan.step(*byte);
        if place == BytePlace::Inside {
            continue;
        }
        members.push(rest[start..at].trim_ascii());
        start = at + 1;
        if place == BytePlace::End {
            members.retain(|member| !member.is_empty());
            let end = match rest[start..].trim_ascii() {
                [] if *byte == b'}' => Ok(()),
                [] => Err("its object is closed by a bracket of another kind".to_owned()),
                _ => Err("trailing characters after its object".to_owned()),
            };
            return (members, end);
        }
    }
    // A member that is not complete is ignored.
    members.retain(|member| !member.is_empty());
    (members, Err("EOF before the end of its object".to_owned()))
}

/// Bytes without the byte order mark that some put before a text.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// What a stream that should be a JSON array turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// An array, read to its end.
    Array,
    /// `null`.
    Null,
}

/// Hands each item of the JSON array that is read to `take`, and none in the place of one of
/// more than `cap_bytes`. Else why it is not an array, or not whole.
pub(super) fn items(
    mut body: impl BufRead,
    cap_bytes: usize,
    mut take: impl FnMut(Option<&[u8]>),
) -> Result<Whole, String> {
    let mut reading = ListItems {
        at: At::Start,
        scan: Scan::default(),
        item: Vec::new(),
        is_cut: false,
        cap_bytes,
    };
    loop {
        let chunk = body.fill_buf().map_err(|error| error.to_string())?;
        if chunk.is_empty() {
            return reading.end();
        }
        for byte in chunk {
            reading.step(*byte, &mut take)?;
        }
        let count = chunk.len();
        body.consume(count);
    }
}

/// Where the reading of an array stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    /// So many bytes of `null` were read.
    Null(usize),
    Within,
    After(Whole),
}

#[derive(Debug)]
struct ListItems {
    at: At,
    scan: Scan,
    item: Vec<u8>,
    is_cut: bool,
    cap_bytes: usize,
}

impl ListItems {
    fn step(&mut self, byte: u8, take: &mut impl FnMut(Option<&[u8]>)) -> Result<(), String> {
        const NULL: &[u8] = b"null";
        match self.at {
            // A byte order mark is passed over too.
            At::Start | At::After(_) if byte.is_ascii_whitespace() => {}
            At::Start if matches!(byte, 0xef | 0xbb | 0xbf) => {}
            At::Start if byte == b'[' => self.at = At::Within,
            At::Start if byte == b'n' => self.at = At::Null(1),
            At::Null(read) if NULL.get(read) == Some(&byte) => {
                let read = read + 1;
                self.at = if read < NULL.len() {
                    At::Null(read)
                } else {
                    At::After(Whole::Null)
                };
            }
            At::Start | At::Null(_) => return Err("expected a JSON array of parsers".to_owned()),
            At::After(_) => return Err("trailing characters after the list".to_owned()),
            At::Within => return self.step_within(byte, take),
        }
        Ok(())
    }

    fn step_within(
        &mut self,
        byte: u8,
        take: &mut impl FnMut(Option<&[u8]>),
    ) -> Result<(), String> {
        let place = self.scan.step(byte);
        if place == BytePlace::Inside {
            if self.item.len() < self.cap_bytes {
                self.item.push(byte);
            } else {
                self.is_cut = true;
            }
            return Ok(());
        }
        let item = self.item.trim_ascii();
        // An empty array has no item; nor does a comma before its end make one.
        if place == BytePlace::Between || !item.is_empty() {
            take((!self.is_cut).then_some(item));
        }
        self.item.clear();
        self.is_cut = false;
        match (place, byte) {
            (BytePlace::End, b']') => self.at = At::After(Whole::Array),
            (BytePlace::End, _) => return Err("the list is closed by a wrong bracket".to_owned()),
            (BytePlace::Between | BytePlace::Inside, _) => {}
        }
        Ok(())
    }

    fn end(self) -> Result<Whole, String> {
        match self.at {
            At::After(whole) => Ok(whole),
            At::Start | At::Null(_) => Err("EOF, expected a JSON array of parsers".to_owned()),
            At::Within => Err("EOF before the end of the list".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &[u8], cap_bytes: usize) -> (Vec<Option<String>>, Result<Whole, String>) {
        let mut parts = Vec::new();
        let end = items(body, cap_bytes, |item| {
            parts.push(item.map(|item| String::from_utf8_lossy(item).into_owned()));
        });
        (parts, end)
    }

    #[test]
    fn an_array_is_taken_apart_whatever_its_items_are() {
        let table: [(&[u8], &[&str]); 9] = [
            (b"[]", &[]),
            (b" [ ] ", &[]),
            (b"\xef\xbb\xbf[1]", &["1"]),
            (b"[1, null ,{\"a\":[2,3]}]", &["1", "null", "{\"a\":[2,3]}"]),
            (b"[NaN,\"],\\\"}\",-]", &["NaN", "\"],\\\"}\"", "-"]),
            (b"[\"a\nb\",\"\\ud800\"]", &["\"a\nb\"", "\"\\ud800\""]),
            (b"[\"\xff\"]", &["\"\u{fffd}\""]),
            (b"[1,]", &["1"]),
            (b"[,1]", &["", "1"]),
        ];
        for (body, expected) in table {
            let expected: Vec<_> = expected
                .iter()
                .map(|part| Some((*part).to_owned()))
                .collect();
            let label = String::from_utf8_lossy(body).into_owned();
            assert_eq!(parts(body, 100), (expected, Ok(Whole::Array)), "{label}");
        }
        let capped = (vec![None, Some("12".to_owned())], Ok(Whole::Array));
        assert_eq!(parts(b"[\"long\",12]", 2), capped);
        assert_eq!(parts(b" null\n", 9), (Vec::new(), Ok(Whole::Null)));
    }

    #[test]
    fn what_is_not_an_array_or_not_whole_says_so() {
        for (body, part) in [
            ("", "EOF"),
            ("nul", "EOF"),
            ("nulL", "expected a JSON array"),
            ("{\"parsers\":[]}", "expected a JSON array"),
            ("[1", "EOF before the end"),
            ("[\"1]", "EOF before the end"),
            ("[1}", "wrong bracket"),
            ("[] []", "trailing characters"),
            ("null 1", "trailing characters"),
        ] {
            let error = parts(body.as_bytes(), 9).1.unwrap_err();
            assert!(error.contains(part), "{body}: {error}");
        }
    }

    #[test]
    fn an_object_is_taken_apart_as_far_as_it_goes() {
        for (body, expected, end) in [
            ("{}", &[][..], ""),
            (
                "{\"a\":NaN, \"b\":\"}\",}",
                &["\"a\":NaN", "\"b\":\"}\""],
                "",
            ),
            ("{\"b\":2,\"a\":[1", &["\"b\":2"], "EOF"),
            ("{\"a\":1} x", &["\"a\":1"], "trailing"),
            ("{\"a\":1]", &["\"a\":1"], "another kind"),
            ("[1]", &[], "not a JSON object"),
            ("", &[], "empty"),
        ] {
            let (found, ended) = members(body.as_bytes());
            let found: Vec<_> = found
                .iter()
                .map(|part| str::from_utf8(part).unwrap())
                .collect();
            assert_eq!(found, expected, "{body}");
            assert_eq!(ended.is_ok(), end.is_empty(), "{body}: {ended:?}");
            assert!(ended.err().unwrap_or_default().contains(end), "{body}");
        }
    }

    #[test]
    fn containers_within_one_another_are_counted() {
        for (json, expected) in [("1", 0), ("[[1],{\"a\":[\"[[[\"]}]", 3), ("{}", 1)] {
            assert_eq!(depth(json), expected, "{json}");
        }
    }
}
