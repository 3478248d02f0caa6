//! What the fake does with `PATCH /parsers/{id}[/{version}]` and `DELETE /parsers/{id}`, and what
//! it shows of versions and fields. Each switch is one idea of how a service may be.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::{Books, Fake, Parser, World};

/// One version of a parser.
#[derive(Clone, Debug)]
pub struct Version {
    pub number: i64,
    pub fields: Vec<Value>,
    pub ready_at: Instant,
    pub failed: bool,
}

/// A PATCH as it came.
#[derive(Clone, Debug)]
pub struct Patch {
    pub id: String,
    pub base: Option<i64>,
    pub change: Value,
    pub paid: bool,
    /// The version that it made.
    pub made: Option<i64>,
}

/// What becomes of a paid PATCH.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Update {
    #[default]
    Works,
    /// The new version is FAILED, the one before stays as it was.
    NewFails,
    /// All versions are FAILED.
    AllFail,
    /// The new version is gone again when its generation fails: the latest is the one before.
    RollsBack,
}

/// What a PATCH does whose base is not the latest version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Base {
    #[default]
    Conflict,
    /// It goes upon the latest version all the same.
    Ignored,
    /// The new version has what the base has, not what the latest has.
    Branches,
}

/// How fields are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    Reversed,
    ExtraKeys,
    Trimmed,
    Spaced,
    LowerTypes,
    NoTypes,
    UpperTypes,
    Selectors,
    NullSelectors,
    NoDescriptions,
    /// Nested below `properties`-like objects is beyond any document: an object by name.
    ByName,
    Nothing,
}

#[derive(Clone, Debug)]
pub struct Changes {
    /// Whether a GET shows a version and fields at all.
    pub shows: bool,
    pub show: Vec<Show>,
    pub hides_version: bool,
    pub first: i64,
    pub step: i64,
    pub generation: Duration,
    /// For so long after a PATCH a GET shows the version before.
    pub get_lag: Duration,
    /// For so long after a PATCH a GET is answered 404.
    pub gone: Duration,
    /// For so long after a PATCH or DELETE the list shows what was before.
    pub list_lag: Duration,
    pub update: Update,
    pub base: Base,
    /// Another user's change, made when the next PATCH is on its way.
    pub foreign: Option<Value>,
    /// The same, made upon the next PATCH.
    pub foreign_after: Option<Value>,
    /// A rename is generated like an addition, and answered 202.
    pub rename_generates: bool,
    pub rename_drops_description: bool,
    /// A paid PATCH is answered 200.
    pub paid_200: bool,
    pub empty_answer: bool,
    /// The answer to a PATCH does not tell the version.
    pub no_version: bool,
    /// So long after a DELETE its parser is GENERATING, then gone.
    pub delete_takes: Duration,
    /// A DELETE of what is gone is answered so.
    pub second_delete: u16,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            shows: false,
            show: Vec::new(),
            hides_version: false,
            first: 0,
            step: 1,
            generation: Duration::from_millis(30),
            get_lag: Duration::ZERO,
            gone: Duration::ZERO,
            list_lag: Duration::ZERO,
            update: Update::Works,
            base: Base::Conflict,
            foreign: None,
            foreign_after: None,
            rename_generates: false,
            rename_drops_description: false,
            paid_200: false,
            empty_answer: false,
            no_version: false,
            delete_takes: Duration::ZERO,
            second_delete: 404,
        }
    }
}

impl Parser {
    pub fn latest(&self) -> &Version {
        self.versions.last().unwrap()
    }

    /// The names of the fields of its latest version that can be used.
    pub fn names(&self) -> Vec<String> {
        let usable = self.versions.iter().rev().find(|v| !v.failed);
        let fields = usable.map_or(&[][..], |v| &v.fields);
        let names = fields.iter().map(|f| f["name"].as_str().unwrap_or("?"));
        names.map(str::to_owned).collect()
    }

    /// What somebody is shown whose view lags so long behind.
    pub(super) fn seen(&self, lag: Duration) -> &Version {
        let age = self.changed.map(|at| at.elapsed());
        let before = self.versions.len().checked_sub(2);
        match (age, before) {
            (Some(age), Some(before)) if age < lag => &self.versions[before],
            _ => self.latest(),
        }
    }
}

impl Books {
    /// The paid PATCHes of a parser that were taken: the service's own bill.
    pub fn paid(&self, id: &str) -> usize {
        let taken = |p: &&Patch| p.id == id && p.paid && p.made.is_some();
        self.patches.iter().filter(taken).count()
    }
}

