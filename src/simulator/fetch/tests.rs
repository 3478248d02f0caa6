use serde_json::Map;

use super::*;
use crate::{
    api::{
        classify::{self, Body, BodyEnd, PageHead, RawAnswer, RawPage},
        text::Quoter,
    },
    core::{
        effort::Proxy,
        outcome::{FetchOutcome, FetchRequest},
        preflight::{self, Brought, Fetched, Foreseen, Mode, Next, Question, Verdict},
    },
    simulator::{FaultRule, Faults, Reply, Simulator, WorldConfig},
};

const NOW: UnixMs = 1_700_000_000_000;

fn world(config: WorldConfig) -> World {
    World::new(WorldConfig {
        generation_scale: 0.0,
        first_free: false,
        ..config
    })
}

fn get(target: &str, params: &Map<String, Value>) -> HttpRequest {
    let mut request = HttpRequest::new("GET", target, "");
    let key = ("api_key".to_owned(), "demo-key".to_owned());
    let params = params.iter().map(|(name, value)| {
        let text = value.as_str();
        (
            name.clone(),
            text.map_or_else(|| value.to_string(), str::to_owned),
        )
    });
    request.query.extend(params.chain([key]));
    request
}

fn fetch_of(url: &str, params: &Value) -> HttpRequest {
    let mut params = params.as_object().cloned().unwrap_or_default();
    params.insert("url".to_owned(), json!(url));
    get("/", &params)
}

/// What the client makes of it.
fn brought(world: &mut World, request: &FetchRequest) -> (Brought, i64) {
    let mut params = request.params.clone();
    params.insert("max_cost".to_owned(), json!(request.max_credits));
    let answer = world.handle(NOW, &fetch_of(&request.url, &params.into()));
    let page = RawPage {
        head: PageHead::of(|name| answer.header(name)),
        answer: RawAnswer {
            status: answer.status,
            retry_after: None,
            body: Body {
                bytes: answer.body,
                end: BodyEnd::Complete,
            },
        },
    };
    match classify::fetch(request, Ok(page), NOW, &Quoter::default()) {
        FetchOutcome::Brought { brought, credits } => (brought, credits.unwrap()),
        refused @ FetchOutcome::Refused(..) => panic!("{refused:?}"),
    }
}

/// What is foreseen of a create, and with which parameters it is to be sent.
fn foreseen(
    world: &mut World,
    urls: &[String],
    params: &Map<String, Value>,
    mode: Mode,
) -> (Foreseen, Map<String, Value>) {
    let question = Question {
        urls,
        own: Effort::of(Some(params)),
        known: None,
        not_in_plan: &[],
        is_down: false,
        has_waited: false,
        mode,
        max_credits: 150,
    };
    let mut fetched = Vec::new();
    loop {
        let (url, effort, max_credits) = match preflight::next(&question, &fetched) {
            Next::Done(found, effort) => return (found, effort.applied_to(Some(params))),
            Next::Fetch {
                url,
                effort,
                max_credits,
            } => (url.to_owned(), effort, max_credits),
        };
        let request = FetchRequest {
            url: url.clone(),
            params: effort.applied_to(Some(params)),
            max_credits,
            selectors: vec!["h1".to_owned()],
        };
        let (brought, credits) = brought(world, &request);
        fetched.push(Fetched {
            url,
            effort,
            sent_at: 0,
            credits,
            brought,
        });
    }
}

fn creates(world: &mut World, urls: &[String], params: &Map<String, Value>) -> bool {
    let body = json!({"api_key": "demo-key", "name": "n", "urls": urls, "scraper_params": params});
    let post = HttpRequest::new("POST", "/parsers", body.to_string());
    let id = world.handle(NOW, &post).value()["id"].clone();
    let path = format!("/parsers/{}", id.as_str().unwrap());
    let status = world.handle(NOW, &get(&path, &Map::new())).value()["status"].clone();
    status == "FINISHED"
}

/// Two pages with this in their paths.
fn two(word: &str) -> Vec<String> {
    [1, 2]
        .map(|nth| format!("https://www.shop.example/{word}/{nth}"))
        .to_vec()
}

