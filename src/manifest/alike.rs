//! Names within a file that a person may take for one, and that are two to parserd.

use std::collections::HashMap;
use std::fmt;

use super::Located;
use crate::core::spec::{JobSpec, looks, shown};

/// How many characters of a name are spelt out.
const SPELT_CHARS: usize = 80;

/// Two names that differ only in case, blanks, invisible characters or normal form: two
/// parsers, each paid for, where one may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike {
    /// The later name.
    pub name: String,
    /// Where it stands.
    pub line: usize,
    /// The earlier one.
    pub first_name: String,
    /// Where that stands.
    pub first_line: usize,
}

impl fmt::Display for Alike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            line,
            first_name,
            first_line,
        } = self;
        write!(
            f,
            "line {line}: job {} differs from {} on line {first_line} only in case, blanks or \
             Unicode form; both are created and paid for: if one parser is meant, write one name",
            spelt(name),
            spelt(first_name)
        )
    }
}

/// How a name that the database holds already differs from a file's, for a note.
pub(crate) fn alike_in_database(line: usize, name: &str, id: i64, there: &str) -> String {
    format!(
        "line {line}: job {} differs from job {id}, {}, only in case, blanks or Unicode form; \
         both are created and paid for: if one parser is meant, cancel one (`parserd cancel`)",
        spelt(name),
        spelt(there)
    )
}

/// The name, beside it its code points where they may make the difference.
fn spelt(name: &str) -> String {
    if name.is_ascii() {
        return shown(name);
    }
    let code = |c: char| match c {
        ' '..='~' => c.to_string(),
        _ => c.escape_unicode().to_string(),
    };
    let codes: String = name.chars().take(SPELT_CHARS).map(code).collect();
    format!("{} ({codes})", shown(name))
}

/// The first name of each look so far.
#[derive(Debug, Default)]
pub(super) struct Lookalikes(HashMap<String, (String, usize)>);

impl Lookalikes {
    /// Notes a job's name; returns whether another one looks the same.
    pub fn admit(&mut self, job: &Located<JobSpec>) -> Option<Alike> {
        let (name, line) = (&job.value.name, job.line);
        let first = self.0.entry(looks(name));
        let (first_name, first_line) = first.or_insert_with(|| (name.clone(), line));
        (first_name != name).then(|| Alike {
            name: name.clone(),
            line,
            first_name: first_name.clone(),
            first_line: *first_line,
        })
    }
}
