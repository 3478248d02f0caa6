//! What each command says of itself.

use clap::CommandFactory as _;
use parserd::cli::Cli;

use super::{assert_text, typed};
use crate::cli::place::Place;

fn help(args: &[&str]) -> String {
    let place = Place::new();
    let mut command = place.command(args);
    command.env("COLUMNS", "80");
    typed(command)
}

#[test]
fn each_command_tells_what_it_does_and_takes() {
    assert_text("help", &help(&["--help"]));
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        assert_text(&format!("help-{name}"), &help(&[name, "--help"]));
    }
}
