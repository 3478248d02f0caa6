//! What a package holds besides the program: made by the program.

use super::place::Place;

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
