use super::*;
use crate::core::notice::NoticeType;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn notifying(text: &str) -> Fixture {
    file(&format!(
        "[notify]\nurl = 'https://hooks.example/hunter2?token=hunter2'\n{text}"
    ))
}

#[test]
fn without_an_address_there_is_no_webhook_and_no_secret_is_wanted() {
    for text in ["", "[notify]\nurl = ' '\nsecret_file = ''"] {
        assert!(file(text).settings().webhook().unwrap().is_none(), "{text}");
    }
}

#[test]
fn the_secret_comes_from_a_file_or_a_credential() {
    let named = notifying("secret_file = 's'").secret("s", &format!("{SECRET}\n"), 0o600);
    let fixture = notifying("");
    let directory = fixture.dir.path().to_str().unwrap().to_owned();
    let credential = fixture
        .secret("notify_secret", SECRET, 0o440)
        .env("CREDENTIALS_DIRECTORY", &directory);
    for fixture in [named, credential] {
        let settings = fixture.settings();
        let webhook = settings.webhook().unwrap().unwrap();
        assert_eq!(webhook.on, NoticeType::ALL);
        assert_eq!(webhook.url.to_string(), "https://hooks.example");
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains(&SECRET[6..]), "{shown}");
    }
}

#[test]
fn a_webhook_without_a_secret_is_refused_with_the_ways_to_give_one() {
    let settings = notifying("").settings();
    let error = settings.webhook().unwrap_err().to_string();
    for way in [
        "notify.secret_file",
        "openssl rand",
        "LoadCredential=notify_secret",
    ] {
        assert!(error.contains(way), "{error}");
    }
}

#[test]
fn a_secret_that_will_not_do_is_refused_and_not_repeated() {
    for (text, mode, words) in [
        (
            "hunter2",
            0o600,
            "does not begin with whsec_; write whsec_ and the base64",
        ),
        ("whsec_hunter2", 0o600, "is not base64"),
        (
            "whsec_aHVudGVyMg==",
            0o600,
            "has 7 bytes, and a secret has 24 to 64",
        ),
        (SECRET, 0o640, "others than its owner have access to"),
        ("", 0o600, "is empty"),
    ] {
        let error = notifying("secret_file = 's'")
            .secret("s", text, mode)
            .error();
        assert!(error.contains(words), "{error}");
        assert!(
            error.contains("notify.secret_file (p.toml line 3)"),
            "{error}"
        );
        assert!(
            !error.contains("hunter2") && !error.contains("aHVudGVyMg"),
            "{error}"
        );
    }
}

#[test]
fn an_address_that_will_not_do_is_refused_and_not_repeated() {
    for (url, words) in [
        (
            "http://hooks.example/hunter2",
            "would send notices unencrypted; write https://",
        ),
        ("ftp://hooks.example/hunter2", "is neither http nor https"),
        ("hunter2", "is not a valid URL"),
        ("mailto:hunter2@a.example", "has no host"),
        ("https://hooks.example/#hunter2", "contains a fragment"),
    ] {
        let error = file(&format!("[notify]\nurl = '{url}'")).error();
        assert!(error.starts_with("notify.url (p.toml line 2): "), "{error}");
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    for url in [
        "http://127.0.0.1:1/x",
        "http://[::1]/",
        "http://localhost:8080",
        "https://a.example",
    ] {
        let fixture = file(&format!("[notify]\nurl = '{url}'\nsecret_file = 's'"));
        let settings = fixture.secret("s", SECRET, 0o600).settings();
        assert!(settings.webhook().unwrap().is_some(), "{url}");
    }
}

#[test]
fn a_type_that_is_unknown_names_the_nearest() {
    for (on, words) in [
        (
            "['parkd']",
            "\"parkd\" is unknown (did you mean parked?); write one of failed, parked,",
        ),
        ("['failed', 'budget_8']", "did you mean budget_80?"),
        ("[]", "names no type; write one or more of failed, "),
    ] {
        let error = file(&format!("[notify]\non = {on}")).error();
        assert!(error.starts_with("notify.on (p.toml line 2): "), "{error}");
        assert!(error.contains(words), "{error}");
    }
    let twice = notifying("on = ['failed', 'parked', 'failed']\nsecret_file = 's'");
    let settings = twice.secret("s", SECRET, 0o600).settings();
    let webhook = settings.webhook().unwrap().unwrap();
    assert_eq!(webhook.on, [NoticeType::Failed, NoticeType::Parked]);
}
