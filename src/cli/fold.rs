//! Lines of text on a narrow terminal: broken between words, with an indent.

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
fn folded(line: &str, width: usize) -> Vec<String> {
    if columns(line) <= width {
        return vec![line.to_owned()];
    }
    let own_indent = line.len() - line.trim_start().len();
    let indent = format!("{}{INDENT}", &line[..own_indent]);
    let mut pieces = vec![line[..own_indent].to_owned()];
    let mut is_begun = false;
    for word in line.trim_start().split(' ') {
        let Some(piece) = pieces.last_mut() else {
            continue;
        };
        if is_begun && columns(piece) + 1 + columns(word) > width {
            pieces.push(format!("{indent}{word}"));
        } else {
            if is_begun {
                piece.push(' ');
            }
            piece.push_str(word);
        }
        is_begun = true;
    }
    pieces
        .iter()
        .map(|piece| piece.trim_end().to_owned())
        .collect()
}

/// How wide a line is shown: colours take no room.
fn columns(line: &str) -> usize {
    let mut is_escape = false;
    line.chars()
        .filter(|c| {
            let is_shown = !is_escape && *c != '\u{1b}';
            is_escape = *c == '\u{1b}' || (is_escape && !c.is_ascii_alphabetic());
            is_shown
        })
        .count()
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
