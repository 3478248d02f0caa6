//! PURE: what a web page shows of itself: how much of it can be read, how it is built, which of the
//! wanted places it has.
//!
//! A page is hostile input. It is read as a stream and never held as a tree, so that no depth and
//! no number of attributes costs more than its length; nothing in it is ever followed.

mod selector;
mod shape;

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use lol_html::{
    EndTagHandler, HtmlRewriter, MemorySettings, Settings, doc_text, element,
    html_content::{Element, TextChunk, TextType},
};

use serde_json::Value;

use self::shape::Open;
pub use self::{selector::Places, shape::Shape};

/// How much of a page is looked at, in bytes. What stands behind it changes no verdict.
pub const READ_MAX_BYTES: usize = 8 << 20;

/// The most memory that reading takes beside the page's own text.
const MEMORY_MAX_BYTES: usize = 8 << 20;

/// A page nested deeper is read no further.
const DEPTH_MAX: usize = 1_000;

/// How much of the beginning of the text is kept, in characters.
const OPENING_MAX_CHARS: usize = 300;

/// How much of a title is kept, in characters.
const TITLE_MAX_CHARS: usize = 200;

/// Elements within a word or a line of text.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "cite", "code", "em", "font", "i", "img", "mark", "q", "s", "small",
    "span", "strong", "sub", "sup", "time", "u", "wbr",
];

/// The selectors that a job's `fields` name.
pub fn selectors_of(fields: Option<&Value>) -> Vec<String> {
    let fields = fields.and_then(Value::as_array).into_iter().flatten();
    let selectors = fields.filter_map(|field| field.get("selector")?.as_str());
    selectors.map(str::to_owned).collect()
}

/// What was seen of a page.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Sight {
    /// Characters of visible text, without blanks.
    pub text_chars: usize,
    /// How it is built.
    pub shape: Shape,
    /// Which of the wanted places it has, in the order in which they were named.
    pub has_places: Vec<bool>,
    /// Its title.
    pub title: String,
    /// How its text begins.
    pub opening: String,
    /// It asks for a password.
    pub asks_password: bool,
    /// It was not read to its end: it is nested too deeply, or too large.
    pub is_cut: bool,
}

impl Sight {
    /// Whether there is an HTML document at all.
    pub fn is_html(&self) -> bool {
        !self.shape.is_empty()
    }
}

/// What is gathered while a page is read.
#[derive(Debug, Default)]
struct Gathered {
    /// The names of the open elements.
    open: Vec<Open>,
    /// How many of the open elements hide what is in them.
    hiding: usize,
    paths: BTreeSet<String>,
    title: String,
    opening: String,
    text_chars: usize,
    has_places: Vec<bool>,
    asks_password: bool,
}

type Shared = Rc<RefCell<Gathered>>;

/// Nested too deeply.
#[derive(Debug, thiserror::Error)]
#[error("the page is nested more than {DEPTH_MAX} deep")]
struct TooDeep;

/// Looks at a page. Any text can be read; what is not HTML has no shape.
pub fn look(html: &str, places: &Places) -> Sight {
    let shared = Shared::default();
    shared.borrow_mut().has_places = vec![false; places.len()];
    let is_cut = html.len() > READ_MAX_BYTES || read(html, places, &shared).is_err();
    let gathered = shared.take();
    Sight {
        text_chars: gathered.text_chars,
        shape: Shape::of(&gathered.paths),
        has_places: gathered.has_places,
        title: squeezed(&gathered.title, TITLE_MAX_CHARS),
        opening: squeezed(&gathered.opening, OPENING_MAX_CHARS),
        asks_password: gathered.asks_password,
        is_cut,
    }
}

fn read(
    html: &str,
    places: &Places,
    shared: &Shared,
) -> Result<(), lol_html::errors::RewritingError> {
    let at_element = Rc::clone(shared);
    let at_text = Rc::clone(shared);
    let mut settings = Settings::new()
        .append_element_content_handler(element!("*", move |element| opened(element, &at_element)))
        .append_document_content_handler(doc_text!(move |chunk| {
            at_text.borrow_mut().add_text(chunk);
            Ok(())
        }));
    for (index, selector) in places.selectors() {
        let shared = Rc::clone(shared);
        let handler =
            lol_html::ElementContentHandlers::default().element(move |_: &mut Element<'_, '_>| {
                shared.borrow_mut().has_places[index] = true;
                Ok(())
            });
        settings = settings
            .append_element_content_handler((std::borrow::Cow::Borrowed(selector), handler));
    }
    let memory = MemorySettings::new().with_max_allowed_memory_usage(MEMORY_MAX_BYTES);
    let mut reader = HtmlRewriter::new(settings.with_memory_settings(memory), |_: &[u8]| {});
    let end = html.floor_char_boundary(READ_MAX_BYTES);
    // In parts, so that no one token is copied again and again.
    for part in html.as_bytes()[..end].chunks(16 << 10) {
        reader.write(part)?;
    }
    reader.end()
}

