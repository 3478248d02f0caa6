//! Examples of each command, for its help and its man page.

/// A command line as one types it, and what it is for.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The command line.
    pub line: &'static str,
    /// What it is for.
    pub purpose: &'static str,
}

/// The examples of a command, by its name as it is typed: those of `parsers delete` are the ones of
/// `parsers` that begin so.
pub fn of(command: &str) -> impl Iterator<Item = Example> {
    let top = command.split(' ').next().unwrap_or(command);
    let found = EXAMPLES.iter().find(|(name, _)| *name == top);
    let lines = found.map_or(&[][..], |(_, lines)| lines).iter();
    let start = format!("parserd {command} ");
    let is_of_it = move |line: &str| top == command || line.starts_with(&start);
    lines
        .filter(move |(line, _)| is_of_it(line))
        .map(|(line, purpose)| Example { line, purpose })
}

/// A command, its command lines, and what each is for.
type Examples = (&'static str, &'static [(&'static str, &'static str)]);

/// All of them, in the order of the help.
#[rustfmt::skip]
pub const EXAMPLES: &[Examples] = &[
    ("demo", &[
        ("parserd demo", "see everything at work, for nothing"),
        ("parserd demo --keep demo", "keep its database, to look at afterwards"),
    ]),
    ("init", &[
        ("parserd init", "make the database before the first program writes to it"),
        ("parserd --set database.url=sqlite:///srv/jobs.db init", "make it in another place"),
    ]),
    ("check", &[
        ("parserd check", "say what a run lacks, and what to do about it"),
        ("parserd check --config parserd.toml --json", "check a configuration for a program"),
    ]),
    ("simulate", &[
        ("parserd simulate --listen 127.0.0.1:8080", "serve a simulated service on a port"),
        ("parserd simulate --fault 'create lose after nth=1'", "lose the first create's answer"),
        ("parserd simulate control --add-credits 300000 --clear-faults", "change the one that runs"),
        ("parserd simulate control --at http://127.0.0.1:8080 --json", "ask the one on a port how it is"),
    ]),
    ("draft", &[
        ("parserd draft urls.txt > jobs.toml", "make a job file of a list of URLs"),
        ("parserd draft - --format xml < sitemap.xml", "make one of a sitemap"),
    ]),
    ("preflight", &[
        ("parserd preflight jobs.toml", "say which jobs would fail before they are paid for"),
        ("parserd preflight --dry-run jobs.toml", "say what looking would cost"),
    ]),
    ("enqueue", &[
        ("parserd enqueue jobs.toml", "add the jobs of a file"),
        ("parserd enqueue --dry-run jobs.toml more.csv", "check files, and add nothing"),
    ]),
    ("plan", &[
        ("parserd plan", "say what the queue would cost"),
        ("parserd plan jobs.toml", "say what a changed file would change"),
        ("parserd plan --exit-code jobs.toml", "end with 5 if there is something to do"),
    ]),
    ("apply", &[
        ("parserd apply jobs.toml", "make it so, after a question"),
        ("parserd apply --free-only --yes jobs.toml", "change what costs nothing, unasked"),
    ]),
    ("jobs", &[
        ("parserd jobs --failed", "list what failed, and why"),
        ("parserd jobs --state PARKED --park-reason credits --json", "the same for a program"),
        ("parserd jobs --fields name,parser_id --csv", "export what a pipeline needs"),
    ]),
    ("show", &[
        ("parserd show books", "show a job by its name"),
        ("parserd show 12 --json", "show a job by its id, for a program"),
    ]),
    ("events", &[
        ("parserd events --follow", "show what happens, as it happens"),
        ("parserd events --follow --cursor mail --type failed --exec 'mail -s failed ops'", "run a program for each failure, once"),
    ]),
    ("wait", &[
        ("parserd wait", "wait until all jobs have ended"),
        ("parserd wait books quotes --timeout 2h", "wait for two jobs, two hours at most"),
    ]),
    ("retry", &[
        ("parserd retry books --set scraper_params.render=true", "try a job again, changed"),
        ("parserd retry --state FAILED --all --dry-run", "say what trying all again would cost"),
    ]),
    ("cancel", &[
        ("parserd cancel books", "cancel a job"),
        ("parserd cancel --name 'old-*' --all", "cancel the jobs of a pattern"),
    ]),
    ("parsers", &[
        ("parserd parsers --quality bad", "list the parsers that are of no use, and why"),
        ("parserd parsers --unmanaged", "list the account's parsers that no job knows"),
        ("parserd parsers import --all > jobs.toml", "print a job file of what the account holds"),
        ("parserd parsers pin books 2", "use version 2 of a parser"),
        ("parserd parsers delete books", "delete a parser, after a question"),
        ("parserd parsers delete books quotes --yes", "delete two, unasked"),
    ]),
    ("run", &[
        ("parserd run", "run until it is stopped"),
        ("parserd run --until-done", "run until no job can go on, as in cron"),
        ("parserd run --set http.listen=127.0.0.1:9090", "serve the page and the metrics"),
    ]),
    ("status", &[
        ("parserd status", "say where everything stands"),
        ("parserd status --watch", "the same, every second"),
        ("parserd status --by host", "say what was spent on which host"),
    ]),
    ("resume", &[
        ("parserd resume", "try at once, after credits were added"),
        ("parserd resume books --dry-run", "say what one job would cost"),
    ]),
    ("resolve", &[
        ("parserd resolve books", "list the parsers that may be the job's"),
        ("parserd resolve books --adopt PARSER_ID", "take one of them"),
        ("parserd resolve books --not-created", "say that there is none"),
    ]),
    ("backup", &[
        ("parserd backup backup.db", "copy the database while a daemon works on it"),
    ]),
    ("completions", &[
        ("parserd completions bash > ~/.local/share/bash-completion/completions/parserd", "for bash"),
        ("parserd completions zsh > _parserd", "for zsh: in a directory of $fpath"),
        ("parserd completions fish > ~/.config/fish/completions/parserd.fish", "for fish"),
    ]),
];
