//! PURE: the job file of parsers that the account holds.

use std::collections::HashSet;

use serde_json::Value;

use crate::cli::output::toml_string as quoted;
use crate::core::{
    job::ParserId,
    made_from::example_pages,
    outcome::{Description, PollOutcome},
    remote_name::base_of,
    spec::{FIELD_KEYS, JobSpec, NAME_MAX_CHARS},
    text::escaped,
};

const HEAD: &str = "\
# Parsers that the account holds. Loading this file adopts them: each is asked for by its id,
# nothing is created and nothing is paid.
#
# The service does not tell with which scraper_params (render, premium, country_code, ...) a
# parser was made: add them by hand where one needs them.

";

/// A parser that the service shows.
#[derive(Debug)]
pub(super) struct Imported {
    /// The account's name of it, without parserd's tag.
    name: String,
    id: ParserId,
    urls: Vec<String>,
    fields: Option<Value>,
}

impl Imported {
    /// What the service says of a parser; none where it shows no example page.
    pub(super) fn of(id: &ParserId, described: Description) -> Option<Self> {
        // To the letter: with a blank less it would be another job's name, and another tag's.
        let name = described.name.as_deref();
        let name = name.map(|name| base_of(name).unwrap_or(name).to_owned());
        let examples = match described.outcome {
            PollOutcome::Finished(finished) => finished.example_result,
            _ => None,
        };
        let urls = example_pages(examples.as_ref()?.get());
        (!urls.is_empty()).then(|| Self {
            name: name.unwrap_or_else(|| id.0.clone()),
            id: id.clone(),
            urls,
            fields: described
                .fields
                .as_ref()
                .and_then(|fields| known_parts(fields.get())),
        })
    }
}

/// The fields with the keys that a job may give them; none where they are not an array of objects.
fn known_parts(fields: &str) -> Option<Value> {
    let fields: Vec<serde_json::Map<String, Value>> = serde_json::from_str(fields).ok()?;
    let known = fields.into_iter().map(|mut field| {
        field.retain(|key, value| FIELD_KEYS.contains(&key.as_str()) && !value.is_null());
        Value::Object(field)
    });
    let known: Vec<_> = known.collect();
    (!known.is_empty()).then(|| known.into())
}

/// A job of the file, and what is said of it.
#[derive(Debug)]
struct Entry {
    spec: JobSpec,
    notes: Vec<String>,
}

/// The file, before it is written.
#[derive(Debug, Default)]
pub(super) struct File {
    entries: Vec<Entry>,
}

