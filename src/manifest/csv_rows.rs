//! The rows of a CSV text, one at a time: however long the text, a row's length is bounded.

use std::io::{self, BufRead};

use csv_core::{ReadRecordResult, Reader};

use super::{BadJob, LINE_MAX_BYTES, json::NO_UTF8};

/// How many cells a row may have: many times the columns that there are.
const CELLS_MAX: usize = 1024;

/// A row that is not blank, its cells trimmed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CsvRow {
    /// The line it begins on, from 1.
    pub line: usize,
    pub cells: Vec<String>,
}

/// The rows of a text. A fault after which nothing is known of the rest ends them.
pub(crate) struct Rows<R> {
    reader: R,
    csv: Reader,
    /// What was read of a row: its cells, one after the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    lines: LineBreaks,
    is_over: bool,
}

/// What ends a row, or the reading of it.
enum RowEnd {
    CsvRow,
    TooLong,
    OpenQuote,
    End,
}

impl<R: BufRead> Rows<R> {
    pub fn of(reader: R) -> Self {
        let room = usize::try_from(LINE_MAX_BYTES).unwrap_or(usize::MAX);
        Self {
            reader,
            csv: Reader::new(),
            text: vec![0; room],
            ends: vec![0; CELLS_MAX],
            lines: LineBreaks::default(),
            is_over: false,
        }
    }

    /// Whether nothing more can be read.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Reads on to the end of a row. Returns its line, and how much of `text` and `ends`
    /// it takes.
    fn read(&mut self) -> io::Result<(RowEnd, Option<usize>, usize, usize)> {
        let (mut line, mut bytes, mut cells) = (None, 0, 0);
        loop {
            let input = self.reader.fill_buf()?;
            let at_end = input.is_empty();
            // A line break ends the last row as well as any, save one whose quote is open:
            // there it is part of the cell.
            let input = if at_end { b"\n" } else { input };
            let (result, read, wrote, ended) =
                self.csv
                    .read_record(input, &mut self.text[bytes..], &mut self.ends[cells..]);
            if !at_end {
                self.lines.pass(&input[..read], &mut line);
                self.reader.consume(read);
            }
            (bytes, cells) = (bytes + wrote, cells + ended);
            let ending = match result {
                ReadRecordResult::Record => RowEnd::CsvRow,
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => RowEnd::TooLong,
                ReadRecordResult::InputEmpty if at_end && line.is_some() => RowEnd::OpenQuote,
                ReadRecordResult::InputEmpty if at_end => RowEnd::End,
                ReadRecordResult::End => RowEnd::End,
                ReadRecordResult::InputEmpty => continue,
            };
            return Ok((ending, line, bytes, cells));
        }
    }

    fn row(&self, line: usize, bytes: usize, cells: usize) -> Result<CsvRow, BadJob> {
        let text = std::str::from_utf8(&self.text[..bytes]);
        let text = text.map_err(|_| BadJob::at(line, NO_UTF8))?;
        let mut start = 0;
        let cells = self.ends[..cells].iter().map(|end| {
            let cell = text.get(start..*end).unwrap_or_default();
            start = *end;
            cell.trim().to_owned()
        });
        Ok(CsvRow {
            line,
            cells: cells.collect(),
        })
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<CsvRow, BadJob>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let (ending, line, bytes, cells) = match self.read() {
            Ok(read) => read,
            Err(error) => {
                self.is_over = true;
                return Some(Err(BadJob::unread(&error)));
            }
        };
        let line = line.unwrap_or(self.lines.line);
        let fault = match ending {
            RowEnd::CsvRow => return Some(self.row(line, bytes, cells)),
            RowEnd::End => None,
            RowEnd::TooLong => Some(format!(
                "the row is longer than {LINE_MAX_BYTES} bytes, or has more than {CELLS_MAX} cells: \
                 close the quote that opens in it, if one is open, or write less"
            )),
            RowEnd::OpenQuote => Some(
                "a quote opens in this row, and the file ends before it is closed: close it, \
                 or double it where it is part of a quoted cell"
                    .to_owned(),
            ),
        };
        self.is_over = true;
        fault.map(|fault| Err(BadJob::at(line, fault)))
    }
}

