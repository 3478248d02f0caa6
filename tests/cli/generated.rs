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
    let hidden = place.path("made/man/parserd-generate.1");
    assert!(!hidden.exists(), "it is no command for people");
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
