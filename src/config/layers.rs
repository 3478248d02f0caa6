//! Where settings come from, and the layering of one source over another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::config::{Config, Environment, Map, Source, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::error::{BadValue, ConfigError};
use super::keys::{self, KEYS, KeyKind};
use crate::core::cure;
use crate::core::lines::Lines;

/// The file that is read, if it exists, when none is named.
pub const DEFAULT_FILE: &str = "/etc/parserd/parserd.toml";

/// Where systemd says that the state belongs.
pub(super) const STATE_DIRECTORY: &str = "STATE_DIRECTORY";
/// Where systemd puts a unit's credentials.
pub(super) const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// What to do about what is not TOML.
const SYNTAX_CURE: &str =
    "correct the line; config/parserd.toml shows how sections, keys and values are written";

/// Keys that say where the API key is.
const SECRETS: &[&str] = &["api.key", "api.key_file"];

const PREFIX: &str = "PARSERD";
/// What the `config` crate calls the origin of what its `Environment` holds.
const FROM_ENVIRONMENT: &str = "the environment";
const FROM_COMMAND_LINE: &str = "the command line";
const FROM_DEFAULT: &str = "the default";

/// Everything outside the program that settings depend on, so that tests need not
/// touch the process.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file; None for none.
    pub file: Option<PathBuf>,
    /// The environment, or as much of it as matters.
    pub env: BTreeMap<String, String>,
    /// Keys by their dotted names with the texts that flags gave them; they win.
    pub overrides: Vec<(String, String)>,
    /// Where relative paths start.
    pub working_dir: PathBuf,
}

impl Sources {
    /// The sources of this process: `--config FILE`, else `$PARSERD_CONFIG`, else
    /// [`DEFAULT_FILE`] if it exists; and the process's environment.
    ///
    /// # Errors
    /// Where the environment is not valid UTF-8 in a variable that matters, or there is no
    /// working directory.
    pub fn from_process(cli_file: Option<PathBuf>) -> Result<Self, ConfigError> {
        let mut env = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            let matters = name.starts_with(PREFIX)
                || matches!(name.as_str(), STATE_DIRECTORY | CREDENTIALS_DIRECTORY);
            if matters {
                let value = value.into_string().map_err(|_| {
                    ConfigError::Process(format!(
                        "the environment variable {name} is not valid UTF-8: write plain text"
                    ))
                })?;
                env.insert(name, value);
            }
        }
        let working_dir = std::env::current_dir().map_err(|error| {
            ConfigError::Process(format!("cannot determine the working directory: {error}"))
        })?;
        Ok(Self {
            file: config_file(cli_file, &env, Path::new(DEFAULT_FILE)),
            env,
            overrides: Vec::new(),
            working_dir,
        })
    }

    /// The same sources with what flags say.
    #[must_use]
    pub fn with_overrides(mut self, overrides: Vec<(String, String)>) -> Self {
        self.overrides = overrides;
        self
    }

    /// A variable of the environment, if it is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.env
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

fn config_file(
    cli_file: Option<PathBuf>,
    env: &BTreeMap<String, String>,
    default: &Path,
) -> Option<PathBuf> {
    let from_env = env.get("PARSERD_CONFIG").filter(|path| !path.is_empty());
    cli_file
        .or_else(|| from_env.map(PathBuf::from))
        .or_else(|| default.exists().then(|| default.to_owned()))
}

/// A value as text, or an array of strings, with where it came from.
#[derive(Debug, Clone)]
pub(super) struct FoundValue {
    pub value: ValueKind,
    pub origin: String,
}

/// Every key that has a value, the last layer's, and all that is wrong with the
/// layers themselves.
pub(super) fn layered(sources: &Sources) -> (BTreeMap<&'static str, FoundValue>, Vec<ConfigError>) {
    let mut problems = Vec::new();
    let file = sources.file.as_deref().map_or_else(Layer::default, |path| {
        // The path in messages is the one that was given.
        match std::fs::read(sources.working_dir.join(path)) {
            Ok(bytes) => file_layer(path, &bytes, &mut problems),
            Err(error) => {
                problems.push(ConfigError::Unreadable {
                    path: path.to_owned(),
                    reason: error.to_string(),
                    cure: cure::of_reading(&error),
                });
                Layer::default()
            }
        }
    });
    let mut env = known_variables(&sources.env, &mut problems);
    let blank = blank_secrets(&mut env);
    let mut builder = Config::builder()
        .add_source(default_layer())
        .add_source(blank)
        .add_source(file)
        .add_source(
            Environment::with_prefix(PREFIX)
                .prefix_separator("__")
                .separator("__")
                .source(Some(env)),
        );
    for (key, value) in &sources.overrides {
        if keys::find(key).is_none() {
            problems.push(unknown(key, FROM_COMMAND_LINE));
            continue;
        }
        match builder.clone().set_override(key, value.as_str()) {
            Ok(next) => builder = next,
            Err(error) => problems.push(ConfigError::Process(error.to_string())),
        }
    }
    match builder.build() {
        Ok(config) => (found(&config.cache), problems),
        Err(error) => {
            problems.push(ConfigError::Process(error.to_string()));
            (BTreeMap::new(), problems)
        }
    }
}