#[test]
fn what_a_create_comes_to_is_what_the_fetches_before_it_show() {
    use Verdict::{Blocked, Gone, Login, MixedTypes, NeedsJs, Ok};
    let hosts = ["https://a.example/1", "https://b.example/1"].map(str::to_owned);
    for (urls, checked, repaired) in [
        (two("books"), Ok, Ok),
        (two("slow"), Ok, Ok),
        (two("bomb"), Ok, Ok),
        (two("unreachable"), Blocked, Blocked),
        (two("page-gone"), Gone, Gone),
        (two("blocked"), Blocked, Ok),
        (two("ultra-blocked"), Blocked, Ok),
        (two("challenge"), Blocked, Ok),
        (two("needs-js"), NeedsJs, Ok),
        (two("blocked-needs-js"), Blocked, Ok),
        (two("login"), Login, Login),
        (two("consent"), Blocked, Blocked),
        (two("mixed"), MixedTypes, MixedTypes),
        (hosts.to_vec(), MixedTypes, MixedTypes),
    ] {
        for (mode, verdict) in [(Mode::Check, checked), (Mode::Repair, repaired)] {
            let mut world = world(WorldConfig::default());
            let (found, params) = foreseen(&mut world, &urls, &Map::new(), mode);
            assert_eq!(found.verdict, verdict, "{urls:?} {mode}: {found:?}");
            assert_eq!(found.credits, world.credits_of_fetches(), "{urls:?}");
            assert_eq!(
                creates(&mut world, &urls, &params),
                verdict == Ok,
                "{urls:?} {mode}"
            );
            assert_eq!(world.credits_of_creates(), 30_000);
            assert_eq!(world.credits_spent(), 30_000 + found.credits);
        }
    }
}

#[test]
fn two_healthy_pages_take_two_credits_and_a_job_s_own_parameters_count() {
    let mut healthy = world(WorldConfig::default());
    let (found, _) = foreseen(&mut healthy, &two("books"), &Map::new(), Mode::Repair);
    assert_eq!(found.credits, 2);
    for (word, params) in [
        ("blocked", json!({"premium": true})),
        ("ultra-blocked", json!({"ultra_premium": true})),
        ("needs-js", json!({"render": true})),
    ] {
        let mut world = world(WorldConfig::default());
        let params = params.as_object().unwrap();
        let (found, sent) = foreseen(&mut world, &two(word), params, Mode::Check);
        assert_eq!((found.verdict, &sent), (Verdict::Ok, params), "{word}");
        assert!(creates(&mut world, &two(word), params), "{word}");
    }
}

#[test]
fn what_is_not_html_and_a_lone_mixed_page_cannot_be_foreseen() {
    let mut world = world(WorldConfig::default());
    for (urls, verdict) in [
        (two("not-html"), Verdict::Unknown),
        (two("mixed")[..1].to_vec(), Verdict::Ok),
    ] {
        let (found, params) = foreseen(&mut world, &urls, &Map::new(), Mode::Repair);
        assert_eq!(found.verdict, verdict, "{urls:?}");
        assert!(!creates(&mut world, &urls, &params), "{urls:?}");
    }
}

#[test]
fn where_fetches_go_astray_the_fetch_api_and_the_generator_disagree() {
    let astray = |share| WorldConfig {
        fetches_astray: share,
        ..WorldConfig::default()
    };
    let statuses = |share| {
        let mut world = world(astray(share));
        let pages = (0..200).map(|nth| format!("https://a.example/{nth}"));
        let fetches = pages.map(|url| world.handle(NOW, &fetch_of(&url, &json!({}))).status);
        fetches.filter(|status| *status == 500).count()
    };
    assert_eq!((statuses(0.0), statuses(1.0)), (0, 200));
    assert!((60..140).contains(&statuses(0.5)), "{}", statuses(0.5));
    let mut world = world(astray(1.0));
    for (word, verdict, works) in [
        ("books", Verdict::Blocked, true),
        ("blocked", Verdict::Ok, false),
    ] {
        let (found, params) = foreseen(&mut world, &two(word), &Map::new(), Mode::Check);
        assert_eq!(found.verdict, verdict, "{word}");
        assert_eq!(creates(&mut world, &two(word), &params), works, "{word}");
    }
}

