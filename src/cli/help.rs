//! The commands as help, man pages and completions show them: in groups, with examples, and without
//! what is for packagers only.

use clap::{Command, CommandFactory as _, builder::StyledStr};

use super::{Cli, examples, exit, fold};

/// The commands in groups, in the order in which they are needed. A test checks that none is
/// missing.
const GROUPS: &[(&str, &[&str])] = &[
    ("Start", &["demo", "init", "check", "simulate"]),
    (
        "Jobs",
        &[
            "draft",
            "preflight",
            "enqueue",
            "plan",
            "apply",
            "jobs",
            "show",
            "events",
            "wait",
            "retry",
            "cancel",
        ],
    ),
    ("Parsers", &["parsers"]),
    ("Daemon", &["run", "status", "resume", "resolve", "backup"]),
    ("Shell", &["completions", "help"]),
];

/// How wide the column of names is, with the indent before and the gap behind it.
const NAME_WIDTH: usize = 15;

/// What `help` is, which clap adds when it reads a command line.
const ABOUT_HELP: &str = "Print this message, or the help of a command";

/// The command line's definition, with what is shown of it.
pub(super) fn command() -> Command {
    let mut command = Cli::command();
    let names: Vec<_> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        command = command.mut_subcommand(&name, |sub| exemplified(sub, &name));
    }
    let groups = groups(&command, fold::help_width());
    command.after_help(exit_codes()).help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}\nOptions:\n{{options}}{{after-help}}"
    ))
}

/// The same without what is hidden, which no shell is to complete.
pub(super) fn completed() -> Command {
    let command = command();
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    Command::new("parserd")
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().cloned())
        .subcommands(shown.cloned())
}

/// A command whose help has its examples, and those below it theirs.
fn exemplified(command: Command, path: &str) -> Command {
    let below: Vec<_> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    let command = below.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |sub| exemplified(sub, &format!("{path} {name}")))
    });
    match with_examples(path) {
        Some(text) => command.after_help(text),
        None => command,
    }
}

fn with_examples(name: &str) -> Option<StyledStr> {
    let lines = examples::of(name);
    let lines = lines.map(|example| format!("\n  {}\n      {}", example.line, example.purpose));
    let lines: String = lines.collect();
    (!lines.is_empty()).then(|| StyledStr::from(format!("Examples:{lines}")))
}

fn exit_codes() -> String {
    let codes = exit::meanings().map(|(code, meaning)| format!("{code} {meaning}"));
    let codes: Vec<_> = codes.collect();
    format!("Exit codes: {}.", codes.join("; "))
}

fn groups(command: &Command, width: u16) -> String {
    let mut text = String::new();
    for (title, names) in GROUPS {
        text.push_str(&format!("{title}:\n"));
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map_or_else(|| ABOUT_HELP.to_owned(), ToString::to_string);
            let line = format!("  {name:0$}{about}", NAME_WIDTH - 2);
            text.push_str(&fold::hanging(Some(width), &line, NAME_WIDTH));
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser as _;

    use super::*;
    use crate::cli::examples::EXAMPLES;

    fn shown() -> BTreeSet<String> {
        let command = Cli::command();
        let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
        shown.map(|sub| sub.get_name().to_owned()).collect()
    }

    #[test]
    fn each_command_is_in_one_group_and_has_examples() {
        let mut grouped = BTreeSet::from(["help".to_owned()]);
        let names = GROUPS.iter().flat_map(|(_, names)| *names);
        for name in names.filter(|name| **name != "help") {
            assert!(grouped.insert((*name).to_owned()), "{name} is there twice");
        }
        grouped.remove("help");
        assert_eq!(grouped, shown());
        let with_examples = EXAMPLES.iter().map(|(name, _)| (*name).to_owned());
        assert_eq!(with_examples.collect::<BTreeSet<_>>(), shown());
    }

    #[test]
    fn each_example_is_a_command_line_of_its_command() {
        for (name, lines) in EXAMPLES {
            for (line, purpose) in *lines {
                let typed = line.split(['>', '<']).next().unwrap();
                let mut words = typed.split('\'').enumerate().flat_map(|(index, part)| {
                    // What is in quotes is one word.
                    if index % 2 == 1 {
                        vec![part]
                    } else {
                        part.split_whitespace().collect()
                    }
                });
                assert_eq!(words.next(), Some("parserd"), "{line}");
                let args = std::iter::once("parserd").chain(words);
                let matches = Cli::command().try_get_matches_from(args.clone());
                let matches = matches.unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(matches.subcommand_name(), Some(*name), "{line}");
                Cli::try_parse_from(args).unwrap();
                assert!(!purpose.is_empty() && !purpose.ends_with('.'), "{purpose}");
            }
        }
    }

    #[test]
    fn what_a_command_does_begins_with_a_verb_and_folds() {
        for sub in Cli::command().get_subcommands() {
            let about = sub.get_about().unwrap().to_string();
            let first = about.split(' ').next().unwrap();
            assert!(
                !["A", "The", "One", "What", "Counts"].contains(&first),
                "{about}"
            );
        }
        for width in [40, 80] {
            for line in groups(&command(), width).lines() {
                assert!(line.chars().count() <= usize::from(width), "{line}");
            }
        }
    }

    #[test]
    fn what_is_hidden_is_not_completed() {
        assert!(completed().find_subcommand("generate").is_none());
        assert!(completed().find_subcommand("run").is_some());
    }
}
