//! Sitemaps. No entity is expanded but those of XML itself, and nothing is followed.

use std::{
    cell::Cell,
    io::{self, BufRead, Read},
    rc::Rc,
};

use quick_xml::{Reader, events::Event};

use super::Item;

/// The longest element, comment or text, in bytes.
const PART_MAX_BYTES: usize = 1024 * 1024;
/// How deep elements may lie.
const DEPTH_MAX: usize = 64;

/// Counts lines, and lets no part of a text be longer than it may.
struct Watched<R> {
    inner: R,
    line: Rc<Cell<usize>>,
    left: Rc<Cell<usize>>,
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let length = from.len().min(to.len());
        to[..length].copy_from_slice(&from[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Watched<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.get() == 0 {
            let reason = format!("an element or text is longer than {PART_MAX_BYTES} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, length: usize) {
        // What was filled is there still: nothing is read for it.
        if let Ok(filled) = self.inner.fill_buf() {
            let passed = &filled[..length.min(filled.len())];
            let breaks = passed.iter().filter(|byte| **byte == b'\n').count();
            self.line.set(self.line.get() + breaks);
        }
        self.left.set(self.left.get().saturating_sub(length));
        self.inner.consume(length);
    }
}

/// The text of a `<loc>` as far as it was read.
#[derive(Debug)]
struct Loc {
    line: usize,
    text: String,
    /// An entity that the document declares itself.
    has_entity: bool,
}

pub(super) fn each(reader: impl BufRead, take: &mut impl FnMut(Item)) {
    let (line, left) = (Rc::new(Cell::new(1)), Rc::new(Cell::new(PART_MAX_BYTES)));
    let watched = Watched {
        inner: reader,
        line: line.clone(),
        left: left.clone(),
    };
    let mut reader = Reader::from_reader(watched);
    let config = reader.config_mut();
    // A bare & is in many a sitemap.
    config.allow_dangling_amp = true;
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    let (mut buffer, mut open, mut loc) = (Vec::new(), Vec::<String>::new(), None::<Loc>);
    loop {
        buffer.clear();
        left.set(PART_MAX_BYTES);
        let event = match reader.read_event_into(&mut buffer) {
            Ok(Event::Eof) => return,
            Ok(event) => event,
            Err(error) => {
                let reason = format!("cannot be read on from here ({error}): correct the XML");
                return take(Item::Broken(Some(line.get()), reason));
            }
        };
        match event {
            Event::Start(start) => {
                let name = start.local_name().into_inner().to_owned();
                let parent = open.last().map(String::as_str);
                if name == "loc" && matches!(parent, Some("url" | "sitemap")) {
                    loc = Some(Loc {
                        line: line.get(),
                        text: String::new(),
                        has_entity: false,
                    });
                }
                if open.len() >= DEPTH_MAX {
                    let reason =
                        format!("elements lie more than {DEPTH_MAX} deep: is it a sitemap?");
                    return take(Item::Broken(Some(line.get()), reason));
                }
                open.push(name);
            }
            Event::End(_) => {
                open.pop();
                if let Some(loc) = loc.take() {
                    take(item(loc, open.last().map(String::as_str)));
                }
            }
            event => {
                if let Some(loc) = &mut loc {
                    loc.add(&event);
                }
            }
        }
    }
}

impl Loc {
    /// Takes in what stands within it; what is longer than a line of a text may be is no URL.
    fn add(&mut self, event: &Event<'_>) {
        if self.text.len() > super::LINE_MAX_BYTES {
            return;
        }
        match event {
            Event::Text(text) => self.text.push_str(text),
            Event::CData(text) => self.text.push_str(text),
            Event::GeneralRef(entity) => {
                let plain = match &**entity {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => entity.resolve_char_ref().ok().flatten(),
                };
                self.text.extend(plain);
                self.has_entity |= plain.is_none();
            }
            _ => {}
        }
    }
}

fn item(loc: Loc, parent: Option<&str>) -> Item {
    let text = loc.text.trim();
    if parent == Some("sitemap") {
        Item::Sitemap
    } else if loc.has_entity {
        let reason =
            "has an entity that is not one of XML's own, and is left out: write the URL in full";
        Item::Bad(Some(loc.line), reason.to_owned())
    } else if text.is_empty() {
        Item::Bad(Some(loc.line), "has no URL".to_owned())
    } else {
        Item::Url(loc.line, text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<Item> {
        let mut items = Vec::new();
        each(text.as_bytes(), &mut |item| items.push(item));
        items
    }

    #[test]
    fn pages_of_a_sitemap_are_found_and_its_images_are_not() {
        let text = "<?xml version=\"1.0\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n\
            <url><loc> https://a.example/?a=1&amp;b=&#50;&c=3 </loc>\
            <image:image><image:loc>https://a.example/i.png</image:loc></image:image></url>\n\
            <url><loc><![CDATA[https://a.example/2&d]]></loc></url>\n<url><loc/></url></urlset>";
        let expected = [
            Item::Url(3, "https://a.example/?a=1&b=2&c=3".to_owned()),
            Item::Url(4, "https://a.example/2&d".to_owned()),
        ];
        assert_eq!(items(text), expected);
        let index =
            "<sitemapindex><sitemap><loc>https://a.example/s.xml</loc></sitemap></sitemapindex>";
        assert_eq!(items(index), [Item::Sitemap]);
    }

    #[test]
    fn entities_are_not_expanded_and_nothing_grows_without_bounds() {
        let laughs = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>\n\
            <urlset><url><loc>https://a.example/&b;</loc></url><url><loc>https://a.example/2</loc></url></urlset>";
        let found = items(laughs);
        assert!(matches!(&found[0], Item::Bad(Some(2), reason) if reason.contains("entity")));
        assert_eq!(found[1], Item::Url(2, "https://a.example/2".to_owned()));
        let endless = format!("<urlset><url><loc>{}", "x".repeat(3 << 20));
        let found = items(&endless);
        assert!(matches!(&found[..], [Item::Broken(Some(1), reason)] if reason.contains("longer")));
        let long = format!(
            "<urlset><url><loc>{}</loc></url></urlset>",
            "&#65;".repeat(1 << 20)
        );
        let found = items(&long);
        assert!(matches!(&found[..], [Item::Url(1, text)] if text.len() < 1 << 17));
        let deep = "<a>".repeat(100_000);
        assert!(matches!(&items(&deep)[..], [Item::Broken(..)]));
    }
}