#[test]
fn a_fetch_is_priced_by_its_effort_and_refused_beyond_its_limits() {
    let page = "https://a.example/1";
    for (params, credits) in [
        (json!({}), 1),
        (json!({"render": true}), 10),
        (json!({"premium": true}), 10),
        (json!({"premium": true, "render": true}), 25),
        (json!({"ultra_premium": true}), 30),
        (json!({"ultra_premium": true, "render": true}), 75),
        (json!({"render": false, "country_code": "de"}), 1),
    ] {
        let mut world = world(WorldConfig {
            credits: Some(credits),
            ..WorldConfig::default()
        });
        let mut limited = params.clone();
        limited["max_cost"] = json!(credits - 1);
        let dear = world.handle(NOW, &fetch_of(page, &limited));
        assert_eq!(dear.status, 403, "{params}");
        let mut request = fetch_of(page, &params);
        "/account/urlcost".clone_into(&mut request.path);
        assert_eq!(
            world.handle(NOW, &request).value(),
            json!({"credits": credits})
        );
        assert_eq!(world.credits_spent(), 0, "{params}");

        limited["max_cost"] = json!(credits);
        let answer = world.handle(NOW, &fetch_of(page, &limited));
        let cost = credits.to_string();
        assert_eq!(
            answer.header("sa-credit-cost"),
            Some(cost.as_str()),
            "{params}"
        );
        assert_eq!(world.credits_spent(), credits, "{params}");
        let account = world
            .handle(NOW + 60_000, &get("/account", &Map::new()))
            .value();
        assert_eq!(account["creditsLeft"], 0, "{params}");
        let poor = world.handle(NOW, &fetch_of(page, &params));
        assert_eq!(
            (poor.status, world.credits_spent()),
            (403, credits),
            "{params}"
        );
    }
}

#[test]
fn billed_are_pages_and_404_only() {
    let mut world = world(WorldConfig::default());
    for (page, status, spent) in [
        ("https://a.example/unreachable", 500, 0),
        ("https://a.example/page-gone", 404, 1),
        ("https://a.example/not-html", 200, 2),
        ("ftp://a.example/", 400, 2),
        ("nonsense", 400, 2),
    ] {
        let answer = world.handle(NOW, &fetch_of(page, &json!({})));
        assert_eq!(
            (answer.status, world.credits_spent()),
            (status, spent),
            "{page}"
        );
    }
    let mut request = fetch_of("https://a.example/", &json!({}));
    request.query.retain(|(name, _)| name != "api_key");
    assert_eq!(world.handle(NOW, &request).status, 401);
}

#[test]
fn better_proxies_than_those_of_the_plan_are_refused_of_fetches_and_creates() {
    let mut world = world(WorldConfig {
        best_proxy: Proxy::Standard,
        ..WorldConfig::default()
    });
    let request = |params: Value| FetchRequest {
        url: "https://a.example/".to_owned(),
        params: params.as_object().unwrap().clone(),
        max_credits: 150,
        selectors: Vec::new(),
    };
    for (params, is_in_plan) in [
        (json!({}), true),
        (json!({"render": true}), true),
        (json!({"premium": true}), false),
        (json!({"ultra_premium": true}), false),
    ] {
        let (brought, _) = brought(&mut world, &request(params.clone()));
        assert_eq!(
            !matches!(brought, Brought::NotInPlan { .. }),
            is_in_plan,
            "{params}"
        );
        let body = json!({"api_key": "demo-key", "name": "n", "urls": two("books"),
            "scraper_params": params});
        let post = HttpRequest::new("POST", "/parsers", body.to_string());
        assert_eq!(
            world.handle(NOW, &post).status < 300,
            is_in_plan,
            "{params}"
        );
    }
}

#[test]
fn fetches_go_wrong_as_other_requests_do_and_are_counted() {
    let rules = [
        "fetch status=503 name=shop.example nth=1",
        "fetch lose after name=lost",
        "urlcost status=429",
    ];
    let rules: Vec<FaultRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let config = WorldConfig {
        generation_scale: 0.1,
        ..WorldConfig::default()
    };
    let mut simulator = Simulator::new(config, Faults::new(1, rules));
    let mut ask = |page: &str| match simulator.respond(NOW, &fetch_of(page, &json!({}))) {
        Reply::HttpAnswer {
            answer, delivery, ..
        } => (Some(answer.status), Some(delivery)),
        Reply::Lost { .. } => (None, None),
    };
    for (page, status, delivery) in [
        ("https://shop.example/", Some(503), Some(Delivery::Whole)),
        ("https://shop.example/", Some(200), Some(Delivery::Whole)),
        ("https://a.example/lost", None, None),
        (
            "https://a.example/bomb",
            Some(200),
            Some(Delivery::GzipBomb),
        ),
        (
            "https://a.example/slow",
            Some(200),
            Some(Delivery::Slow(3_000)),
        ),
        ("https://slow.example/", Some(200), Some(Delivery::Whole)),
    ] {
        assert_eq!(ask(page), (status, delivery), "{page}");
    }
    let traffic = &simulator.traffic;
    assert_eq!(traffic.count(Endpoint::Fetch), 6);
    assert_eq!(traffic.count_status(Endpoint::Fetch, None), 1);
    // The lost one had its effect.
    assert_eq!(simulator.world.credits_of_fetches(), 5);
}