impl File {
    /// Takes a parser in.
    ///
    /// # Errors
    /// Its name, and why no job can describe it.
    pub(super) fn add(&mut self, imported: Imported) -> Result<(), (String, String)> {
        let Imported {
            name,
            id,
            urls,
            fields,
        } = imported;
        let mut notes = Vec::new();
        let mut spec = JobSpec {
            name: name.clone(),
            urls,
            fields,
            parser_id: Some(id.0.clone()),
            ..JobSpec::default()
        };
        let without = |spec: &JobSpec| JobSpec {
            fields: None,
            ..spec.clone()
        };
        if !without(&spec).problems().is_empty() {
            // It can only be the name: by its id the parser is known in any case.
            spec.name = id.0;
            notes.push(format!(
                "the account's name of it, {}, cannot be the name of a job",
                escaped(&format!("{name:?}"))
            ));
        }
        if !spec.problems().is_empty() {
            spec = without(&spec);
            notes.push("its fields break the rules of a job's fields, and are left out".to_owned());
        }
        let problems = spec.problems();
        if !problems.is_empty() {
            return Err((name, problems.join("; ")));
        }
        self.entries.push(Entry { spec, notes });
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn names(&self) -> Vec<&str> {
        let names = self.entries.iter();
        names.map(|entry| entry.spec.name.as_str()).collect()
    }

    /// Gives another name to those whose name is taken, by a job or by an earlier one.
    fn made_unique(&self, taken: &HashSet<String>) -> Vec<String> {
        let all: HashSet<&str> = self.names().into_iter().collect();
        let mut used = taken.clone();
        let name = |entry: &Entry| {
            let name = &entry.spec.name;
            let numbered = (2_u64..).map(|n| {
                let end = format!("-{n}");
                let room = NAME_MAX_CHARS.saturating_sub(end.len());
                let start: String = name.chars().take(room).collect();
                start + &end
            });
            let is_free = |name: &String| !all.contains(name.as_str());
            let mut tried = std::iter::once(name.clone()).chain(numbered.filter(is_free));
            let free = tried.find(|name| !used.contains(name));
            let free = free.unwrap_or_else(|| name.clone());
            used.insert(free.clone());
            free
        };
        self.entries.iter().map(name).collect()
    }

    /// Numbers the names that `taken` has, and those that come twice.
    pub(super) fn avoid(&mut self, taken: &HashSet<String>) {
        let names = self.made_unique(taken);
        for (entry, name) in self.entries.iter_mut().zip(names) {
            if name != entry.spec.name {
                entry.notes.push(format!(
                    "named {} by the account, as another one is",
                    escaped(&format!("{:?}", entry.spec.name))
                ));
                entry.spec.name = name;
            }
        }
    }

    /// The file's text.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![HEAD.to_owned()];
        for Entry { spec, notes } in &self.entries {
            lines.extend(notes.iter().map(|note| format!("# {note}\n")));
            lines.push("[[jobs]]\n".to_owned());
            lines.push(format!("name = {}\n", quoted(&spec.name)));
            lines.extend(
                spec.parser_id
                    .iter()
                    .map(|id| format!("parser_id = {}\n", quoted(id))),
            );
            let urls: Vec<_> = spec.urls.iter().map(|url| quoted(url)).collect();
            lines.push(format!("urls = [{}]\n", urls.join(", ")));
            let fields = spec.fields.as_ref().and_then(Value::as_array);
            if let Some(fields) = fields {
                lines.push("fields = [\n".to_owned());
                lines.extend(fields.iter().map(|it| format!("    {},\n", field(it))));
                lines.push("]\n".to_owned());
            }
            lines.push("\n".to_owned());
        }
        lines.concat().trim_end().to_owned() + "\n"
    }
}