impl Fake {
    /// Another user of the account changes the latest version of the parser of this page.
    pub fn edit(&self, name: &str, change: &Value) {
        let mut world = self.world();
        let index = world
            .books
            .parsers
            .iter()
            .position(|p| p.url.ends_with(name))
            .unwrap();
        let done = world.change(index, None, change, true);
        assert!(done.is_ok(), "{done:?}");
    }

    /// Another parser, of the same name.
    pub fn twin(&self, of: usize) {
        let mut world = self.world();
        let mut twin = world.books.parsers[of].clone();
        twin.id = "twin-of-it".to_owned();
        twin.url = "https://example.com/twin".to_owned();
        world.books.parsers.push(twin);
    }
}

pub(super) fn first_version(sent: &Value, does: &Changes) -> Version {
    let fields = sent["fields"].as_array().cloned().unwrap_or_else(|| {
        vec![json!({"name": "title", "description": "The title", "type": "string"})]
    });
    Version {
        number: does.first,
        fields,
        ready_at: Instant::now(),
        failed: false,
    }
}

fn list_of<'a>(change: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    change[key]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or(&[])
        .iter()
}

/// The fields after a change, or what is wrong with it.
fn changed(fields: &[Value], change: &Value, drops: bool) -> Result<Vec<Value>, String> {
    let mut fields = fields.to_vec();
    let find = |fields: &[Value], name: &Value| {
        let at = fields.iter().position(|f| &f["name"] == name);
        at.ok_or_else(|| format!("there is no field {name}"))
    };
    for entry in list_of(change, "rename_fields") {
        let at = find(&fields, &entry["name"])?;
        fields[at]["name"] = entry["new_name"].clone();
        if drops {
            fields[at]["description"] = json!("");
        }
    }
    for name in list_of(change, "remove_fields") {
        let at = find(&fields, name)?;
        fields.remove(at);
    }
    for field in list_of(change, "modify_fields") {
        let at = find(&fields, &field["name"])?;
        fields[at] = field.clone();
    }
    for field in list_of(change, "add_fields") {
        if find(&fields, &field["name"]).is_ok() {
            return Err(format!("field {} is there already", field["name"]));
        }
        fields.push(field.clone());
    }
    Ok(fields)
}

pub(super) fn is_paid(change: &Value) -> bool {
    ["add_fields", "modify_fields"]
        .iter()
        .any(|key| list_of(change, key).next().is_some())
}

impl World {
    /// Does a PATCH, and puts it into the books; the status and the body of its usual answer.
    pub(super) fn patch(
        &mut self,
        index: usize,
        base: Option<i64>,
        change: &Value,
        patch: usize,
    ) -> (u16, String) {
        if let Some(foreign) = self.does.changes.foreign.take() {
            let latest = self.books.parsers[index].latest().number;
            let done = self.change(index, Some(latest), &foreign, true);
            assert!(done.is_ok(), "the other user's change: {done:?}");
        }
        let does = self.does.changes.clone();
        match self.change(index, base, change, false) {
            Err((status, text)) => (status, json!({ "error": text }).to_string()),
            Ok(version) => {
                self.books.patches[patch].made = Some(version);
                if let Some(foreign) = self.does.changes.foreign_after.take() {
                    let done = self.change(index, None, &foreign, true);
                    assert!(done.is_ok(), "the other user's change: {done:?}");
                }
                let at_once = does.paid_200 || !(is_paid(change) || does.rename_generates);
                let id = &self.books.parsers[index].id;
                let body = match (does.empty_answer, does.no_version) {
                    (true, _) => String::new(),
                    (_, true) => json!({ "id": id }).to_string(),
                    _ => json!({"id": id, "version": version}).to_string(),
                };
                (if at_once { 200 } else { 202 }, body)
            }
        }
    }

    pub(super) fn change(
        &mut self,
        index: usize,
        base: Option<i64>,
        change: &Value,
        foreign: bool,
    ) -> Result<i64, (u16, String)> {
        let does = self.does.changes.clone();
        let parser = &mut self.books.parsers[index];
        let latest = parser.latest().clone();
        let mut from = latest.clone();
        if let Some(base) = base.filter(|base| *base != latest.number) {
            let there = parser.versions.iter().find(|v| v.number == base).cloned();
            let there = there.ok_or((404, format!("there is no version {base}")))?;
            match does.base {
                Base::Conflict => {
                    return Err((409, format!("the latest version is {}", latest.number)));
                }
                Base::Ignored => {}
                Base::Branches => from = there,
            }
        }
        let fields = changed(&from.fields, change, does.rename_drops_description)
            .map_err(|text| (422, text))?;
        let generated = is_paid(change) || does.rename_generates;
        let failed = generated && !foreign && does.update != Update::Works;
        if failed && does.update == Update::AllFail {
            parser.versions.iter_mut().for_each(|v| v.failed = true);
        }
        let number = latest.number + does.step;
        let after = if generated {
            does.generation
        } else {
            Duration::ZERO
        };
        parser.versions.push(Version {
            number,
            fields,
            ready_at: Instant::now() + after,
            failed,
        });
        parser.changed = Some(Instant::now());
        Ok(number)
    }

