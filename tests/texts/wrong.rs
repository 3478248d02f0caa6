//! What is said of a wrong configuration, command line or database.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

use parserd::store::{Role, Store};

use super::{assert_text, session, typed};
use crate::cli::place::Place;

#[test]
fn configuration() {
    let place = Place::new();
    place.file("loose.key", "a-key");
    let mode = Permissions::from_mode(0o644);
    std::fs::set_permissions(place.path("loose.key"), mode).unwrap();
    let mut text = String::new();
    for config in [
        "[poll]\nmax_intervall = '5s'",
        "[poll]\nmax_interval = 5",
        "[poll]\ntimeout = 'soon'",
        "[workers]\nmax_requests = 0",
        "[budget]\nmax_credits = -1",
        "[log]\nformat = 'xml'",
        "[api]\nbase_url = 'http://example.com'",
        "[api]\nkey_file = 'loose.key'",
        "[api]\nkey_file = 'absent.key'",
        "[pol]\ntimeout = 'soon'\n[api]\nkye = 'x'",
        "[http]\nactions = true",
        "[ladder]\nenabled = true",
        "[preflight]\nmode = 'check'\nurl = ''",
        "[api",
    ] {
        place.file("my.toml", config);
        text.push_str(&format!("{config}\n"));
        text.push_str(&session(&place, &[&["--config", "my.toml", "run"]]));
    }
    let others: &[&[&str]] = &[
        &["--config", "absent.toml", "status"],
        &["--set", "pol.timeout=5s", "status"],
        &["run"],
        &["check"],
    ];
    text.push_str(&session(&place, others));
    let mut command = place.command(&["status"]);
    command.env("PARSERD__POLL__TIMEOUT", "soon");
    text.push_str(&format!("PARSERD__POLL__TIMEOUT=soon {}", typed(command)));
    assert_text("wrong-configuration", &text);
}

#[test]
fn command_line() {
    let commands: &[&[&str]] = &[
        &["statsu"],
        &["help", "shwo"],
        &["status", "--config", "x"],
        &["--set", "poll.timeout:5s", "status"],
        &["--set", "api.key=secret", "status"],
        &["jobs", "--state", "FALED"],
        &["retry"],
        &["retry", "--all"],
        &["resolve", "1", "--force"],
        &["enqueue"],
        &["simulate", "--fault", "creat lose"],
    ];
    assert_text("wrong-command-line", &session(&Place::new(), commands));
}

#[tokio::test]
async fn database() {
    let place = Place::new();
    let mut text = session(&place, &[&["status"]]);
    place.jobs(vec![("a", vec![])]).await;
    let path = place.path("parserd.db");
    let daemon = Store::open(&path, Role::Daemon).await.unwrap();
    let mut command = place.command(&["run"]);
    command.env("PARSERD__API__KEY", "a-key");
    text.push_str(&typed(command));
    daemon.close().await;
    place
        .sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
             execution_time) VALUES (99, 'later', 1, x'00', 0)",
        )
        .await;
    text.push_str(&session(&place, &[&["status"]]));
    place.file("no.db", "this is a text, and long enough to be a database");
    let url = |url| ["--set", url, "status"];
    for url in [
        url("database.url=sqlite://no.db"),
        url("database.url=sqlite://absent/p.db"),
        url("database.url=postgres://p"),
    ] {
        text.push_str(&session(&place, &[&url]));
    }
    assert_text("wrong-database", &text);
}
