//! What a package holds besides the program: made by the program.

use super::place::{Place, finished};

#[test]
fn every_command_has_a_man_page_and_is_completed() {
    let place = Place::new();
    place.run(&["generate", "made"]).is(0);
    let made = |name: &str| std::fs::read_to_string(place.path("made").join(name)).unwrap();
    let main = made("man/parserd.1");
    assert!(main.contains("PARSERD_CONFIG"), "{main}");
    for command in ["run", "enqueue", "plan", "check", "completions"] {
        let page = made(&format!("man/parserd-{command}.1"));
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
        for script in ["parserd.bash", "parserd.fish", "_parserd"] {
            let text = made(&format!("completions/{script}"));
            assert!(text.contains(command), "{command} in {script}");
        }
    }
    for section in ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"] {
        assert!(main.contains(section), "{section}: {main}");
    }
    let run = made("man/parserd-run.1");
    assert!(run.contains("SIGNALS") && run.contains("HUP"), "{run}");
    let retry = made("man/parserd-retry.1");
    assert!(
        retry.contains("EXAMPLES") && !retry.contains("EXTRA"),
        "{retry}"
    );
    // What is in a line between formatting.
    let plain = |name: &str| {
        let page = made(&format!("man/parserd-{name}.1"));
        ["\\fB", "\\fI", "\\fR", "\\"]
            .iter()
            .fold(page, |page, mark| page.replace(mark, ""))
    };
    for (name, parts) in [
        (
            "wait",
            &[
                "--timeout is over, no daemon runs",
                "[--timeout DURATION]",
                "[NAME]...",
            ][..],
        ),
        (
            "plan",
            &[
                "plan --exit-code has something to do",
                "[--label KEY=VALUE]...",
            ],
        ),
        ("jobs", &["[--state STATE]...", "[--json]"]),
        (
            "parsers",
            &["[--quality ok|thin|bad]", "[import|pin|delete]"],
        ),
        (
            "parsers-delete",
            &[
                "parserd parsers delete [--",
                " NAME...",
                "EXAMPLES",
                "quotes --yes",
            ],
        ),
        ("parsers-import", &["EXAMPLES", "--all > jobs.toml"]),
        ("simulate-control", &["EXAMPLES", "--add-credits 300000"]),
        ("completions", &[" bash|elvish|fish|powershell|zsh"]),
    ] {
        let page = plain(name);
        for part in parts {
            assert!(page.contains(part), "{name}: {part}: {page}");
        }
    }
    let wait = plain("wait");
    assert!(
        !wait.contains("until-done") && !wait.contains("plan"),
        "{wait}"
    );
    assert!(!plain("parsers-delete").contains("pin books"));
    let keys = made("man/parserd.toml.5");
    for key in parserd::config::keys::KEYS {
        assert!(keys.contains(&key.variable()), "{}", key.name);
    }
    let bash = made("completions/parserd.bash");
    for value in [
        "GENERATING",
        "generation_failed",
        "batch_done",
        "budget.max_credits",
    ] {
        assert!(bash.contains(value), "{value}");
    }
    for script in ["parserd.bash", "parserd.fish", "_parserd"] {
        let text = made(&format!("completions/{script}"));
        assert!(!text.contains("generate"), "{script}");
    }
    let hidden = place.path("made/man/parserd-generate.1");
    assert!(!hidden.exists(), "it is no command for people");
}

/// Man itself reads every page without a complaint, where it is on this machine.
#[cfg(target_os = "linux")]
#[test]
fn every_man_page_is_read_without_a_warning() {
    let place = Place::new();
    place.run(&["generate", "made"]).is(0);
    let mut pages = 0;
    for page in std::fs::read_dir(place.path("made/man")).unwrap() {
        let path = page.unwrap().path();
        let groff = std::process::Command::new("groff")
            .args(["-man", "-Tutf8", "-ww"])
            .arg(&path)
            .output();
        let Ok(groff) = groff else {
            eprintln!("groff is not on this machine: the man pages are not read by it");
            return;
        };
        let said = String::from_utf8_lossy(&groff.stderr);
        assert!(
            groff.status.success() && said.is_empty(),
            "{}: {said}",
            path.display()
        );
        pages += 1;
    }
    assert!(pages > 20, "{pages}");
}

