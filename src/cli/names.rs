//! `parserd names`: what a shell completes from the database. Hidden: the scripts of
//! `parserd completions` call it with what is typed.

use std::{path::PathBuf, time::Duration};

use super::{Exit, Setting, sources};
use crate::{
    cli::output::Out,
    config::{Settings, keys},
    core::edit::Edit,
    store::{NamesOf, names_starting},
};

/// Whoever presses Tab waits no longer than this.
const LONGEST: Duration = Duration::from_secs(2);

/// Prints the names that go on from what is typed; nothing where there are none, or where anything is
/// wrong: there is no place for a message in a line that is being typed.
#[derive(Debug, clap::Args)]
pub struct NamesArgs {
    /// What is typed behind the name of the program; the last one is completed
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// The commands that take names, of what, and how many.
const TAKES: &[(&[&str], NamesOf, usize)] = &[
    (&["show"], NamesOf::Jobs, 1),
    (&["resolve"], NamesOf::Jobs, 1),
    (&["retry"], NamesOf::Jobs, usize::MAX),
    (&["cancel"], NamesOf::Jobs, usize::MAX),
    (&["resume"], NamesOf::Jobs, usize::MAX),
    (&["wait"], NamesOf::Jobs, usize::MAX),
    (&["parsers", "pin"], NamesOf::Parsers, 1),
    (&["parsers", "delete"], NamesOf::Parsers, usize::MAX),
];

/// What is completed.
#[derive(Debug, PartialEq, Eq)]
struct Typed {
    of: NamesOf,
    start: String,
    /// Names that are there already.
    before: Vec<String>,
    config: Option<PathBuf>,
    set: Vec<Setting>,
}

impl Typed {
    /// None where no name is to come.
    fn of(command: &clap::Command, words: &[String]) -> Option<Self> {
        let (start, before) = words.split_last()?;
        if start.starts_with('-') {
            return None;
        }
        let (mut config, mut set, mut plain) = (None, Vec::new(), Vec::new());
        let mut at = command;
        let mut before = before.iter();
        while let Some(word) = before.next() {
            let Some(option) = word.strip_prefix("--") else {
                match at.find_subcommand(word) {
                    Some(sub) => at = sub,
                    None => plain.push(word.clone()),
                }
                continue;
            };
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                // The value of this option is what is being typed.
                None if takes_value(command, at, option) => (option, Some(before.next()?.clone())),
                None => (option, None),
            };
            match (name, value) {
                ("config", Some(value)) => config = Some(PathBuf::from(value)),
                ("set", Some(value)) => {
                    let (key, value) = value.split_once('=')?;
                    set.push((key.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        let path: Vec<&str> = at.get_bin_name()?.split(' ').skip(1).collect();
        let (_, of, most) = TAKES.iter().find(|(command, ..)| **command == path)?;
        (plain.len() < *most).then(|| Self {
            of: *of,
            start: start.clone(),
            before: plain,
            config,
            set,
        })
    }
}

/// Whether an option, of a command or of all, has a value.
fn takes_value(root: &clap::Command, command: &clap::Command, name: &str) -> bool {
    let mut all = root.get_arguments().chain(command.get_arguments());
    all.find(|arg| arg.get_long() == Some(name))
        .is_some_and(|arg| arg.get_action().takes_values())
}

pub(super) async fn names(args: &NamesArgs) -> anyhow::Result<Exit> {
    let mut command = super::help::command();
    command.build();
    if let Some(typed) = Typed::of(&command, &args.words) {
        let mut out = Out::default();
        for name in found(typed).await {
            out.line(&name)?;
        }
        out.flush()?;
    }
    Ok(Exit::Done)
}

async fn found(typed: Typed) -> Vec<String> {
    // What is said of a job is no configuration.
    let is_setting = |(key, _): &Setting| keys::has_section(key) && !Edit::is_of_job(key);
    let set: Vec<_> = typed.set.into_iter().filter(is_setting).collect();
    let settings = sources(typed.config, &set).map(|sources| Settings::load(&sources));
    let Ok(Ok(settings)) = settings else {
        return Vec::new();
    };
    let looked = names_starting(settings.database_path(), typed.of, &typed.start);
    let names = match tokio::time::timeout(LONGEST, looked).await {
        Ok(Ok(names)) => names,
        Ok(Err(_)) | Err(_) => return Vec::new(),
    };
    let is_new = |name: &String| !typed.before.contains(name);
    // A line a name: what has no place on one, or steers a terminal, is not offered.
    let is_plain = |name: &String| !name.contains(char::is_control);
    names.into_iter().filter(is_new).filter(is_plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Option<Typed> {
        let mut command = super::super::help::command();
        command.build();
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        Typed::of(&command, &words)
    }

    #[test]
    fn names_come_where_a_command_takes_them() {
        for (line, expected) in [
            ("show ", Some((NamesOf::Jobs, ""))),
            ("show bo", Some((NamesOf::Jobs, "bo"))),
            ("show --json bo", Some((NamesOf::Jobs, "bo"))),
            ("show books bo", None),
            ("show --", None),
            ("retry books bo", Some((NamesOf::Jobs, "bo"))),
            ("retry --state ", None),
            ("retry --state=FAILED ", Some((NamesOf::Jobs, ""))),
            ("retry --dry-run ", Some((NamesOf::Jobs, ""))),
            ("wait --timeout 2h ", Some((NamesOf::Jobs, ""))),
            ("wait --timeout ", None),
            ("--config x.toml cancel ", Some((NamesOf::Jobs, ""))),
            ("--config ", None),
            ("parsers ", None),
            ("parsers pin a", Some((NamesOf::Parsers, "a"))),
            ("parsers pin a ", None),
            ("parsers delete a ", Some((NamesOf::Parsers, ""))),
            ("enqueue ", None),
            ("", None),
        ] {
            let found = typed(line);
            let found = found.as_ref().map(|typed| (typed.of, typed.start.as_str()));
            assert_eq!(found, expected, "{line:?}");
        }
        let found = typed("--config a.toml --set=log.level=debug retry --set database.url=b x ");
        let found = found.unwrap();
        assert_eq!(found.config, Some(PathBuf::from("a.toml")));
        let set = [("log.level", "debug"), ("database.url", "b")];
        assert_eq!(
            found.set,
            set.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        assert_eq!(found.before, ["x"]);
    }
}