fn opened(element: &mut Element<'_, '_>, shared: &Shared) -> lol_html::HandlerResult {
    let name = element.tag_name();
    let mut gathered = shared.borrow_mut();
    if name == "input"
        && element
            .get_attribute("type")
            .is_some_and(|kind| kind == "password")
    {
        gathered.asks_password = true;
    }
    let is_hiding = hides(&name);
    gathered.imply_ends(&name);
    gathered.part_words(&name);
    let classes = element.get_attribute("class");
    gathered.open.push(Open::new(name, classes.as_deref()));
    let path = shape::path(&gathered.open);
    if gathered.paths.len() < shape::PATHS_MAX {
        gathered.paths.insert(path);
    }
    let depth = gathered.open.len();
    if depth > DEPTH_MAX {
        return Err(Box::new(TooDeep));
    }
    gathered.hiding += usize::from(is_hiding);
    drop(gathered);
    let on_end = Rc::clone(shared);
    match element.end_tag_handlers() {
        // An element whose end tag is left out ends with the one around it.
        Some(handlers) => {
            let handler: EndTagHandler<'static> = Box::new(move |_| {
                let mut gathered = on_end.borrow_mut();
                gathered.close_to(depth - 1);
                Ok(())
            });
            handlers.push(handler);
        }
        None => on_end.borrow_mut().close_to(depth - 1),
    }
    Ok(())
}

/// What is in these is not shown.
fn hides(name: &str) -> bool {
    matches!(name, "noscript" | "template")
}

impl Gathered {
    /// Closes what may be left open before an element of this name; else a long list would seem deep.
    fn imply_ends(&mut self, name: &str) {
        let ended: &[&str] = match name {
            "li" | "p" | "option" => &[name],
            "dt" | "dd" => &["dt", "dd"],
            "td" | "th" => &["td", "th"],
            "tr" => &["td", "th", "tr"],
            "tbody" | "tfoot" => &["td", "th", "tr", "tbody", "thead"],
            _ => &[],
        };
        while self
            .open
            .last()
            .is_some_and(|last| ended.contains(&last.name.as_str()))
        {
            self.close_to(self.open.len() - 1);
        }
    }

    fn is_within(&self, name: &str) -> bool {
        self.open.last().is_some_and(|open| open.name == name)
    }

    fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            let Some(Open { name, .. }) = self.open.pop() else {
                return;
            };
            self.part_words(&name);
            self.hiding -= usize::from(hides(&name));
        }
    }

    /// Where a block begins or ends, so does a word.
    fn part_words(&mut self, name: &str) {
        let is_parted = self.opening.is_empty() || self.opening.ends_with(' ');
        if !is_parted && !INLINE.contains(&name) {
            add_some(&mut self.opening, " ", OPENING_MAX_CHARS);
        }
    }

    fn add_text(&mut self, chunk: &TextChunk<'_>) {
        let text = chunk.as_str();
        match chunk.text_type() {
            TextType::Data if self.hiding == 0 => {
                self.text_chars += text.chars().filter(|c| !c.is_whitespace()).count();
                add_some(&mut self.opening, text, OPENING_MAX_CHARS);
            }
            TextType::RCData if self.is_within("title") => {
                add_some(&mut self.title, text, TITLE_MAX_CHARS);
            }
            // Some refusals are told only there, and a reader does not see them.
            TextType::RawText if self.is_within("iframe") => {
                add_some(&mut self.opening, text, OPENING_MAX_CHARS);
            }
            _ => {}
        }
    }
}

/// Adds the beginning of a text to what is kept, some more than is kept in the end: blanks go.
fn add_some(kept: &mut String, text: &str, max_chars: usize) {
    let room = (4 * max_chars).saturating_sub(kept.len());
    kept.push_str(&text[..text.floor_char_boundary(room)]);
    if text.len() < room && text.ends_with(char::is_whitespace) {
        kept.push(' ');
    }
}

/// One blank where there are many, and no more than so many characters.
fn squeezed(text: &str, max_chars: usize) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").chars().take(max_chars).collect()
}

#[cfg(test)]
mod tests;
