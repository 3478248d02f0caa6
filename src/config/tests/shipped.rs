use std::collections::{BTreeMap, BTreeSet};

use super::*;

const SHIPPED: &str = include_str!("../../../config/parserd.toml");

/// The lines of the shipped file with their sections: (key, value, is an example).
fn shipped_lines() -> Vec<(String, String, bool)> {
    let mut section = "";
    let mut lines = Vec::new();
    for line in SHIPPED.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let example = line.strip_prefix("# Example: ");
        let default = line
            .strip_prefix('#')
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        if let Some((name, value)) = example.or(default).and_then(|rest| rest.split_once(" = ")) {
            lines.push((
                format!("{section}.{name}"),
                value.to_owned(),
                example.is_some(),
            ));
        }
    }
    lines
}

#[test]
fn the_shipped_file_lists_every_key_with_its_default() {
    let lines = shipped_lines();
    let listed: BTreeSet<_> = lines.iter().map(|(name, ..)| name.as_str()).collect();
    let known: BTreeSet<_> = keys::KEYS.iter().map(|key| key.name).collect();
    assert_eq!(listed, known);
    assert_eq!(lines.len(), keys::KEYS.len());
    for (name, value, is_example) in &lines {
        let default = keys::find(name).unwrap().default_toml();
        assert_eq!(default.is_none(), *is_example, "{name}");
        assert_eq!(&default.unwrap_or_else(|| value.clone()), value, "{name}");
    }
}

#[test]
fn the_shipped_file_loads_as_it_is_and_with_each_default_written_out() {
    let defaults = format!("{:?}", settings_in_srv(None));
    assert_eq!(format!("{:?}", settings_in_srv(Some(SHIPPED))), defaults);
    let uncommented: String = SHIPPED
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(uncommented.lines().any(|line| line == "max_requests = 16"));
    assert_eq!(
        format!("{:?}", settings_in_srv(Some(&uncommented))),
        defaults
    );
}

/// Settings whose paths do not depend on a temporary directory.
fn settings_in_srv(text: Option<&str>) -> Settings {
    let fixture = text.map_or_else(Fixture::new, file);
    fixture.env("STATE_DIRECTORY", "/srv").settings()
}

#[test]
fn the_examples_of_the_shipped_file_load_one_by_one() {
    for (name, value, _) in shipped_lines().into_iter().filter(|line| line.2) {
        if !name.ends_with("_file") {
            let (section, key) = name.split_once('.').unwrap();
            file(&format!("[{section}]\n{key} = {value}")).settings();
        }
    }
}

#[test]
fn no_variable_stands_for_two_keys() {
    let variables: BTreeMap<_, _> = keys::KEYS
        .iter()
        .map(|key| (key.variable(), key.name))
        .collect();
    assert_eq!(variables.len(), keys::KEYS.len());
}
