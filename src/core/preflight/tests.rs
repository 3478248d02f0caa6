//! What is fetched, and what is found, of pages that answer as these do.

mod walls;

use super::*;
use crate::core::page::{Places, look};

const A: &str = "https://a.example/1";
const B: &str = "https://a.example/2";
const PREMIUM: Effort = Effort {
    proxy: Proxy::Premium,
    render: false,
};
const ULTRA: Effort = Effort {
    proxy: Proxy::UltraPremium,
    render: false,
};

fn product(words: usize) -> String {
    let text = "some words of a product that can be bought here ".repeat(words);
    format!(
        "<html><head><title>A product</title></head><body><nav><ul><li><a>Home</a></ul></nav>\
         <main><h1>A product</h1><div class=price><span>9</span></div><p>{text}</p>\
         <table><tr><td>Weight<td>1</table></main></body></html>"
    )
}

fn listing() -> String {
    let items = "<article><a><img></a><h3><a>A thing</a></h3><footer><b>9</b></footer></article>";
    format!(
        "<html><body><section><header><h2>All</h2></header>{}</section></body></html>",
        items.repeat(60)
    )
}

const SHELL: &str = "<html><head><title>Shop</title></head><body><div id=app></div></body></html>";

/// With which effort a page comes, and what it is then.
#[derive(Clone, Copy)]
enum Site {
    Open(fn() -> String),
    BlockedBelow(Proxy),
    Js(Proxy),
    Gone,
    Challenge,
    Login,
    Silent,
    NoPremium,
}

fn page(html: &str, places: &Places) -> Brought {
    Brought::Page(look(html, places))
}

fn answer(site: Site, effort: Effort, places: &Places) -> Brought {
    let blocked = || Brought::Blocked {
        why: "Request failed".to_owned(),
    };
    match site {
        Site::Open(html) => page(&html(), places),
        Site::BlockedBelow(proxy) if effort.proxy < proxy => blocked(),
        Site::Js(proxy) if effort.proxy < proxy => blocked(),
        Site::Js(_) if !effort.render => page(SHELL, places),
        Site::BlockedBelow(_) | Site::Js(_) => page(&product(40), places),
        Site::Gone => Brought::Gone { status: 404 },
        Site::Challenge => page("<title>Just a moment...</title><p>Checking", places),
        Site::Login => page(
            "<title>Sign in</title><form>Your name<input name=u><input type=password></form>",
            places,
        ),
        Site::Silent => Brought::Nothing {
            why: "timed out".to_owned(),
        },
        Site::NoPremium if effort.proxy > Proxy::Standard => Brought::NotInPlan {
            why: "your current plan does not allow you to use our premium proxies".to_owned(),
        },
        Site::NoPremium => blocked(),
    }
}