#[test]
fn a_hidden_command_is_never_suggested() {
    let place = Place::new();
    let wrong = place.run(&["generat"]).is(2);
    assert!(!wrong.err.contains("'generate'"), "{}", wrong.err);
    place.run(&["shwo"]).is(2).says(&["'show'"]);
    place.run(&["ls", "--help"]).is(0);
}

#[test]
fn completions_are_printed_as_they_are_packaged() {
    let place = Place::new();
    place.run(&["generate", "made"]).is(0);
    let packaged = std::fs::read_to_string(place.path("made/completions/parserd.bash"));
    let printed = place.run(&["completions", "bash"]).is(0);
    assert_eq!(printed.out, packaged.unwrap());
    place.run(&["completions", "tcsh"]).is(2).says(&["tcsh"]);
}

/// Each shell itself completes names, where it is on this machine.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn shells_complete_names_of_the_database() {
    let place = Place::new();
    place
        .jobs(vec![
            ("books", finished("books")),
            ("books-more", vec![]),
            ("shop:a b$(touch bad)", vec![]),
            ("quotes", vec![]),
        ])
        .await;
    place.run(&["generate", "made"]).is(0);
    for (shell, complete) in [("bash", BASH), ("zsh", ZSH), ("fish", FISH)] {
        for (line, expected) in [
            ("parserd show bo", &["books", "books-more"][..]),
            ("parserd retry books bo", &["books-more"]),
            ("parserd parsers delete ", &["books"]),
            ("parserd --set database.url=sqlite://none.db wait q", &[]),
        ] {
            let Some(found) = completed(&place, shell, complete, line) else {
                eprintln!("{shell} is not on this machine: nothing is completed by it");
                break;
            };
            let names = found.lines().filter(|found| expected.contains(found));
            assert_eq!(names.count(), expected.len(), "{shell}: {line}: {found}");
            assert!(expected.is_empty() || !found.contains("quotes"), "{found}");
        }
    }
    for name in ["none.db", "parserd.db-wal", "parserd.db-shm"] {
        assert!(!place.path(name).exists(), "{name} was made");
    }
    if let Some(found) = completed(&place, "bash", BASH, "parserd show sh") {
        assert_eq!(found.trim(), r"shop:a\ b\$\(touch\ bad\)");
        let found = completed(&place, "bash", BASH, "parserd show shop:").unwrap();
        assert_eq!(found.trim(), r"a\ b\$\(touch\ bad\)");
    }
    assert!(!place.path("bad").exists(), "a name was run");
}

/// Prints what is offered for `$LINE`, as bash asks a function for it.
const BASH: &str = r#"
    source made/completions/parserd.bash
    COMP_LINE="$LINE" COMP_POINT=${#LINE}
    IFS=$' :' read -ra COMP_WORDS <<< "$LINE"
    [[ "$LINE" == *[\ :] ]] && COMP_WORDS+=("")
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    "$(complete -p parserd | grep -o '_parserd[a-z_]*')" parserd "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
    printf '%s\n' "${COMPREPLY[@]}"
"#;

/// The same of zsh: what its completion offers goes through `compadd`.
const ZSH: &str = r#"
    fpath=($PWD/made/completions $fpath)
    autoload -Uz _parserd
    _arguments() { :; }
    compadd() { shift; print -l -- ${(P)1}; }
    source made/completions/_parserd 2>/dev/null
    words=(${(s: :)LINE}); [[ $LINE == *\  ]] && words+=("")
    parserd_words=("$words[@]")
    _parserd_names
"#;

const FISH: &str = r#"
    source made/completions/parserd.fish
    complete -C "$LINE" | string split -f1 \t
"#;

/// What a shell offers for a line; none where there is no such shell.
fn completed(place: &Place, shell: &str, script: &str, line: &str) -> Option<String> {
    let mut command = std::process::Command::new(shell);
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_parserd"));
    let directory = binary.parent().unwrap().display();
    command
        .args(["-c", script])
        .env_clear()
        .env("LINE", line)
        .env("HOME", place.directory.path())
        .env("PATH", format!("{directory}:/usr/bin:/bin"))
        .current_dir(place.directory.path());
    let output = command.output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("error"), "{shell}: {line}: {said}");
    Some(String::from_utf8(output.stdout).unwrap())
}