fn found(cache: &Value) -> BTreeMap<&'static str, FoundValue> {
    let member = |value: &Value, name: &str| match &value.kind {
        ValueKind::Table(table) => table.get(name).cloned(),
        _ => None,
    };
    KEYS.iter()
        .filter_map(|key| {
            let (section, name) = key.name.split_once('.')?;
            let value = member(&member(cache, section)?, name)?;
            let origin = match value.origin() {
                None => FROM_COMMAND_LINE.to_owned(),
                Some(FROM_ENVIRONMENT) => format!("environment variable {}", key.variable()),
                Some(origin) => origin.to_owned(),
            };
            let value = value.kind;
            Some((key.name, FoundValue { value, origin }))
        })
        .collect()
}

/// A layer of the `config` crate whose values know where they came from.
#[derive(Debug, Clone, Default)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ::config::ConfigError> {
        Ok(self.0.clone())
    }
}

fn default_layer() -> Layer {
    let origin = FROM_DEFAULT.to_owned();
    Layer(
        KEYS.iter()
            .filter_map(|key| {
                let value = Value::new(Some(&origin), key.default?);
                Some((key.name.to_owned(), value))
            })
            .collect(),
    )
}

fn unknown(key: &str, origin: impl Into<String>) -> ConfigError {
    let (origin, found) = (origin.into(), key.to_owned());
    match keys::nearest(key) {
        Some(nearest) => ConfigError::UnknownKey {
            key: found,
            origin,
            nearest,
        },
        None => ConfigError::ForeignKey {
            nearest: keys::least_unlike(key),
            key: found,
            origin,
        },
    }
}

/// The variables that set a key. Those with one underscore after `PARSERD` are none
/// of parserd's business: Kubernetes sets `PARSERD_PORT` for a service of that name.
fn known_variables(
    env: &BTreeMap<String, String>,
    problems: &mut Vec<ConfigError>,
) -> Map<String, String> {
    let mut known = Map::new();
    for (name, value) in env {
        let Some(rest) = name.strip_prefix("PARSERD__") else {
            continue;
        };
        let key = rest.replace("__", ".").to_lowercase();
        if keys::find(&key).is_some() {
            known.insert(name.clone(), value.clone());
        } else {
            problems.push(unknown(&key, format!("environment variable {name}")));
        }
    }
    known
}

/// A variable for the key that is set and blank, as a template leaves it whose value is
/// missing, must not take the place of the key that a file gives: it goes below all others.
fn blank_secrets(env: &mut Map<String, String>) -> Layer {
    let mut blank = Layer::default();
    for key in KEYS.iter().filter(|key| SECRETS.contains(&key.name)) {
        if let Some(text) = env.remove(&key.variable()) {
            if text.trim().is_empty() {
                let value = Value::new(Some(&FROM_ENVIRONMENT.to_owned()), text);
                blank.0.insert(key.name.to_owned(), value);
            } else {
                env.insert(key.variable(), text);
            }
        }
    }
    blank
}

fn file_layer(path: &Path, bytes: &[u8], problems: &mut Vec<ConfigError>) -> Layer {
    let syntax = |lines: &Lines<'_>, offset: usize, message: &str| ConfigError::Syntax {
        path: path.to_owned(),
        line: lines.line(offset),
        column: lines.column(offset),
        message: message.to_owned(),
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let message = "this is not valid UTF-8: save the file as UTF-8";
            problems.push(syntax(&Lines::of(&valid), valid.len(), message));
            return Layer::default();
        }
    };
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // The parser's own rendering would repeat the line, and a key with it.
        let mut messages: Vec<_> = errors
            .iter()
            .map(|error| {
                let offset = error.span().map_or(0, |span| span.start);
                let message = format!("{}; {SYNTAX_CURE}", error.message());
                syntax(&lines, offset, &message)
            })
            .collect();
        messages.dedup();
        problems.extend(messages);
        return Layer::default();
    }
    let mut file = FileLayer {
        origin: &|offset| format!("{} line {}", path.display(), lines.line(offset)),
        values: Map::new(),
        problems,
    };
    file.add_table("", table.get_ref());
    Layer(file.values)
}