/// Counts lines, whichever system wrote them: LF, CR LF, or CR alone ends one.
struct LineBreaks {
    /// The line of the next byte, from 1.
    line: usize,
    after_cr: bool,
}

impl Default for LineBreaks {
    fn default() -> Self {
        Self {
            line: 1,
            after_cr: false,
        }
    }
}

impl LineBreaks {
    /// Goes over `bytes`; `begins` becomes the line of the first that ends no line, unless
    /// it is known already.
    fn pass(&mut self, bytes: &[u8], begins: &mut Option<usize>) {
        for byte in bytes {
            match byte {
                b'\n' if self.after_cr => {}
                b'\n' | b'\r' => self.line += 1,
                _ => _ = begins.get_or_insert(self.line),
            }
            self.after_cr = *byte == b'\r';
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    type ParsedRow = Result<(usize, Vec<String>), (Option<usize>, String)>;

    fn rows(text: &[u8]) -> Vec<ParsedRow> {
        // Whatever pieces it comes in.
        let all: Vec<Vec<_>> = [1, 2, 3, 7, 8192]
            .map(|piece| {
                Rows::of(BufReader::with_capacity(piece, text))
                    .map(|row| {
                        row.map(|row| (row.line, row.cells))
                            .map_err(|bad| (bad.line, bad.reason))
                    })
                    .collect()
            })
            .to_vec();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
        all.into_iter().next().unwrap()
    }

    fn row(line: usize, cells: &[&str]) -> ParsedRow {
        Ok((line, cells.iter().map(|cell| (*cell).to_owned()).collect()))
    }

    #[test]
    fn a_row_is_on_its_line_whichever_system_wrote_the_text() {
        let expected = [
            row(2, &["a", "b"]),
            row(4, &["1\n2", "x"]),
            row(8, &["c", ""]),
        ];
        let text = "\na, b\n\n\"1\n2\",x\n\n\nc,";
        assert_eq!(rows(text.as_bytes()), expected);
        for ends in ["\r\n", "\r"] {
            let mut expected = expected.clone();
            expected[1] = row(4, &[&format!("1{ends}2"), "x"]);
            assert_eq!(
                rows(text.replace('\n', ends).as_bytes()),
                expected,
                "{ends:?}"
            );
        }
        assert_eq!(rows(b"a\n"), rows(b"a"));
        assert_eq!(rows(b"a,\"b\""), [row(1, &["a", "b"])]);
        assert_eq!(rows(b"\n\r\n"), []);
    }

    #[test]
    fn a_quote_that_stays_open_is_told_where_its_row_begins() {
        let open = |text: &[u8]| {
            let rows = rows(text);
            let (line, reason) = rows.last().unwrap().clone().unwrap_err();
            assert!(reason.contains("before it is closed"), "{reason}");
            (rows.len(), line)
        };
        assert_eq!(open(b"\""), (1, Some(1)));
        assert_eq!(open(b"a,b\n\nc,\"d\ne,f\n"), (2, Some(3)));
        assert_eq!(open(b"a,\"b\"\"\n"), (1, Some(1)));
    }

    #[test]
    fn a_row_without_end_and_bytes_that_are_not_utf8_are_told() {
        let long = [b"a\n\"".as_slice(), &vec![b'x'; 2 << 20]].concat();
        let parsed: Vec<_> = Rows::of(long.as_slice()).collect();
        assert_eq!(parsed.len(), 2);
        let bad = parsed[1].as_ref().unwrap_err();
        assert_eq!(bad.line, Some(2));
        assert!(bad.reason.contains("longer than"), "{bad}");
        let bad = (Some(2), NO_UTF8.to_owned());
        assert_eq!(
            rows(b"a\n\xff\nb"),
            [row(1, &["a"]), Err(bad), row(3, &["b"])]
        );
    }
}