/// Fetches what is asked for until something is found.
fn found(
    mode: Mode,
    own: Effort,
    sites: &[(&'static str, Site)],
    css: &[&str],
) -> (Foreseen, Effort, Vec<Fetched>) {
    let urls: Vec<String> = sites.iter().map(|(url, _)| (*url).to_owned()).collect();
    let places = Places::of(css.iter().copied());
    let mut fetched: Vec<Fetched> = Vec::new();
    loop {
        let refused: Vec<_> = fetched
            .iter()
            .filter(|it| matches!(it.brought, Brought::NotInPlan { .. }))
            .map(|it| it.effort)
            .collect();
        let question = Question {
            urls: &urls,
            own,
            known: None,
            not_in_plan: &not_in_plan(&refused),
            is_down: false,
            has_waited: false,
            mode,
            max_credits: 150,
        };
        match next(&question, &fetched) {
            Next::Done(foreseen, effort) => return (foreseen, effort, fetched),
            Next::Fetch {
                url,
                effort,
                max_credits,
            } => {
                assert!(effort.credits() <= max_credits);
                let site = sites.iter().find(|(it, _)| *it == url).map(|it| it.1);
                let brought = answer(site.expect("a page that was asked about"), effort, &places);
                fetched.push(Fetched {
                    url: url.to_owned(),
                    effort,
                    sent_at: 0,
                    credits: effort.credits(),
                    brought,
                });
            }
        }
        assert!(fetched.len() < 30, "{fetched:?}");
    }
}

#[test]
fn each_cause_is_foreseen_and_in_repair_the_cheapest_parameters_are_found() {
    use Site::{BlockedBelow, Challenge, Gone, Js, Login, NoPremium, Open, Silent};
    use Verdict as V;
    let good = || product(40);
    let least = Effort::LEAST;
    let js = least.rendered();
    // The second page; what check and what repair find, with which effort, for which credits.
    type Row = (Site, (V, i64), (V, Effort, i64));
    let rows: &[Row] = &[
        (Open(good), (V::Ok, 2), (V::Ok, least, 2)),
        (Gone, (V::Gone, 2), (V::Gone, least, 2)),
        (Login, (V::Login, 2), (V::Login, least, 2)),
        (Silent, (V::Unknown, 6), (V::Unknown, least, 6)),
        (Open(listing), (V::MixedTypes, 2), (V::MixedTypes, least, 2)),
        (
            BlockedBelow(Proxy::Premium),
            (V::Blocked, 2),
            (V::Ok, PREMIUM, 12),
        ),
        (
            BlockedBelow(Proxy::UltraPremium),
            (V::Blocked, 2),
            (V::Ok, ULTRA, 42),
        ),
        (Challenge, (V::Blocked, 2), (V::Blocked, least, 42)),
        (Js(Proxy::Standard), (V::NeedsJs, 12), (V::Ok, js, 22)),
        (
            Js(Proxy::Premium),
            (V::Blocked, 2),
            (V::Ok, PREMIUM.rendered(), 62),
        ),
        (NoPremium, (V::Blocked, 2), (V::Blocked, least, 12)),
    ];
    for (row, (site, (check, check_credits), (repair, effort, credits))) in rows.iter().enumerate()
    {
        let sites = [(A, Open(good as fn() -> String)), (B, *site)];
        let (foreseen, with, _) = found(Mode::Check, least, &sites, &[]);
        assert_eq!(
            (foreseen.verdict, foreseen.credits, with),
            (*check, *check_credits, least),
            "{row}"
        );
        if !check.may_work() {
            assert_eq!(foreseen.page.as_deref(), Some(B), "{row}");
            assert!(foreseen.cure.is_some(), "{row}");
        }
        let (foreseen, with, _) = found(Mode::Repair, least, &sites, &[]);
        assert_eq!(
            (foreseen.verdict, with, foreseen.credits),
            (*repair, *effort, *credits),
            "{row}"
        );
        assert_eq!(foreseen.set.is_some(), with != least, "{row}");
    }
}

#[test]
fn a_selector_that_only_a_rendered_page_matches_needs_javascript_and_one_that_none_matches_does_not()
 {
    let half_built = || product(40).replace("<span>9</span>", "");
    // Rendered it is the whole page.
    let answers = |effort: Effort, places: &Places| {
        let html = if effort.render {
            product(40)
        } else {
            half_built()
        };
        page(&html, places)
    };
    for (css, verdict) in [
        (vec!["div.price > span"], Verdict::NeedsJs),
        (vec!["div.price > em"], Verdict::Ok),
        (vec!["h1"], Verdict::Ok),
        (vec!["//div/span"], Verdict::Ok),
        (vec![], Verdict::Ok),
    ] {
        let places = Places::of(css.iter().copied());
        let urls = [A.to_owned()];
        let mut fetched = Vec::new();
        let foreseen = loop {
            let question = Question {
                urls: &urls,
                own: Effort::LEAST,
                known: None,
                not_in_plan: &[],
                is_down: false,
                has_waited: false,
                mode: Mode::Check,
                max_credits: 150,
            };
            match next(&question, &fetched) {
                Next::Done(foreseen, _) => break foreseen,
                Next::Fetch { url, effort, .. } => fetched.push(Fetched {
                    url: url.to_owned(),
                    effort,
                    sent_at: 0,
                    credits: effort.credits(),
                    brought: answers(effort, &places),
                }),
            }
        };
        assert_eq!(foreseen.verdict, verdict, "{css:?}");
    }
}

#[test]
fn what_worked_for_the_host_comes_first_and_what_the_plan_lacks_is_not_asked_for() {
    let urls = [A.to_owned(), B.to_owned()];
    let question = |known, not_in_plan| Question {
        urls: &urls,
        own: Effort::LEAST,
        known,
        not_in_plan,
        is_down: false,
        has_waited: false,
        mode: Mode::Repair,
        max_credits: 150,
    };
    // As the job is written both pages are blocked.
    let refused: Vec<_> = urls
        .iter()
        .map(|url| Fetched {
            url: url.clone(),
            effort: Effort::LEAST,
            sent_at: 0,
            credits: 0,
            brought: Brought::Blocked {
                why: "Request failed".to_owned(),
            },
        })
        .collect();
    let first = |question: &Question<'_>| match next(question, &refused) {
        Next::Fetch { effort, .. } => Some(effort),
        Next::Done(found, _) => {
            assert_eq!(found.verdict, Verdict::Blocked);
            None
        }
    };
    assert_eq!(first(&question(None, &[])), Some(PREMIUM));
    assert_eq!(first(&question(Some(ULTRA), &[])), Some(ULTRA));
    assert_eq!(first(&question(Some(Effort::LEAST), &[])), Some(PREMIUM));
    let lacking = not_in_plan(&[PREMIUM]);
    assert_eq!(first(&question(Some(ULTRA), &lacking)), None);
    assert_eq!(lacking.len(), 4);
    assert_eq!(not_in_plan(&[Effort::LEAST.rendered()]).len(), 3);
}

#[test]
fn no_fetch_is_asked_for_that_the_limit_does_not_cover() {
    let urls = [A.to_owned()];
    for (max_credits, spent, may_fetch) in [(150, 149, true), (150, 150, false), (0, 0, false)] {
        let question = Question {
            urls: &urls,
            own: Effort::LEAST,
            known: None,
            not_in_plan: &[],
            is_down: false,
            has_waited: false,
            mode: Mode::Check,
            max_credits,
        };
        let before = Fetched {
            url: "https://a.example/before".to_owned(),
            effort: Effort::LEAST,
            sent_at: 0,
            credits: spent,
            brought: Brought::Pending,
        };
        match next(&question, &[before]) {
            Next::Fetch { max_credits, .. } => assert!(may_fetch && max_credits == 1),
            Next::Done(found, _) => {
                assert!(!may_fetch);
                assert_eq!(found.verdict, Verdict::Unknown);
            }
        }
    }
}

/// What is found of three pages after these fetches, of which each costs what it costs.
fn at_the_limit(mode: Mode, max_credits: i64, site: Site) -> (Verdict, Effort) {
    let urls = ["1", "2", "3"].map(|page| format!("https://a.example/{page}"));
    let mut fetched: Vec<Fetched> = Vec::new();
    loop {
        let question = Question {
            urls: &urls,
            own: Effort::LEAST,
            known: None,
            not_in_plan: &[],
            is_down: false,
            has_waited: false,
            mode,
            max_credits,
        };
        let (url, effort) = match next(&question, &fetched) {
            Next::Done(found, effort) => return (found.verdict, effort),
            Next::Fetch { url, effort, .. } => (url.to_owned(), effort),
        };
        let brought = answer(site, effort, &Places::default());
        fetched.push(Fetched {
            url,
            effort,
            sent_at: 0,
            credits: effort.credits(),
            brought,
        });
    }
}

/// A page that was seen to be refused is not paid for, and what was seen to load is sent.
#[test]
fn at_the_limit_what_is_known_counts() {
    let least = Effort::LEAST;
    for (row, (mode, max_credits, site, expected)) in [
        (
            Mode::Check,
            2,
            Site::Open(listing),
            (Verdict::Unknown, least),
        ),
        (
            Mode::Repair,
            3,
            Site::BlockedBelow(Proxy::Premium),
            (Verdict::Blocked, least),
        ),
        (
            Mode::Repair,
            20,
            Site::BlockedBelow(Proxy::Premium),
            (Verdict::Unknown, PREMIUM),
        ),
        (
            Mode::Repair,
            50,
            Site::BlockedBelow(Proxy::UltraPremium),
            (Verdict::Unknown, ULTRA),
        ),
        // That they need JavaScript could not be looked at: it costs a create nothing.
        (
            Mode::Repair,
            105,
            Site::Js(Proxy::UltraPremium),
            (Verdict::Unknown, ULTRA.rendered()),
        ),
        (
            Mode::Repair,
            5,
            Site::Js(Proxy::Standard),
            (Verdict::Unknown, least.rendered()),
        ),
        (
            Mode::Check,
            5,
            Site::Js(Proxy::Standard),
            (Verdict::Unknown, least),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(at_the_limit(mode, max_credits, site), expected, "{row}");
    }
}

#[test]
fn a_service_that_refuses_every_host_is_down_and_its_word_is_waited_for() {
    let (no, yes) = (false, true);
    for (answers, expected) in [
        (vec![("a", no), ("b", no), ("c", no)], true),
        (vec![("a", no), ("b", no), ("b", no)], false),
        (vec![("a", no), ("b", no), ("d", yes), ("c", no)], false),
        (vec![("a", yes), ("b", no), ("c", no), ("d", no)], false),
        (vec![], false),
    ] {
        assert_eq!(is_down(answers.clone()), expected, "{answers:?}");
    }
    let urls = [A.to_owned()];
    let refused = |times| {
        let one = Fetched {
            url: A.to_owned(),
            effort: Effort::LEAST,
            sent_at: 0,
            credits: 0,
            brought: Brought::Blocked {
                why: "500".to_owned(),
            },
        };
        vec![one; times]
    };
    for (is_down, has_waited, times, is_asked_again) in [
        (false, false, 1, false),
        (true, false, 1, true),
        (true, true, 1, false),
        (true, false, MAX_TRIES_WHILE_DOWN - 1, true),
        (true, false, MAX_TRIES_WHILE_DOWN, false),
    ] {
        let question = Question {
            urls: &urls,
            own: Effort::LEAST,
            known: None,
            not_in_plan: &[],
            is_down,
            has_waited,
            mode: Mode::Check,
            max_credits: 150,
        };
        let next = next(&question, &refused(times));
        assert_eq!(
            matches!(next, Next::Fetch { .. }),
            is_asked_again,
            "{is_down} {times}"
        );
    }
}
