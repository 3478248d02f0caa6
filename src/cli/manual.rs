//! PURE: the man pages: what the definition of the command line says, and what it does not.

use std::io;

use clap::{Arg, ArgAction, Command, builder::Resettable};
use clap_mangen::{
    Man,
    roff::{Roff, bold, italic, roman},
};

use super::{examples, exit};
use crate::config::keys::KEYS;

/// A page, by the name of its file.
#[derive(Debug)]
pub(super) struct Page {
    /// Such as `parserd-run.1`.
    pub file: String,
    /// What it says, as roff.
    pub text: Vec<u8>,
}

/// A heading, and its terms with what each means.
type Section = (&'static str, &'static [(&'static str, &'static str)]);

const ENVIRONMENT: Section = (
    "ENVIRONMENT",
    &[
        (
            "PARSERD_CONFIG",
            "The configuration file, where --config names none.",
        ),
        (
            "PARSERD__SECTION__KEY",
            "Sets a key of the configuration, such as PARSERD__API__KEY: over the file, under \
             --set. See parserd.toml(5).",
        ),
        (
            "CREDENTIALS_DIRECTORY",
            "Where systemd puts the credentials of a unit: api_key, http_token and notify_secret are \
             read from it.",
        ),
        (
            "STATE_DIRECTORY",
            "Where a relative path of database.url begins; systemd sets it.",
        ),
        ("NO_COLOR", "Where it is set, nothing has colour."),
        (
            "HTTPS_PROXY, NO_PROXY",
            "The proxy by which the service is asked.",
        ),
    ],
);

const FILES: Section = (
    "FILES",
    &[
        (
            "/etc/parserd/parserd.toml",
            "The configuration, if no other file is named. See parserd.toml(5).",
        ),
        (
            "parserd.db",
            "The database, with parserd.db-wal and parserd.db-shm beside it while it is open. The \
             key database.url names another.",
        ),
    ],
);

const SIGNALS: Section = (
    "SIGNALS",
    &[
        (
            "TERM, INT",
            "Begin nothing new, wait for the creates under way, record them, and end with 0. A \
             second one ends at once: what was under way is in doubt, and is looked up at the next \
             start.",
        ),
        ("HUP", "Load the job files of enqueue.files again."),
    ],
);

/// All pages of a command line's definition.
///
/// # Errors
/// Only if memory cannot be written to.
pub(super) fn pages(command: Command) -> io::Result<Vec<Page>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = vec![keys_page()?];
    add_pages(&command, &mut pages)?;
    Ok(pages)
}

fn add_pages(command: &Command, pages: &mut Vec<Page>) -> io::Result<()> {
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    for sub in shown {
        add_pages(sub, pages)?;
    }
    pages.push(page(command)?);
    Ok(())
}

fn page(command: &Command) -> io::Result<Page> {
    let name = command.get_name();
    let is_root = name == "parserd";
    let bare = command
        .clone()
        .after_help(Resettable::Reset)
        .after_long_help(Resettable::Reset);
    let man = titled(Man::new(bare));
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    text.extend(synopsis(command).to_roff().into_bytes());
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut roff = Roff::new();
    terms(
        &mut roff,
        "EXIT STATUS",
        exit::meanings_of(name).into_iter(),
    );
    let sections: &[Section] = match name {
        "parserd" => &[ENVIRONMENT, FILES],
        "run" => &[ENVIRONMENT, FILES, SIGNALS],
        _ => &[],
    };
    for (title, section) in sections {
        let section = section.iter();
        terms(
            &mut roff,
            title,
            section.map(|(term, text)| ((*term).to_owned(), *text)),
        );
    }
    let path = command.get_bin_name().unwrap_or(name);
    examples_section(&mut roff, path.trim_start_matches("parserd "), is_root);
    let others = if is_root {
        "parserd\\-run(1), parserd.toml(5)"
    } else {
        "parserd(1), parserd.toml(5)"
    };
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(others.replace('\\', ""))]);
    text.extend(roff.to_roff().into_bytes());
    let file = man.get_filename();
    Ok(Page { file, text })
}

/// So many values are written where an option is; more are listed below it.
const FEW_VALUES: usize = 5;