struct FileLayer<'a> {
    /// Names the place of a byte offset.
    origin: &'a dyn Fn(usize) -> String,
    values: Map<String, Value>,
    problems: &'a mut Vec<ConfigError>,
}

impl FileLayer<'_> {
    fn add_table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let origin = (self.origin)(name.span().start);
            let name = format!("{prefix}{}", name.get_ref());
            self.add(&name, origin, value.get_ref());
        }
    }

    fn add(&mut self, name: &str, origin: String, value: &DeValue<'_>) {
        let is_section = KEYS
            .iter()
            .any(|key| key.name.split('.').next() == Some(name));
        match (keys::find(name), value) {
            (Some(key), _) => match file_value(key, value) {
                Ok(kind) => {
                    let value = Value::new(Some(&origin), kind);
                    self.values.insert(name.to_owned(), value);
                }
                Err(bad) => self.problems.push(bad.at(name, origin)),
            },
            (None, DeValue::Table(table)) if is_section || !table.is_empty() => {
                self.add_table(&format!("{name}."), table);
            }
            (None, _) if is_section => {
                let bad = BadValue::new(
                    "is a section",
                    format!("[{name}] on a line, its keys below"),
                );
                self.problems.push(bad.at(name, origin));
            }
            (None, _) => self.problems.push(unknown(name, origin)),
        }
    }
}

/// A value of a file as text or list, if it is of the key's kind. A message never
/// repeats the value: it may be the API key.
fn file_value(key: &keys::ConfigKey, value: &DeValue<'_>) -> Result<ValueKind, BadValue> {
    let fits = match (key.kind, value) {
        (KeyKind::Text | KeyKind::Duration, DeValue::String(text)) => Some(text.as_ref().into()),
        (KeyKind::Integer | KeyKind::Number, DeValue::Integer(number)) => {
            i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .map(|number| number.to_string().into())
        }
        (KeyKind::Number, DeValue::Float(number)) => Some(number.as_str().into()),
        (KeyKind::Bool, DeValue::Boolean(yes)) => Some(yes.to_string().into()),
        (KeyKind::List, DeValue::Array(items)) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(Value::from))
            .collect::<Option<Vec<_>>>()
            .map(ValueKind::Array),
        _ => None,
    };
    fits.ok_or_else(|| {
        let problem = match value {
            DeValue::Integer(_) => "is a whole number",
            DeValue::Float(_) => "is a number with a fraction",
            DeValue::String(_) => "is a string",
            DeValue::Boolean(_) => "is true or false",
            DeValue::Datetime(_) => "is a date",
            DeValue::Array(_) => "is an array",
            DeValue::Table(_) => "is a section",
        };
        let problem = match (key.kind, value) {
            (KeyKind::Integer | KeyKind::Number, DeValue::Integer(_)) => "is too large a number",
            (KeyKind::List, DeValue::Array(_)) => "contains something other than strings",
            _ => problem,
        };
        BadValue::new(problem, cure(key))
    })
}

fn cure(key: &keys::ConfigKey) -> String {
    let example = key.default_toml().unwrap_or_default();
    match key.kind {
        KeyKind::Text if example.is_empty() => "a string in quotes".to_owned(),
        KeyKind::Text => format!("a string in quotes, such as {example}"),
        KeyKind::Duration => format!("a duration in quotes, such as {example}"),
        KeyKind::Integer if example.is_empty() => "a whole number, such as 3000000".to_owned(),
        KeyKind::Integer => format!("a whole number, such as {example}"),
        KeyKind::Number => format!("a number, such as {example}"),
        KeyKind::Bool => "true or false, without quotes".to_owned(),
        KeyKind::List => "an array of strings, such as [\"/etc/parserd/jobs.d/*.toml\"]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_variable_and_the_variable_over_the_default_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let absent = Path::new("no such file");
        let env = |path: &str| BTreeMap::from([("PARSERD_CONFIG".to_owned(), path.to_owned())]);
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(
            config_file(path("cli"), &env("env"), file.path()),
            path("cli")
        );
        assert_eq!(config_file(None, &env("env"), file.path()), path("env"));
        assert_eq!(
            config_file(None, &env(""), file.path()),
            Some(file.path().to_owned())
        );
        assert_eq!(config_file(None, &BTreeMap::new(), absent), None);
    }
}
