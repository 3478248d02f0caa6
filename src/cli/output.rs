//! What commands print: data to standard output, messages to standard error.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

use anstream::{AutoStream, ColorChoice};
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Row, Table, Width, presets};
use serde::Serialize;

use crate::cli::fold;
use crate::core::job::JobState;
use crate::core::text::{escaped, is_unfit};
use crate::telemetry;

/// What goes on of a message is indented by this much.
const HANG: usize = 2;

/// Nobody reads standard output any more (`| head`): a reason to end, and no fault.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub struct OutputClosed;

/// Standard output, buffered.
#[derive(Debug)]
pub struct Out {
    to: BufWriter<Stdout>,
    is_verdict: bool,
}

impl Default for Out {
    fn default() -> Self {
        Self {
            to: BufWriter::new(io::stdout()),
            is_verdict: false,
        }
    }
}

impl Out {
    /// The output of a command whose exit code is its verdict: that nobody reads is no
    /// reason to end without one.
    pub fn of_verdict() -> Self {
        Self {
            is_verdict: true,
            ..Self::default()
        }
    }

    fn wrote(&self, result: io::Result<()>) -> anyhow::Result<()> {
        match result {
            Err(error) if self.is_verdict && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(failed),
        }
    }

    /// Whether a person looks at it.
    pub fn is_terminal(&self) -> bool {
        self.to.get_ref().is_terminal()
    }

    /// Writes a text as it is.
    ///
    /// # Errors
    /// [`OutputClosed`] where nobody reads any more.
    pub fn text(&mut self, text: &str) -> anyhow::Result<()> {
        let result = self.to.write_all(text.as_bytes());
        self.wrote(result)
    }

    /// Writes a text and ends the line.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub fn line(&mut self, text: &str) -> anyhow::Result<()> {
        self.text(text)?;
        self.text("\n")
    }

    /// Writes a value as JSON for people and programs, and ends the line.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub fn json(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        self.line(&harmless(&serde_json::to_string_pretty(value)?))
    }

    /// Writes a value as JSON without a line end of its own.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub fn json_compact(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        self.text(&harmless(&serde_json::to_string(value)?))
    }

    /// Hands on everything written so far.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub fn flush(&mut self) -> anyhow::Result<()> {
        let result = self.to.flush();
        self.wrote(result)
    }
}

fn failed(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        OutputClosed.into()
    } else {
        anyhow::Error::new(error).context("cannot write to standard output")
    }
}

/// Writes a line to standard error, folded where that is a terminal. That nobody reads it must
/// end no command.
pub fn print_message(line: &str) {
    let line = fold::text(fold::message_width(), line, HANG);
    let _nobody_reads = writeln!(io::stderr(), "{line}");
}

/// Says what ends the program. In the journal it is an error like those of the log.
pub fn print_error(line: &str) {
    print_message(&format!("{}{line}", telemetry::error_priority()));
}

/// A string of TOML, on one line.
pub(super) fn toml_string(text: &str) -> String {
    // A basic string of TOML has the escapes of JSON, and DEL is a control character to it.
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007F")
}

/// JSON that means the same, without a character that could steer a terminal. Such a
/// character can only stand in a string, where an escape stands for it.
fn harmless(json: &str) -> String {
    if !json
        .chars()
        .any(|c| is_unfit(c) && !c.is_ascii_whitespace())
    {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_unfit(c) && !c.is_ascii_whitespace() {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Columns without lines between them, as wide as the terminal at the most; in a pipe
/// as wide as it takes.
#[derive(Debug)]
pub struct Columns {
    table: Table,
    one_line: bool,
    is_coloured: bool,
}

impl Columns {
    /// Columns with these headings; an empty list is for none.
    pub fn new(headings: &[&str]) -> Self {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = fold::width() {
            table.set_width(width);
        }
        if !headings.is_empty() {
            table.set_header(headings.to_vec());
        }
        let is_coloured = has_colour();
        if is_coloured {
            table.enforce_styling();
        }
        Self {
            table,
            one_line: false,
            is_coloured,
        }
    }

    /// How wide the terminal is, if there is one.
    pub fn width() -> Option<u16> {
        fold::width()
    }

    /// Cuts what does not fit, instead of breaking it into lines.
    #[must_use]
    pub fn one_line(mut self) -> Self {
        self.one_line = true;
        self
    }

    /// Adds a row; every cell is made harmless.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter().map(|cell| escaped(cell.as_ref()));
        let cells = cells.map(|cell| match colour(&cell).filter(|_| self.is_coloured) {
            Some(colour) => Cell::new(cell).fg(colour),
            None => Cell::new(cell),
        });
        let mut row = Row::from(cells.collect::<Vec<_>>());
        if self.one_line {
            row.max_height(1);
        }
        self.table.add_row(row);
    }

    /// Keeps these columns as wide as their content; the others share the rest.
    pub fn keep_whole(&mut self, columns: &[usize]) {
        for index in columns {
            if let Some(column) = self.table.column_mut(*index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }

    /// Makes each column at least as wide as here.
    pub fn at_least(&mut self, widths: &[u16]) {
        for (index, width) in widths.iter().enumerate() {
            if let Some(column) = self.table.column_mut(index) {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(*width)));
            }
        }
    }

    /// How wide each column's content is.
    pub fn widths(&self) -> Vec<u16> {
        self.table.column_max_content_widths()
    }

    /// The lines, without blanks at their ends.
    pub fn lines(mut self) -> Vec<String> {
        for column in self.table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        self.table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }
}

/// Whether standard output shows colour: on a terminal, unless set otherwise
/// (<https://no-color.org>, <https://bixense.com/clicolors>).
fn has_colour() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// The colour of a cell that says where a job stands.
fn colour(cell: &str) -> Option<Color> {
    match cell.split(' ').next()?.parse().ok()? {
        JobState::Finished => Some(Color::Green),
        JobState::Failed => Some(Color::Red),
        JobState::Parked => Some(Color::Yellow),
        JobState::Creating | JobState::Generating => Some(Color::Cyan),
        JobState::Queued | JobState::Cancelled => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_without_what_steers_a_terminal_means_the_same() {
        let value = serde_json::json!(["\u{9b}31m\u{202e}\u{e0001}", "a\n\u{7f}é🙂"]);
        let text = harmless(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| is_unfit(c) && c != '\n'), "{text}");
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back, value);
    }
}
