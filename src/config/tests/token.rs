use super::*;

const TOKEN: &str = "sixteen-letters-";

fn acting(text: &str) -> Fixture {
    file(&format!(
        "[http]\nlisten = '127.0.0.1:0'\nactions = true\n{text}"
    ))
}

fn token(fixture: &Fixture) -> Option<String> {
    let settings = fixture.settings();
    let token = settings.page_token().unwrap();
    token.map(|token| token.expose_secret().to_owned())
}

#[test]
fn the_token_comes_from_a_file_or_a_credential() {
    let named = acting("token_file = 't'").secret("t", &format!("{TOKEN}\n"), 0o600);
    assert_eq!(token(&named).as_deref(), Some(TOKEN));
    let fixture = acting("");
    let directory = fixture.dir.path().to_str().unwrap().to_owned();
    let credential = fixture
        .secret("http_token", TOKEN, 0o440)
        .env("CREDENTIALS_DIRECTORY", &directory);
    assert_eq!(token(&credential).as_deref(), Some(TOKEN));
    assert!(!format!("{:?}", credential.settings()).contains(TOKEN));
}

#[test]
fn a_page_that_does_not_act_wants_no_token() {
    for text in [
        "",
        "[http]\nlisten = '127.0.0.1:0'",
        "[http]\nactions = true",
        "[http]\nlisten = '127.0.0.1:0'\ntoken_file = 't'",
    ] {
        let fixture = file(text).secret("t", TOKEN, 0o600);
        assert_eq!(token(&fixture), None, "{text}");
    }
}

#[test]
fn a_page_that_acts_without_a_token_is_refused_with_the_ways_to_give_one() {
    let settings = acting("").settings();
    let error = settings.page_token().unwrap_err().to_string();
    for way in [
        "http.token_file",
        "openssl rand",
        "LoadCredential=http_token",
    ] {
        assert!(error.contains(way), "{error}");
    }
}

#[test]
fn a_token_that_will_not_do_is_refused_and_not_repeated() {
    for (text, mode, words) in [
        (
            "hunter2",
            0o600,
            "has fewer than 16 characters; write 16 or more random",
        ),
        (
            "zzzzzzzzzzzzzzzz",
            0o600,
            "could be guessed: it has no more than 1 different characters; write 16 or more random characters there: openssl rand",
        ),
        ("hunter2 and other words", 0o600, "contains whitespace"),
        (TOKEN, 0o644, "others than its owner have access to"),
        ("", 0o600, "is empty"),
    ] {
        let error = acting("token_file = 't'").secret("t", text, mode).error();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("http.token_file (p.toml line 4)"), "{error}");
        assert!(!error.contains("hunter2") && !error.contains(TOKEN) && !error.contains("zzz"));
    }
    let absent = acting("token_file = 'absent'").error();
    assert!(absent.contains("http.token_file"), "{absent}");
}
