use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;

mod foresight;
mod key;
mod misspelt;
mod notify;
mod shipped;
#[cfg(unix)]
mod special;
mod token;

/// Sources in a directory of their own.
struct Fixture {
    dir: TempDir,
    sources: Sources,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sources = Sources {
            working_dir: dir.path().to_owned(),
            ..Sources::default()
        };
        Self { dir, sources }
    }

    fn file(mut self, text: &str) -> Self {
        std::fs::write(self.dir.path().join("p.toml"), text).unwrap();
        self.sources.file = Some("p.toml".into());
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.insert(name.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.sources
            .overrides
            .push((key.to_owned(), value.to_owned()));
        self
    }

    /// A file beside the configuration, with these permissions.
    fn secret(self, name: &str, text: &str, mode: u32) -> Self {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn settings(&self) -> Settings {
        Settings::load(&self.sources).unwrap()
    }

    fn error(&self) -> String {
        Settings::load(&self.sources).unwrap_err().to_string()
    }

    fn key(&self) -> String {
        self.settings()
            .require_key()
            .unwrap()
            .expose_secret()
            .to_owned()
    }
}

fn file(text: &str) -> Fixture {
    Fixture::new().file(text)
}

/// Compares the errors that these bring about with the snapshot of this name.
fn assert_errors(name: &str, cases: impl IntoIterator<Item = (String, Fixture)>) {
    let cases = cases.into_iter();
    let text: String = cases
        .map(|(given, fixture)| format!("{given}\n    {}\n", fixture.error()))
        .collect();
    insta::with_settings!({
        omit_expression => true,
        prepend_module_to_snapshot => false,
    }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let fixture = Fixture::new();
    let s = fixture.settings();
    let seconds = |duration: Duration| duration.as_secs_f64();
    assert_eq!(s.database.url, "sqlite://parserd.db");
    assert_eq!(s.database_path(), fixture.dir.path().join("parserd.db"));
    assert_eq!(s.api.base_url.as_str(), "https://aiparser.scraperapi.com/");
    assert_eq!(
        s.api.account_url.unwrap().as_str(),
        "https://api.scraperapi.com/account"
    );
    assert!(s.api.key.is_none());
    assert_eq!(seconds(s.api.request_timeout), 75.0);
    assert_eq!(
        (s.workers.max_requests, s.workers.max_generating),
        (16, 1000)
    );
    assert_eq!(
        (s.create.name_tag, s.create.on_existing),
        (true, OnExisting::Adopt)
    );
    assert_eq!(s.enqueue.on_change, OnChange::Report);
    assert_eq!(seconds(s.poll.initial_interval), 10.0);
    assert_eq!(s.poll.multiplier, 1.5);
    assert_eq!(seconds(s.poll.max_interval), 30.0);
    assert_eq!(seconds(s.poll.timeout), 1800.0);
    assert_eq!(seconds(s.retry.initial_interval), 2.0);
    assert_eq!(s.retry.multiplier, 2.0);
    assert_eq!(seconds(s.retry.max_interval), 300.0);
    assert_eq!(s.retry.max_attempts, 5);
    assert_eq!(seconds(s.reconcile.settle), 900.0);
    assert_eq!(seconds(s.reconcile.settle_after_error), 120.0);
    assert_eq!(seconds(s.park.probe_interval), 900.0);
    assert_eq!(seconds(s.park.max_probe_interval), 21600.0);
    assert_eq!(s.budget.credits_per_create, 30_000);
    assert_eq!(s.preflight.mode, crate::core::preflight::Mode::Off);
    assert_eq!(s.preflight.max_credits_per_job, 150);
    assert_eq!(s.preflight.max_age_ms, 86_400_000);
    assert_eq!(s.ladder, None);
    assert_eq!(
        (s.budget.max_credits_per_day, s.budget.max_credits),
        (None, None)
    );
    assert_eq!(s.enqueue.files, Vec::<String>::new());
    assert_eq!(s.http.listen, None);
    assert!(!s.http.actions);
    assert_eq!(
        (s.log.level.as_str(), s.log.format),
        ("info", LogFormat::Auto)
    );
    assert_eq!(millis(s.poll.timeout), 1_800_000);
}

#[test]
fn each_layer_wins_over_the_one_below() {
    let text = "[workers]\nmax_requests = 2\nmax_generating = 2\n[poll]\nmultiplier = 2\n";
    let s = file(text)
        .env("PARSERD__WORKERS__MAX_REQUESTS", "3")
        .env("PARSERD__WORKERS__MAX_GENERATING", "3")
        .flag("workers.max_generating", "4")
        .settings();
    assert_eq!((s.workers.max_requests, s.workers.max_generating), (3, 4));
    assert_eq!(s.poll.multiplier, 2.0);
    assert_eq!(s.retry.multiplier, 2.0);
}

#[test]
fn the_environment_says_numbers_and_booleans_and_lists_as_text() {
    let s = Fixture::new()
        .env("PARSERD__RETRY__MULTIPLIER", "1.25")
        .env("PARSERD__CREATE__NAME_TAG", "False")
        .env("PARSERD__CREATE__ON_EXISTING", "fail")
        .env("PARSERD__POLL__MAX_INTERVAL", "1m 30s")
        .env("PARSERD__BUDGET__MAX_CREDITS", "0")
        .env("PARSERD__BUDGET__MAX_CREDITS_PER_DAY", "")
        .env("PARSERD__ENQUEUE__FILES", "a.toml, b/*.csv,")
        .env("PARSERD__HTTP__LISTEN", "localhost:0")
        .env("PARSERD__LOG__LEVEL", "warn,parserd::store=trace")
        .env("PARSERD_CONFIG", "elsewhere.toml")
        .env("PARSERD_PORT", "tcp://10.0.0.1:80")
        .settings();
    assert_eq!(s.retry.multiplier, 1.25);
    assert!(!s.create.name_tag);
    assert_eq!(s.create.on_existing, OnExisting::Fail);
    assert_eq!(s.poll.max_interval, Duration::from_secs(90));
    assert_eq!(s.budget.max_credits, Some(0));
    assert_eq!(s.budget.max_credits_per_day, None);
    assert_eq!(s.enqueue.files, ["a.toml", "b/*.csv"]);
    assert_eq!(s.http.listen.unwrap().to_string(), "127.0.0.1:0");
    assert_eq!(s.log.level, "warn,parserd::store=trace");
}

#[test]
fn an_address_that_others_reach_is_taken_where_that_is_wanted() {
    let s = file("[http]\nlisten = '0.0.0.0:9464'\nremote = true").settings();
    assert_eq!(s.http.listen.unwrap().to_string(), "0.0.0.0:9464");
    let error = file("[http]\nlisten = '0.0.0.0:9464'\nremote = false").error();
    assert!(error.contains("open to other machines"), "{error}");
}

#[test]
fn a_list_in_the_file_may_hold_commas() {
    let s = file("[enqueue]\nfiles = ['a,b.toml', 'c.csv']").settings();
    assert_eq!(s.enqueue.files, ["a,b.toml", "c.csv"]);
}

#[test]
fn a_list_in_the_environment_is_an_array_or_has_commas() {
    for (text, files) in [
        ("a.toml, b.csv", &["a.toml", "b.csv"][..]),
        ("['a,b.toml', \"c.csv\"]", &["a,b.toml", "c.csv"]),
        ("[]", &[]),
        ("[ab].toml", &["[ab].toml"]),
    ] {
        let s = Fixture::new().flag("enqueue.files", text).settings();
        assert_eq!(s.enqueue.files, files, "{text}");
    }
    let error = Fixture::new().flag("enqueue.files", "[\"a\"").error();
    assert!(error.contains("separated by commas"), "{error}");
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_its_line() {
    let texts = [
        "[poll]\n\ntimeout = 30",
        "[workers]\nmax_requests = '16'",
        "[workers]\nmax_requests = 1.5",
        "[workers]\nmax_requests = 99999999999999999999",
        "[create]\nname_tag = 'yes'",
        "[enqueue]\nfiles = 'a.toml'",
        "[enqueue]\nfiles = [1]",
        "poll = 3",
        "[api.key]\nx = 1",
        "[[poll]]\ntimeout = '1s'",
    ];
    assert_errors(
        "config-types",
        texts.map(|text| (text.to_owned(), file(text))),
    );
}

#[test]
fn a_value_out_of_bounds_is_refused_with_what_to_write() {
    let values = [
        ("poll.timeout", "30"),
        ("poll.timeout", "30M"),
        ("poll.timeout", "soon"),
        ("poll.timeout", "0s"),
        ("reconcile.settle", "300000y"),
        ("poll.initial_interval", "1h"),
        ("retry.max_interval", "1s"),
        ("park.max_probe_interval", "1s"),
        ("poll.multiplier", "0.9"),
        ("retry.multiplier", "inf"),
        ("retry.multiplier", "NaN"),
        ("retry.max_attempts", "0"),
        ("workers.max_requests", "0"),
        ("workers.max_requests", "1025"),
        ("workers.max_generating", "-1"),
        ("budget.credits_per_create", "-1"),
        ("budget.credits_per_create", "4611686018427387904"),
        ("budget.max_credits_per_day", "1000000000001"),
        ("budget.max_credits", "9223372036854775807"),
        ("budget.max_credits", "-30000"),
        ("budget.max_credits_per_day", "many"),
        ("create.name_tag", "maybe"),
        ("create.on_existing", "adpt"),
        ("enqueue.on_change", "replace"),
        ("log.format", "xml"),
        ("log.level", "inof"),
        ("log.level", "info,debg"),
        ("log.level", "parserd=loud"),
        ("log.level", ""),
        ("http.listen", "0.0.0.0:80"),
        ("http.listen", "9464"),
        ("enqueue.files", "a["),
        ("api.base_url", "http://example.com"),
        ("api.base_url", "http://127.0.0.1.example.com"),
        ("api.base_url", "ftp://example.com"),
        ("api.base_url", "https://example.com/?x=1"),
        ("api.base_url", "aiparser.scraperapi.com"),
        ("api.base_url", ""),
        ("api.account_url", "http://example.com"),
        ("preflight.mode", "repairs"),
        ("preflight.max_credits_per_job", "0"),
        ("preflight.max_age", "1d ago"),
        ("preflight.url", "http://example.com"),
        ("ladder.enabled", "true"),
        ("ladder.max_creates_per_job", "0"),
        ("ladder.max_credits_per_day", "-1"),
        ("database.url", "postgres://x"),
        ("database.url", "sqlite::memory:"),
        ("database.url", "sqlite://:memory:"),
        ("database.url", "sqlite://x?mode=memory"),
        ("database.url", "sqlite://x.db?mode=ro"),
        ("database.url", "sqlite://"),
    ];
    let values = values.map(|(key, value)| {
        let fixture = Fixture::new().env(&keys::variable(key), value);
        let error = fixture.error();
        assert!(error.contains(&keys::variable(key)), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        (format!("{key}={value}"), fixture)
    });
    assert_errors("config-values", values);
}

#[test]
fn a_service_on_a_loopback_address_needs_no_https() {
    for url in [
        "http://127.0.0.1:8080",
        "http://127.9.9.9/a/b",
        "http://[::1]:1",
        "http://localhost:1",
    ] {
        let s = Fixture::new().flag("api.base_url", url).settings();
        assert_eq!(
            s.api.account_url, None,
            "only the real service's account is known"
        );
    }
}

#[test]
fn the_account_url_is_the_one_given_and_a_blank_one_switches_it_off() {
    for (given, expected) in [
        (None, Some("https://api.scraperapi.com/account")),
        (Some("https://example.com/a"), Some("https://example.com/a")),
        (Some(""), None),
        (Some(" "), None),
    ] {
        let fixture = Fixture::new();
        let fixture = match given {
            Some(url) => fixture.flag("api.account_url", url),
            None => fixture,
        };
        let found = fixture.settings().api.account_url;
        assert_eq!(found.as_ref().map(Url::as_str), expected, "{given:?}");
    }
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    let error = Fixture::new()
        .flag("api.base_url", "https://u:hunter2@example.com")
        .error();
    assert!(error.contains("user name or password"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn the_database_is_in_the_state_directory_or_the_working_directory() {
    let dir = |fixture: &Fixture| fixture.dir.path().to_owned();
    let path = |fixture: &Fixture| fixture.settings().database_path().to_owned();
    for (url, file) in [
        ("sqlite://a.db", "a.db"),
        ("sqlite:a.db", "a.db"),
        ("sqlite://b/a.db", "b/a.db"),
    ] {
        let fixture = Fixture::new().flag("database.url", url);
        assert_eq!(path(&fixture), dir(&fixture).join(file));
        let fixture = fixture.env("STATE_DIRECTORY", "/var/lib/parserd:/var/lib/other");
        assert_eq!(path(&fixture), Path::new("/var/lib/parserd").join(file));
    }
    for url in ["sqlite:///srv/a.db", "sqlite:/srv/a.db"] {
        let fixture = Fixture::new()
            .flag("database.url", url)
            .env("STATE_DIRECTORY", "/var");
        assert_eq!(path(&fixture), Path::new("/srv/a.db"));
    }
}

#[test]
fn a_file_that_is_absent_or_no_toml_is_an_error() {
    let mut fixture = Fixture::new();
    fixture.sources.file = Some("absent.toml".into());
    assert!(
        fixture
            .error()
            .contains("cannot read the configuration file absent.toml")
    );
    let error = file("[api]\nkey = \"hunter2\n").error();
    assert!(error.contains("p.toml line 2, column"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    let fixture = Fixture::new().file("");
    std::fs::write(fixture.dir.path().join("p.toml"), b"[api]\n# \xff").unwrap();
    assert!(
        fixture
            .error()
            .contains("p.toml line 2, column 3: this is not valid UTF-8")
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let s = file("\u{feff}[workers]\r\nmax_requests = 2\r\n").settings();
    assert_eq!(s.workers.max_requests, 2);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let fixture = file("[poll]\ntimeout = 1\nx = 2")
        .env("PARSERD__LOG__LEVEL", "loud")
        .flag("http.listen", "1");
    let error = Settings::load(&fixture.sources).unwrap_err();
    assert_eq!(error.each().len(), 4, "{error}");
    assert_eq!(error.to_string().lines().count(), 4, "{error}");
}