/// How a command is written, with what each option and argument takes: clap_mangen leaves that out.
fn synopsis(command: &Command) -> Roff {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let mut line = vec![bold(name)];
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let (positional, options): (Vec<_>, Vec<_>) = shown.partition(|arg| arg.is_positional());
    for arg in options.iter().chain(&positional) {
        let (before, after) = match arg.is_required_set() {
            true => (" ", ""),
            false => (" [", "]"),
        };
        line.push(roman(before));
        if let Some(long) = arg.get_long() {
            line.push(bold(format!("--{long}")));
        }
        let takes_values = arg.get_action().takes_values();
        if takes_values {
            line.push(roman(if arg.is_positional() { "" } else { " " }));
            line.push(italic(value(arg)));
        }
        line.push(roman(after));
        let is_many = arg
            .get_num_args()
            .is_some_and(|range| range.max_values() > 1);
        if is_many || takes_values && matches!(arg.get_action(), ArgAction::Append) {
            line.push(roman("..."));
        }
    }
    let below: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
    match below.len() {
        0 => {}
        1..=FEW_VALUES => line.extend([roman(" ["), italic(below.join("|")), roman("]")]),
        _ => line.extend([roman(" "), italic("COMMAND")]),
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.text(line);
    roff
}

/// What an argument takes: its values where they are few, else what it is called.
fn value(arg: &Arg) -> String {
    let values = arg.get_possible_values();
    let values: Vec<_> = values.iter().map(|value| value.get_name()).collect();
    if (1..=FEW_VALUES).contains(&values.len()) && !arg.is_hide_possible_values_set() {
        return values.join("|");
    }
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
    names.join(" ")
}

/// A title with the name of the program and its version below and above.
fn titled(man: Man) -> Man {
    man.source(concat!("parserd ", env!("CARGO_PKG_VERSION")))
        .manual("parserd")
}

fn examples_section(roff: &mut Roff, name: &str, is_root: bool) {
    // The page of the whole has the way from nothing to the first parsers.
    let of = |name: &str| examples::of(name).next();
    let found: Vec<_> = if is_root {
        let way = ["demo", "check", "enqueue", "run", "status", "jobs"];
        way.iter().filter_map(|name| of(name)).collect()
    } else {
        examples::of(name).collect()
    };
    let found = found.iter();
    let found = found.map(|example| (example.line.to_owned(), example.purpose));
    terms(roff, "EXAMPLES", found);
}

/// A section of terms, each with its meaning; nothing where there are none.
fn terms<'a>(roff: &mut Roff, title: &str, terms: impl Iterator<Item = (String, &'a str)>) {
    let mut terms = terms.peekable();
    if terms.peek().is_some() {
        roff.control("SH", [title]);
    }
    for (term, meaning) in terms {
        roff.control("TP", []);
        roff.text([bold(term)]);
        roff.text([roman(meaning)]);
    }
}

/// parserd.toml(5), from the one table of keys.
fn keys_page() -> io::Result<Page> {
    let mut roff = Roff::new();
    let version = concat!("parserd ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["parserd.toml", "5", "", version, "parserd"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("parserd.toml - configuration of parserd")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(
        "A TOML file with a table for each section. Without one, and for what it leaves out, the \
         defaults hold. An environment variable wins over it, and --set over both. A duration has \
         a unit, such as 250ms, 5s, 15m or 24h. parserd check says what is wrong with it.",
    )]);
    let mut section = "";
    for key in KEYS {
        let (of, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if of != section {
            section = of;
            roff.control("SH", [format!("[{of}]").as_str()]);
        }
        roff.control("TP", []);
        roff.text([bold(name)]);
        let default = match key.default_toml() {
            Some(default) => format!("Default: {default}."),
            None => "No default.".to_owned(),
        };
        roff.text([roman(format!(
            "{}. {default} Variable: {}.",
            key.doc,
            key.variable()
        ))]);
    }
    roff.control("SH", ["FILES"]);
    roff.text([roman("/etc/parserd/parserd.toml")]);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("parserd(1), parserd-run(1)")]);
    let mut text = Vec::new();
    roff.to_writer(&mut text)?;
    let file = "parserd.toml.5".to_owned();
    Ok(Page { file, text })
}