    /// Versions that are gone again since their generation failed.
    pub(super) fn roll_back(&mut self) {
        if self.does.changes.update != Update::RollsBack {
            return;
        }
        for parser in &mut self.books.parsers {
            parser
                .versions
                .retain(|v| !(v.failed && v.ready_at <= Instant::now()));
        }
    }

    pub(super) fn delete(&mut self, index: usize) -> (u16, String) {
        let parser = &mut self.books.parsers[index];
        if parser.deleted {
            return (
                self.does.changes.second_delete,
                json!({"error": "no such parser"}).to_string(),
            );
        }
        parser.deleted = true;
        parser.changed = Some(Instant::now());
        (204, String::new())
    }

    /// Whether a GET, PATCH or DELETE still finds it.
    pub(super) fn is_there(&self, parser: &Parser) -> bool {
        let age = parser.changed.map_or(Duration::MAX, |at| at.elapsed());
        if parser.deleted {
            age < self.does.changes.delete_takes
        } else {
            age >= self.does.changes.gone
        }
    }

    /// The version and the fields of a parser, for a GET.
    pub(super) fn shown(&self, version: &Version) -> String {
        let does = &self.does.changes;
        if !does.shows {
            return String::new();
        }
        let mut text = String::new();
        if !does.hides_version {
            text = format!(r#","version":{}"#, version.number);
        }
        let mut fields: Vec<Value> = version
            .fields
            .iter()
            .map(|f| shown_field(f, &does.show))
            .collect();
        if does.show.contains(&Show::Reversed) {
            fields.reverse();
        }
        if does.show.contains(&Show::Nothing) {
            return text;
        }
        let fields = if does.show.contains(&Show::ByName) {
            let named = fields
                .iter()
                .map(|f| (f["name"].as_str().unwrap().to_owned(), f.clone()));
            Value::from(named.collect::<Map<_, _>>())
        } else {
            Value::from(fields)
        };
        text + &format!(r#","fields":{fields}"#)
    }
}

fn shown_field(field: &Value, show: &[Show]) -> Value {
    let mut field = field.as_object().cloned().unwrap_or_default();
    let text = |field: &Map<String, Value>, key: &str| {
        field.get(key).and_then(Value::as_str).map(str::to_owned)
    };
    for what in show {
        let description = text(&field, "description");
        let kind = text(&field, "type").unwrap_or_else(|| "string".to_owned());
        match what {
            Show::ExtraKeys => {
                field.insert("id".to_owned(), json!("f-1"));
                field.insert("required".to_owned(), json!(false));
            }
            Show::Trimmed => {
                drop(description.map(|d| field.insert("description".to_owned(), json!(d.trim()))))
            }
            Show::Spaced => {
                let spaced = description
                    .map(|d| format!(" {}\n", d.split(' ').collect::<Vec<_>>().join("  ")));
                field.insert("description".to_owned(), json!(spaced));
            }
            Show::LowerTypes => drop(field.insert("type".to_owned(), json!(kind.to_lowercase()))),
            Show::UpperTypes => drop(field.insert("type".to_owned(), json!(kind.to_uppercase()))),
            Show::NoTypes => drop(field.remove("type")),
            Show::NoDescriptions => drop(field.remove("description")),
            Show::Selectors => {
                let selector =
                    text(&field, "selector").map(|s| s.replace(" > ", ">").to_lowercase());
                selector.map(|s| field.insert("selector".to_owned(), json!(s)));
            }
            Show::NullSelectors => {
                field.entry("selector").or_insert(Value::Null);
            }
            Show::Reversed | Show::ByName | Show::Nothing => {}
        }
    }
    Value::from(field)
}

/// A part of a path, without its percents.
pub(super) fn decoded(part: &str) -> String {
    let mut out = Vec::new();
    let mut rest = part.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = (*byte == b'%').then(|| after.get(..2)).flatten();
        let hex = hex.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        out.push(hex.unwrap_or(*byte));
        rest = if hex.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}