/// `{ name = "title", description = "..." }`
fn field(field: &Value) -> String {
    let parts = FIELD_KEYS.iter().filter_map(|key| {
        let text = field.get(key)?.as_str()?;
        Some(format!("{key} = {}", quoted(text)))
    });
    format!("{{ {} }}", parts.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::to_raw_value};

    use super::*;
    use crate::{
        core::outcome::Finished,
        manifest::{Format, JobFile, Kinds, Tally},
    };

    fn imported(id: &str, name: &str, examples: &Value, fields: &Value) -> Option<Imported> {
        let finished = Finished {
            example_result: to_raw_value(examples).ok(),
            ..Finished::default()
        };
        let described = Description {
            name: Some(name.to_owned()),
            fields: to_raw_value(fields).ok(),
            ..Description::from(PollOutcome::Finished(finished))
        };
        Imported::of(&ParserId(id.to_owned()), described)
    }

    fn specs(file: &File) -> Vec<JobSpec> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobs.toml");
        std::fs::write(&path, file.text()).unwrap();
        let format = Some(Format::Toml);
        let read = JobFile::check(&path, format, Kinds::Any, &Tally::default()).unwrap();
        read.jobs().map(|job| job.unwrap().value).collect()
    }

    #[test]
    fn what_the_service_shows_is_read_back_as_it_was() {
        let page = "https://a.example/1";
        let examples = json!([{"url": page, "result": {}}]);
        let fields = json!([{"name": "title", "description": "says \"x\\y\"\n\u{7f}é", "type": "array",
            "selector": "h1", "required": true}, {"name": "a.b", "description": "d", "type": null}]);
        let mut file = File::default();
        for (id, name) in [
            ("p1", "shop_pd_abcd2345"),
            ("p2", "shop"),
            ("p3", "a \"b\" \\ # é"),
            ("p4", "shop-2"),
            ("p5", "\u{1}"),
            ("p6", &"x".repeat(201)),
        ] {
            let imported = imported(id, name, &examples, &fields).unwrap();
            file.add(imported).unwrap();
        }
        file.avoid(&HashSet::from(["shop-4".to_owned(), "p5".to_owned()]));
        let specs = specs(&file);
        let named: Vec<_> = specs
            .iter()
            .map(|spec| (spec.name.as_str(), spec.parser_id.as_deref().unwrap()))
            .collect();
        let expected = [
            ("shop", "p1"),
            ("shop-3", "p2"),
            ("a \"b\" \\ # é", "p3"),
            ("shop-2", "p4"),
            ("p5-2", "p5"),
            ("p6", "p6"),
        ];
        assert_eq!(named, expected);
        let known = json!([{"name": "title", "description": "says \"x\\y\"\n\u{7f}é",
            "type": "array", "selector": "h1"}, {"name": "a.b", "description": "d"}]);
        for spec in &specs {
            assert_eq!(spec.fields, Some(known.clone()));
            assert_eq!(spec.urls, [page]);
        }
        let text = file.text();
        assert!(text.contains("# named \"shop\" by the account"), "{text}");
    }

    #[test]
    fn a_name_is_read_back_to_the_letter_or_the_id_stands_for_it() {
        let examples = json!([{"url": "https://a.example/"}]);
        let long = "é".repeat(NAME_MAX_CHARS);
        let too_long = format!("{long}é");
        for (name, expected) in [
            ("shop ", "shop "),
            (" shop", " shop"),
            ("shop _pd_abcd2345", "shop "),
            ("\u{a0}shop\u{3000}", "\u{a0}shop\u{3000}"),
            (
                "a  \"b\" 'c' \\ # = é \u{1f600} \u{2028}",
                "a  \"b\" 'c' \\ # = é \u{1f600} \u{2028}",
            ),
            ("_pd_abcd2345", "p"),
            ("  _pd_abcd2345", "p"),
            ("", "p"),
            (" ", "p"),
            ("a\tb", "p"),
            ("a\n", "p"),
            ("a\u{7f}", "p"),
            ("\u{200b}", "p"),
            (&long, &long),
            (&too_long, "p"),
        ] {
            let mut file = File::default();
            file.add(imported("p", name, &examples, &Value::Null).unwrap())
                .unwrap();
            file.avoid(&HashSet::new());
            let specs = specs(&file);
            let named: Vec<_> = specs
                .iter()
                .map(|spec| (spec.name.as_str(), spec.parser_id.as_deref()))
                .collect();
            assert_eq!(named, [(expected, Some("p"))], "{name:?}");
            let is_told = file.text().contains("# the account's name of it");
            assert_eq!(is_told, expected == "p", "{name:?}: {}", file.text());
        }
    }

    #[test]
    fn only_pages_that_a_job_may_have_are_taken_three_at_the_most() {
        let of = |urls: &[&str]| {
            let examples: Vec<_> = urls.iter().map(|url| json!({"url": url})).collect();
            let imported = imported("p", "n", &json!(examples), &Value::Null);
            imported.map(|imported| imported.urls)
        };
        let page = |n: u8| format!("https://a.example/{n}");
        let pages: Vec<_> = (0..5).map(page).collect();
        let all: Vec<_> = pages.iter().map(String::as_str).collect();
        assert_eq!(of(&all).unwrap(), &all[..3]);
        assert_eq!(of(&["ftp://a/", all[0], all[0]]).unwrap(), [all[0]]);
        assert_eq!(of(&["ftp://a/", "x"]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn fields_that_no_job_may_have_are_left_out() {
        let examples = json!([{"url": "https://a.example/"}]);
        for fields in [
            json!([{"name": "title"}]),
            json!([{"name": 1, "description": "d"}]),
            json!({"title": "text"}),
            json!(null),
        ] {
            let mut file = File::default();
            let imported = imported("p", "n", &examples, &fields).unwrap();
            file.add(imported).unwrap();
            assert_eq!(specs(&file)[0].fields, None, "{fields}");
        }
    }
}
