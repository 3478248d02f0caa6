//! Lines of text on a narrow terminal: broken between words, with an indent.

use std::borrow::Cow;

use textwrap::{Options, WordSplitter};

use crate::cli::output::Columns;

/// A terminal of so many columns breaks long lines itself.
const USUAL_WIDTH: usize = 80;
const INDENT: &str = "  ";

/// The lines as one text, folded where standard output is a narrow terminal.
pub fn block(lines: &[String]) -> String {
    let width = Columns::width().map(usize::from);
    match width.filter(|width| *width < USUAL_WIDTH) {
        None => lines.join("\n"),
        Some(width) => {
            let folded = lines.iter().flat_map(|line| folded(line, width));
            folded.collect::<Vec<_>>().join("\n")
        }
    }
}

/// A line in pieces no wider than `width`, save where a word is. A line that fits, as
/// those of tables do, stays as it is.
fn folded(line: &str, width: usize) -> Vec<Cow<'_, str>> {
    let own_indent = &line[..line.len() - line.trim_start().len()];
    let indent = format!("{own_indent}{INDENT}");
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
        assert_eq!(folded(line, 80), [line]);
        assert_eq!(folded(line, 12), ["  one two", "    three", "    four"]);
        assert_eq!(
            folded("a-word-of-its-own x", 5),
            ["a-word-of-its-own", "  x"]
        );
        let coloured = "\u{1b}[38;5;9mFAILED\u{1b}[39m  1";
        assert_eq!(folded(coloured, 9), [coloured]);
    }
}
