//! Lists of URLs: a text with one a line, CSV, or a sitemap. However long a list is, no more of it
//! is held than a line, a row or an element.

mod sitemap;

use std::io::{self, BufRead, Cursor, Read};

use crate::{
    core::shown::shown,
    manifest::{BadJob, CsvRows},
};

/// The longest line of a text, in bytes: many times the longest URL of a job.
pub(super) const LINE_MAX_BYTES: usize = 64 * 1024;
/// How much is looked at to tell how a list is written.
const HEAD_BYTES: usize = 64 * 1024;
/// Headings of the column that has the URLs.
const COLUMNS: &[&str] = &["url", "urls", "loc", "link", "address", "page", "href"];
/// The byte order mark, which a list may begin with.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ListFormat {
    /// One URL a line
    Text,
    /// A header, and a URL a row
    Csv,
    /// A sitemap
    Xml,
}

/// What a list has, one by one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A URL, and the line it is on.
    Url(usize, String),
    /// What is wrong on a line, and what to do. The list goes on behind it.
    Bad(Option<usize>, String),
    /// The rest of the list could not be read.
    Broken(Option<usize>, String),
    /// A sitemap that is named instead of a page.
    Sitemap,
}

/// Hands on what a list has.
pub(super) fn each(
    mut reader: impl BufRead,
    format: Option<ListFormat>,
    mut take: impl FnMut(Item),
) -> io::Result<()> {
    let mut head = Vec::new();
    (&mut reader)
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    let text = head.strip_prefix(MARK).unwrap_or(&head);
    let format = format.unwrap_or_else(|| sniffed(text));
    let whole = Cursor::new(text.to_vec()).chain(reader);
    match format {
        ListFormat::Text => lines(whole, take),
        ListFormat::Csv => {
            rows(whole, &mut take);
            Ok(())
        }
        ListFormat::Xml => {
            sitemap::each(whole, &mut take);
            Ok(())
        }
    }
}

fn sniffed(text: &[u8]) -> ListFormat {
    let text = text.trim_ascii_start();
    if text.starts_with(b"<") {
        return ListFormat::Xml;
    }
    let end = text.iter().position(|byte| b"\r\n".contains(byte));
    let line = String::from_utf8_lossy(&text[..end.unwrap_or(text.len())]);
    let mut cells = line.split(',');
    if cells.any(|cell| is_heading(cell.trim().trim_matches('"'))) {
        ListFormat::Csv
    } else {
        ListFormat::Text
    }
}

fn is_heading(cell: &str) -> bool {
    COLUMNS.contains(&cell.to_lowercase().as_str())
}

fn lines(mut reader: impl BufRead, mut take: impl FnMut(Item)) -> io::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let limit = LINE_MAX_BYTES as u64 + 1;
        let read = (&mut reader).take(limit).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if line.len() > LINE_MAX_BYTES && !line.ends_with(b"\n") {
            reader.skip_until(b'\n')?;
            let reason = format!("is longer than {LINE_MAX_BYTES} bytes, and left out");
            take(Item::Bad(Some(number), reason));
            continue;
        }
        match std::str::from_utf8(line.trim_ascii()) {
            Ok(text) if text.is_empty() || text.starts_with('#') => {}
            Ok(text) if text.contains(char::is_whitespace) => {
                let reason = "has a blank, and is left out: write one URL a line, and %20 for a \
                              blank within it";
                take(Item::Bad(Some(number), reason.to_owned()));
            }
            Ok(text) => take(Item::Url(number, text.to_owned())),
            Err(_) => {
                let reason =
                    "is not UTF-8, and left out: save the list as UTF-8, or percent-encode the URL";
                take(Item::Bad(Some(number), reason.to_owned()));
            }
        }
    }
    Ok(())
}

fn rows(reader: impl BufRead, take: &mut impl FnMut(Item)) {
    let mut column = None;
    let mut rows = CsvRows::of(reader);
    while let Some(row) = rows.next() {
        let row = match row {
            Ok(row) => row,
            Err(BadJob { line, reason, .. }) if rows.is_over() => {
                return take(Item::Broken(line, reason));
            }
            Err(BadJob { line, reason, .. }) => {
                take(Item::Bad(line, reason));
                continue;
            }
        };
        let Some(at) = column else {
            column = row.cells.iter().position(|cell| is_heading(cell));
            if column.is_none() {
                let known = COLUMNS.join(", ");
                let reason = format!(
                    "the header has no column of URLs: call it {}, or one of {known}",
                    shown("url")
                );
                return take(Item::Broken(Some(row.line), reason));
            }
            continue;
        };
        match row.cells.into_iter().nth(at) {
            Some(url) if !url.is_empty() => take(Item::Url(row.line, url)),
            _ => take(Item::Bad(Some(row.line), "has no URL".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        each(text, None, |item| items.push(item)).unwrap();
        items
    }

    fn url(line: usize, text: &str) -> Item {
        Item::Url(line, text.to_owned())
    }

    #[test]
    fn a_list_is_read_however_it_is_written() {
        let page = "https://a.example/1";
        let two = [url(1, page), url(3, "https://a.example/2,3")];
        let text = format!("\u{feff}{page}\r\n# two\nhttps://a.example/2,3");
        assert_eq!(items(text.as_bytes()), two);
        let csv = format!("id,URL,x\n1,{page},\n2,,\n3,\"{page}?a,b\"\n");
        let no_url = Item::Bad(Some(3), "has no URL".to_owned());
        let expected = [url(2, page), no_url, url(4, &format!("{page}?a,b"))];
        assert_eq!(items(csv.as_bytes()), expected);
        let open = items(b"url\nhttps://a.example/1\n\"https://a.example/2\n");
        assert!(
            matches!(&open[..], [_, Item::Broken(Some(3), _)]),
            "{open:?}"
        );
        let spoilt = items(b"url\n\xff\nhttps://a.example/1\n");
        assert!(
            matches!(&spoilt[..], [Item::Bad(Some(2), _), Item::Url(3, _)]),
            "{spoilt:?}"
        );
    }

    #[test]
    fn a_bad_line_takes_no_other_with_it() {
        let mut text = b"https://a.example/1\n\xff\n".to_vec();
        text.extend(vec![b'x'; 3 << 20]);
        text.extend(b"\na\0b\nhttps://a.example/2\n");
        let items = items(&text);
        assert_eq!(items.len(), 5, "{items:?}");
        assert!(matches!(&items[1], Item::Bad(Some(2), _)), "{items:?}");
        assert!(matches!(&items[2], Item::Bad(Some(3), reason) if reason.contains("longer")));
        assert_eq!(items[3], url(4, "a\0b"));
        assert_eq!(items[4], url(5, "https://a.example/2"));
    }
}
