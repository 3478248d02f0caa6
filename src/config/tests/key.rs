use super::*;

#[test]
fn the_key_comes_from_a_setting_or_a_file_or_a_credential() {
    assert_eq!(Fixture::new().env("PARSERD__API__KEY", "k1\n").key(), "k1");
    assert_eq!(file("[api]\nkey = 'k2'").key(), "k2");
    assert_eq!(
        file("[api]\nkey_file = 'k'")
            .secret("k", "k3\r\n", 0o600)
            .key(),
        "k3"
    );
    assert_eq!(
        file("[api]\nkey_file = 'k'").secret("k", "k3", 0o400).key(),
        "k3"
    );
    assert_eq!(
        file("[api]\nkey_file = 'k'")
            .secret("k", "\u{feff}k3\r\n", 0o600)
            .key(),
        "k3"
    );
    let with_credential = |fixture: Fixture| {
        let dir = fixture.dir.path().to_str().unwrap().to_owned();
        fixture
            .secret("api_key", "k4\n", 0o440)
            .env("CREDENTIALS_DIRECTORY", &dir)
    };
    assert_eq!(with_credential(Fixture::new()).key(), "k4");
    assert_eq!(
        with_credential(Fixture::new())
            .env("PARSERD__API__KEY", "k1")
            .key(),
        "k1"
    );
    // A credential of another name, given by its path, is systemd's anyway.
    let named = with_credential(Fixture::new())
        .secret("other", "k5", 0o440)
        .flag("api.key_file", "other");
    assert_eq!(named.key(), "k5");
}

#[test]
fn a_blank_variable_is_no_key_beside_another_source() {
    let blank = |fixture: Fixture| fixture.env("PARSERD__API__KEY", " \n");
    assert_eq!(blank(file("[api]\nkey = 'k2'")).key(), "k2");
    let named = file("[api]\nkey_file = 'k'").secret("k", "k3", 0o600);
    assert_eq!(blank(named).key(), "k3");
    let with_credential = |fixture: Fixture| {
        let dir = fixture.dir.path().to_str().unwrap().to_owned();
        fixture
            .secret("api_key", "k4", 0o440)
            .env("CREDENTIALS_DIRECTORY", &dir)
    };
    assert_eq!(with_credential(blank(Fixture::new())).key(), "k4");
    let both = blank(Fixture::new()).env("PARSERD__API__KEY_FILE", "");
    assert_eq!(with_credential(both).key(), "k4");
    assert_eq!(with_credential(blank(file("[api]\nkey = ''"))).key(), "k4");
    // One that is not blank wins over all, as ever.
    let given = with_credential(file("[api]\nkey = 'k2'").env("PARSERD__API__KEY", "k1"));
    assert_eq!(given.key(), "k1");
    // Alone, it is reported for what it is.
    let output = blank(Fixture::new()).error();
    assert!(
        output.contains("environment variable PARSERD__API__KEY): is empty"),
        "{output}"
    );
}

#[test]
fn without_a_key_settings_load_and_only_the_key_is_refused() {
    let fixture = Fixture::new().env("CREDENTIALS_DIRECTORY", "/nowhere");
    let error = fixture.settings().require_key().unwrap_err().to_string();
    for way in ["api.key_file", "PARSERD__API__KEY", "docs/src/systemd.md"] {
        assert!(error.contains(way), "{error}");
    }
}

#[test]
fn a_key_that_will_not_do_is_refused_and_not_repeated() {
    let key_file = |mode, text: &str| file("[api]\nkey_file = 'k'").secret("k", text, mode);
    for (fixture, words) in [
        (
            Fixture::new().env("PARSERD__API__KEY", " "),
            "api.key (environment variable PARSERD__API__KEY): is empty",
        ),
        (
            file("[api]\nkey = 'hunter2 x'"),
            "api.key (p.toml line 2): contains whitespace",
        ),
        (
            key_file(0o640, "hunter2"),
            "others than its owner have access to",
        ),
        (key_file(0o604, "hunter2"), "chmod 600"),
        (
            key_file(0o600, "\n"),
            "k is empty; write the key alone, on one line",
        ),
        (key_file(0o600, "hunter2\nhunter3\n"), "contains whitespace"),
        (key_file(0o600, &"x".repeat(5000)), "longer than 4096 bytes"),
        (
            file("[api]\nkey_file = 'absent'"),
            "api.key_file (p.toml line 2): cannot read",
        ),
        (file("[api]\nkey_file = '.'"), "not a regular file"),
        (key_file(0o600, "hunter2\u{e9}"), "not ASCII"),
        (
            file("[api]\nkey = 'hunter2'").flag("api.key_file", "k"),
            "api.key (p.toml line 2): is given, and so is api.key_file (the command line); write one of the two",
        ),
        (
            file("[api]\nkey = 12345678"),
            "api.key (p.toml line 2): is a whole number; write a string in quotes",
        ),
    ] {
        let error = fixture.error();
        assert!(error.contains(words), "{error}");
        assert!(
            !error.contains("hunter2") && !error.contains("12345678"),
            "{error}"
        );
    }
}

#[test]
fn printed_settings_show_no_key() {
    let s = Fixture::new()
        .env("PARSERD__API__KEY", "hunter2")
        .settings();
    assert!(!format!("{s:?}").contains("hunter2"));
}

#[test]
fn a_key_file_of_another_user_is_told_only_where_the_key_is_needed() {
    let fixture = file("[api]\nkey_file = 'k'").secret("k", "hunter2", 0o000);
    if std::fs::read(fixture.dir.path().join("k")).is_ok() {
        return; // root may read it
    }
    let error = fixture.settings().require_key().unwrap_err().to_string();
    assert!(
        error.contains("api.key_file (p.toml line 2): cannot read"),
        "{error}"
    );
}
