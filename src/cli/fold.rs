//! How wide the terminal is, and lines of text on it: broken between words, with an indent.

use std::borrow::Cow;

use comfy_table::Table;
use textwrap::{Options, WordSplitter};

/// A terminal that says it is narrower than this is taken to be of the usual width. Some say 0
/// (`script`, `docker run -t`): they do not know.
const LEAST_WIDTH: u16 = 20;
const USUAL_WIDTH: u16 = 80;
const INDENT: usize = 2;

/// How wide the terminal is that standard output leads to, if it is one.
pub fn width() -> Option<u16> {
    sane(Table::new().width())
}

/// How wide the terminal is that standard error leads to, if it is one.
pub fn message_width() -> Option<u16> {
    sane(Table::new().use_stderr().width())
}

/// How wide help is: as clap folds what it writes itself.
pub fn help_width() -> u16 {
    const WIDEST: u16 = 100;
    let said = std::env::var("COLUMNS").ok();
    let said = said.and_then(|columns| columns.parse().ok());
    said.or_else(width).unwrap_or(WIDEST).min(WIDEST)
}

/// How many rows the window of the terminal has that standard output leads to, if it says so.
#[cfg(unix)]
pub fn height() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_row > 0).then_some(size.ws_row)
}

/// How many rows the window has: not known here.
#[cfg(not(unix))]
pub const fn height() -> Option<u16> {
    None
}

fn sane(width: Option<u16>) -> Option<u16> {
    width.map(|width| {
        if width < LEAST_WIDTH {
            USUAL_WIDTH
        } else {
            width
        }
    })
}

/// The lines as one text, folded where standard output is a terminal.
pub fn block(lines: &[String]) -> String {
    let folded = lines.iter().flat_map(|line| to(width(), line, INDENT));
    folded.collect::<Vec<_>>().join("\n")
}

/// A text of one or more lines, folded to a width where there is one; what goes on is indented
/// by `hang` more than its line.
pub fn text(width: Option<u16>, text: &str, hang: usize) -> String {
    let folded = text.split('\n').flat_map(|line| to(width, line, hang));
    folded.collect::<Vec<_>>().join("\n")
}

/// A line folded to a width where there is one; what goes on begins in column `indent`.
pub fn hanging(width: Option<u16>, line: &str, indent: usize) -> String {
    let own_indent = line.len() - line.trim_start().len();
    text(width, line, indent.saturating_sub(own_indent))
}

fn to(width: Option<u16>, line: &str, hang: usize) -> Vec<Cow<'_, str>> {
    match width {
        Some(width) => folded(line, usize::from(width), hang),
        None => vec![Cow::Borrowed(line)],
    }
}

/// A line in pieces no wider than `width`, except where a word is. A line that fits, as
/// those of tables do, stays as it is.
fn folded(line: &str, width: usize, hang: usize) -> Vec<Cow<'_, str>> {
    let own_indent = line.len() - line.trim_start().len();
    let indent = " ".repeat(own_indent + hang);
    let options = Options::new(width)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::wrap(line, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words_and_others_stay() {
        let line = "  one two three  four";
        assert_eq!(folded(line, 80, 2), [line]);
        assert_eq!(folded(line, 12, 2), ["  one two", "    three", "    four"]);
        assert_eq!(
            folded("a-word-of-its-own x", 5, 4),
            ["a-word-of-its-own", "    x"]
        );
        let coloured = "\u{1b}[38;5;9mFAILED\u{1b}[39m  1";
        assert_eq!(folded(coloured, 9, 2), [coloured]);
    }

    #[test]
    fn a_text_is_folded_line_by_line_and_only_where_there_is_a_width() {
        let lines = "one two three\nfour";
        assert_eq!(text(None, lines, 2), lines);
        assert_eq!(text(Some(8), lines, 2), "one two\n  three\nfour");
    }

    #[test]
    fn a_terminal_that_does_not_know_its_width_is_of_the_usual_one() {
        for (said, width) in [(None, None), (Some(0), Some(80)), (Some(40), Some(40))] {
            assert_eq!(sane(said), width);
        }
    }
}
