//! `parserd check`, and what every command makes of a bad configuration.

use std::net::SocketAddr;

use parserd::simulator::server::{Server, ServerHandle};
use parserd::simulator::{FaultRule, Faults, Simulator, WorldConfig};

use super::place::{KEY, Place};

async fn simulator(rules: &[&str]) -> ServerHandle {
    let rules: Vec<FaultRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let world = WorldConfig {
        key: KEY.to_owned(),
        ..WorldConfig::default()
    };
    let simulator = Simulator::new(world, Faults::new(1, rules));
    Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), simulator)
        .await
        .unwrap()
}

const URL: &str = "PARSERD__API__BASE_URL";
const KEY_VARIABLE: &str = "PARSERD__API__KEY";

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_and_nothing_is_made() {
    let server = simulator(&[]).await;
    let place = Place::new();
    let env = [(URL, server.base_url()), (KEY_VARIABLE, KEY.to_owned())];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    place
        .run_with(&env, &["check"])
        .is(0)
        .says(&["all is well"])
        .prints(&[
            "ok   configuration: no file",
            "ok   key",
            "parserd.db does not exist yet, and can be created",
            "answers, the key is accepted; 0 parsers there",
        ]);
    assert_eq!(place.directory.path().read_dir().unwrap().count(), 0);
    server.with(|simulator| {
        let traffic = &simulator.traffic;
        assert_eq!(traffic.log().count(), 1);
        assert_eq!(traffic.count(parserd::simulator::Endpoint::List), 1);
    });
    let report = place.run_with(&env, &["check", "--json"]).is(0).json();
    assert_eq!(report["ok"], true);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credits_left_are_told_and_that_they_cannot_be_looked_up_is_no_fault() {
    for (rules, expected) in [
        (&[][..], "ok   account: 1,000,000,000,000 credits left"),
        (
            &["account status=500"][..],
            "warn account: the credits left cannot be looked up: HTTP 500",
        ),
    ] {
        let server = simulator(rules).await;
        let place = Place::new();
        let base_url = server.base_url();
        let account_url = format!("{base_url}/account");
        let env = [
            (URL, base_url.as_str()),
            ("PARSERD__API__ACCOUNT_URL", &account_url),
            (KEY_VARIABLE, KEY),
        ];
        place.run_with(&env, &["check"]).is(0).prints(&[expected]);
        server.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_url_that_is_not_the_fetch_api_is_told_and_nothing_is_fetched() {
    for (rules, mode, code, expected) in [
        (&[][..], "check", 0, "ok   preflight: http://127.0.0.1:"),
        (&[][..], "off", 0, "ok   service: "),
        (
            &["urlcost status=404"][..],
            "repair",
            0,
            "does not price a fetch as the fetch API does: HTTP 404",
        ),
        (
            &["urlcost status=200 body=Welcome"][..],
            "check",
            0,
            "correct preflight.url",
        ),
        (
            &["urlcost status=401"][..],
            "check",
            1,
            "FAIL preflight: it does not accept the key",
        ),
    ] {
        let server = simulator(rules).await;
        let place = Place::new();
        let base_url = server.base_url();
        let env = [
            (URL, base_url.as_str()),
            ("PARSERD__PREFLIGHT__URL", &base_url),
            ("PARSERD__PREFLIGHT__MODE", mode),
            (KEY_VARIABLE, KEY),
        ];
        place
            .run_with(&env, &["check"])
            .is(code)
            .prints(&[expected]);
        server.with(|simulator| {
            let asked = |endpoint| simulator.traffic.count(endpoint);
            assert_eq!(asked(parserd::simulator::Endpoint::Fetch), 0);
            let has_probed = asked(parserd::simulator::Endpoint::UrlCost) == 1;
            assert_eq!(has_probed, mode != "off");
        });
        server.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_refuses_is_told_with_its_cure() {
    for (rule, key, parts) in [
        (
            None,
            "another",
            &["does not accept the key: HTTP 401", "dashboard"][..],
        ),
        (
            Some("list status=402"),
            KEY,
            &["credits are exhausted", "parserd resume"],
        ),
        (
            Some("list status=503"),
            KEY,
            &["HTTP 503", "the service has trouble"],
        ),
        (
            Some("list status=404"),
            KEY,
            &["does not answer as the AI Parser API", "api.base_url"],
        ),
        (
            Some("list status=200 body={}"),
            KEY,
            &["expected a JSON array", "no create is sent", "support"],
        ),
    ] {
        let server = simulator(rule.as_slice()).await;
        let place = Place::new();
        let env = [(URL, &*server.base_url()), (KEY_VARIABLE, key)];
        let ended = place
            .run_with(&env, &["check"])
            .is(1)
            .prints(&["FAIL service"]);
        ended.prints(parts).says(&["1 fault"]);
        server.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_of_the_list_is_a_warning() {
    for (rule, expected) in [
        ("list item=null", "items that cannot be read: 1 (item 0"),
        ("list status=200 body=null", "it is null instead of a list"),
    ] {
        let server = simulator(&[rule]).await;
        let place = Place::new();
        let env = [(URL, &*server.base_url()), (KEY_VARIABLE, KEY)];
        place
            .run_with(&env, &["check"])
            .is(0)
            .prints(&["ok   service", "warn list", expected]);
        server.shutdown().await;
    }
}

#[test]
fn a_database_that_cannot_be_made_or_read_is_a_fault() {
    let place = Place::new();
    let check = |url: &str| {
        place.run_with(
            &[(KEY_VARIABLE, KEY), ("PARSERD__DATABASE__URL", url)],
            &["--set", "api.base_url=http://127.0.0.1:1", "check"],
        )
    };
    check("sqlite://absent/p.db").is(1).prints(&[
        "FAIL database",
        "cannot be created",
        "database.url",
    ]);
    place.file(
        "no.db",
        "this is no database, but a text that is long enough to be one",
    );
    check("sqlite://no.db")
        .is(1)
        .prints(&["FAIL database", "no.db"]);
}

#[test]
fn a_bad_configuration_is_78_with_the_key_s_full_name() {
    let place = Place::new();
    place.file("loose.key", KEY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(place.path("loose.key"), mode).unwrap();
    }
    for (text, key) in [
        ("[poll]\nmax_intervall = '5s'", "poll.max_intervall"),
        ("[poll]\nmax_interval = 5", "poll.max_interval"),
        ("[poll]\ntimeout = 'soon'", "poll.timeout"),
        ("[api]\nbase_url = 'http://example.com'", "api.base_url"),
        ("[api]\nkey_file = 'loose.key'", "api.key_file"),
        ("[api", "my.toml line 1"),
    ] {
        place.file("my.toml", text);
        for command in ["status", "jobs", "retry"] {
            let args = ["--config", "my.toml", command, "1"];
            let args = &args[..if command == "retry" { 4 } else { 3 }];
            place.run(args).is(78).says(&["error: ", key]);
        }
        place
            .run(&["--config", "my.toml", "check"])
            .is(78)
            .prints(&["FAIL configuration", key]);
    }
}

#[test]
fn all_that_is_wrong_with_a_configuration_is_told_at_once() {
    let place = Place::new();
    place.file("my.toml", "[poll]\ntimeout = 'soon'\n[api]\nkye = 'x'\n");
    let report = place
        .run(&["--config", "my.toml", "check", "--json"])
        .is(78)
        .json();
    assert_eq!(report["checks"].as_array().unwrap().len(), 2);
    assert!(report["checks"].to_string().contains("api.key"), "{report}");
    place
        .run(&["--config", "absent.toml", "status"])
        .is(78)
        .says(&["absent.toml"]);
    place
        .run(&["check"])
        .is(78)
        .prints(&["no API key", "PARSERD__API__KEY", "api.key_file"]);
}

#[test]
fn global_flags_go_anywhere_and_show_no_key() {
    let place = Place::new();
    for args in [
        &["--config", "absent.toml", "status"][..],
        &["status", "--config", "absent.toml"],
        &["status", "--json", "--config=absent.toml"],
    ] {
        place.run(args).is(78).says(&["absent.toml"]);
    }
    place
        .run(&["status", "--set", "pol.timeout=5s"])
        .is(78)
        .says(&["pol.timeout", "poll.timeout"]);
    let bad = format!("api.key:{KEY}");
    place
        .run(&["--set", &bad, "status"])
        .is(2)
        .says(&["--set takes KEY=VALUE"]);
    let bad = format!("api.key={KEY}");
    place
        .run(&["--set", &bad, "status"])
        .is(2)
        .says(&["api.key_file"]);
    place
        .run(&["--set", "pol.timeout=5s", "status"])
        .is(78)
        .says(&["pol.timeout", "poll.timeout"]);
    place.run(&[]).is(2);
    place.run(&["statsu"]).is(2).says(&["status"]);
    place
        .run(&["--help"])
        .is(0)
        .prints(&["Exit codes", "enqueue"]);
    place.run(&["--version"]).is(0).prints(&["parserd "]);
}

#[tokio::test]
async fn what_an_outsider_dropped_is_named_and_a_start_makes_it_anew() {
    let place = Place::new();
    place.jobs(vec![("a", vec![])]).await;
    place
        .sql("DROP INDEX jobs_queued; DROP TRIGGER jobs_delete_check;")
        .await;
    let own = [
        ("PARSERD__API__KEY", KEY),
        ("PARSERD__API__BASE_URL", "http://127.0.0.1:1"),
    ];
    let words = [
        "FAIL schema: the index jobs_queued is missing, the trigger jobs_delete_check is missing",
        "cure: restart parserd",
    ];
    place.run_with(&own, &["check"]).is(1).prints(&words);
    // A daemon's own start, without its work.
    let role = parserd::store::Role::Daemon;
    let daemon = parserd::store::Store::open(&place.path("parserd.db"), role).await;
    daemon.unwrap().close().await;
    let checked = place.run_with(&own, &["check"]);
    assert!(!checked.out.contains("schema: "), "{}", checked.out);
    let deleting = rusqlite::Connection::open(place.path("parserd.db")).unwrap();
    let refused = deleting.execute_batch("DELETE FROM jobs").unwrap_err();
    assert!(refused.to_string().contains("not done"), "{refused}");
}
