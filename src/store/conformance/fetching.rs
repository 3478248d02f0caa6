//! Fetches of example pages: in histories, and case by case.

use fastrand::Rng;

use super::{NOW, Subject, cases::every_store, look::MOST_JOBS, model, sqlite};
use crate::{
    core::{
        budget::DAY_MS,
        effort::{Effort, Proxy},
        job::{JobId, UnixMs},
        page::{Places, Sight, look as look_at},
        preflight::{Brought, Fetched},
    },
    store::ports::{FetchIntent, Foreknown, JobStore},
};

const HOSTS: [&str; 2] = ["a.example", "b.example"];

pub(super) fn intent(rng: &mut Rng, job: JobId, sent_at: UnixMs) -> FetchIntent {
    let host = *rng.choice(&HOSTS).unwrap();
    FetchIntent {
        job,
        url: format!("https://{host}/{}", rng.u8(0..2)),
        host: host.to_owned(),
        effort: Effort {
            proxy: *rng.choice(Proxy::ALL).unwrap(),
            render: rng.bool(),
        },
        sent_at,
        credits: rng.i64(0..80),
    }
}

/// What a fetch brings, and the cost that the service names.
pub(super) fn answer(rng: &mut Rng) -> Option<(Brought, Option<i64>)> {
    let why = "no".to_owned();
    let brought = match rng.u8(0..9) {
        0 => return None,
        1 => Brought::Pending,
        2 => Brought::Gone { status: 404 },
        3 => Brought::Blocked { why },
        4 => Brought::NotInPlan { why },
        5 => Brought::TooDear,
        6 => Brought::Nothing { why },
        7 => Brought::Page(wall()),
        _ => Brought::Page(page()),
    };
    Some((brought, rng.bool().then(|| rng.i64(0..80))))
}

pub(super) async fn look<D: JobStore>(store: &D, now: UnixMs, lines: &mut Vec<String>) {
    for job in (1..=MOST_JOBS).map(JobId) {
        for since in [0, now - 20_000] {
            let fetched = store.fetched(job, since).await.unwrap();
            lines.push(format!("fetched: {job} {fetched:?}"));
        }
    }
    for host in HOSTS {
        for (host_since, plan_since) in [(0, now - 20_000), (now - 20_000, 0)] {
            let known = store.foreknown(host, host_since, plan_since, plan_since);
            let known = known.await.unwrap();
            lines.push(format!("foreknown: {host} {known:?}"));
        }
    }
}

fn page() -> Sight {
    let html = "<html><body><h1>Books</h1><p>What there is to read</p></body></html>";
    look_at(html, &Places::default())
}

fn wall() -> Sight {
    let html = "<html><head><title>Just a moment...</title></head>\
                <body><p>Checking your browser before accessing the site</p></body></html>";
    look_at(html, &Places::default())
}

const PREMIUM: Effort = Effort {
    proxy: Proxy::Premium,
    render: false,
};

every_store! {
    a_fetch_counts_as_spent_from_its_intent_and_with_its_true_cost_once_that_is_named,
    a_fetch_is_settled_once,
    where_a_hosts_next_job_begins_is_what_brought_its_last_page,
    what_the_plan_refused_is_known_for_each_host_for_a_while,
    what_was_fetched_for_no_job_counts_for_each,
    the_last_answers_are_known_with_their_hosts,
}

impl<D: JobStore> Subject<D> {
    async fn fetch(&self, url: &str, effort: Effort, brought: Brought, at: UnixMs) {
        let intent = FetchIntent {
            job: JobId(1),
            url: url.to_owned(),
            host: crate::core::preflight::host(url).unwrap(),
            effort,
            sent_at: at,
            credits: effort.credits(),
        };
        let id = self.store.intend_fetch(intent).await.unwrap();
        self.store
            .settle_fetch(id, brought, None, at)
            .await
            .unwrap();
    }

    async fn foreknown(&self, host: &str, host_since: UnixMs, plan_since: UnixMs) -> Foreknown {
        let known = self.store.foreknown(host, host_since, plan_since, NOW - 1);
        known.await.unwrap()
    }
}

fn premium_intent() -> FetchIntent {
    FetchIntent {
        job: JobId(1),
        url: "https://a.example/1".to_owned(),
        host: "a.example".to_owned(),
        effort: PREMIUM,
        sent_at: NOW,
        credits: 30,
    }
}

async fn a_fetch_counts_as_spent_from_its_intent_and_with_its_true_cost_once_that_is_named<
    D: JobStore,
>(
    subject: Subject<D>,
) {
    let store = &subject.store;
    let spent = async |now| {
        let spent = store.spent(now).await.unwrap();
        (spent.in_all, spent.today, spent.later)
    };
    let id = store.intend_fetch(premium_intent()).await.unwrap();
    assert_eq!(spent(NOW).await, (30, 30, 0));
    let page = Brought::Page(page());
    store.settle_fetch(id, page, Some(10), NOW).await.unwrap();
    assert_eq!(spent(NOW).await, (10, 10, 0));
    let id = store.intend_fetch(premium_intent()).await.unwrap();
    store
        .settle_fetch(id, Brought::TooDear, None, NOW)
        .await
        .unwrap();
    assert_eq!(spent(NOW).await, (40, 40, 0));
    assert_eq!(spent(NOW + DAY_MS).await, (40, 0, 0));
    assert_eq!(spent(NOW - DAY_MS).await, (40, 40, 40));
}

async fn a_fetch_is_settled_once<D: JobStore>(subject: Subject<D>) {
    let store = &subject.store;
    let id = store.intend_fetch(premium_intent()).await.unwrap();
    let pending = Fetched {
        url: "https://a.example/1".to_owned(),
        effort: PREMIUM,
        sent_at: NOW,
        credits: 30,
        brought: Brought::Pending,
    };
    assert_eq!(
        store.fetched(JobId(1), NOW).await.unwrap(),
        std::slice::from_ref(&pending)
    );
    for (status, credits) in [(404, 1), (410, 2)] {
        let gone = Brought::Gone { status };
        store
            .settle_fetch(id, gone, Some(credits), NOW)
            .await
            .unwrap();
        let settled = Fetched {
            credits: 1,
            brought: Brought::Gone { status: 404 },
            ..pending.clone()
        };
        assert_eq!(store.fetched(JobId(1), NOW).await.unwrap(), [settled]);
    }
    assert_eq!(store.fetched(JobId(1), NOW + 1).await.unwrap(), []);
    assert_eq!(store.fetched(JobId(2), NOW).await.unwrap(), []);
}

async fn what_was_fetched_for_no_job_counts_for_each<D: JobStore>(subject: Subject<D>) {
    let intent = FetchIntent {
        job: JobId(0),
        ..premium_intent()
    };
    subject.store.intend_fetch(intent).await.unwrap();
    for (since, found) in [(NOW, 1), (NOW + 1, 0)] {
        let fetched = subject.store.fetched(JobId(7), since).await.unwrap();
        assert_eq!(fetched.len(), found);
    }
}

async fn the_last_answers_are_known_with_their_hosts<D: JobStore>(subject: Subject<D>) {
    let why = || "500".to_owned();
    let least = Effort::LEAST;
    for (host, brought, at) in [
        ("old", Brought::Blocked { why: why() }, NOW - 2),
        ("a", Brought::Blocked { why: why() }, NOW),
        ("b", Brought::Gone { status: 404 }, NOW),
        ("c", Brought::Nothing { why: why() }, NOW),
        ("d", Brought::Page(page()), NOW),
    ] {
        subject
            .fetch(&format!("https://{host}/"), least, brought, at)
            .await;
    }
    subject.store.intend_fetch(premium_intent()).await.unwrap();
    let answers = subject.foreknown("a", NOW, NOW).await.answers;
    let expected = [("d", true), ("c", false), ("b", true), ("a", false)];
    let expected = expected.map(|(host, came)| (host.to_owned(), came));
    assert_eq!(answers, expected);
}

async fn where_a_hosts_next_job_begins_is_what_brought_its_last_page<D: JobStore>(
    subject: Subject<D>,
) {
    let known = async |since| subject.foreknown("a.example", since, NOW).await.known;
    let rendered = Effort::LEAST.rendered();
    let no = || "no".to_owned();
    for (url, effort, brought, expected) in [
        ("https://b.example/", PREMIUM, Brought::Page(page()), None),
        (
            "https://a.example/",
            Effort::LEAST,
            Brought::Page(wall()),
            None,
        ),
        (
            "https://a.example/",
            PREMIUM,
            Brought::Page(page()),
            Some(PREMIUM),
        ),
        (
            "https://a.example/",
            rendered,
            Brought::Page(wall()),
            Some(PREMIUM),
        ),
        (
            "https://a.example/",
            rendered,
            Brought::Blocked { why: no() },
            Some(PREMIUM),
        ),
        (
            "https://A.example/?2",
            rendered,
            Brought::Page(page()),
            Some(rendered),
        ),
    ] {
        subject.fetch(url, effort, brought.clone(), NOW).await;
        assert_eq!(known(NOW).await, expected, "{url} {brought:?}");
    }
    assert_eq!(known(NOW + 1).await, None);
}

async fn what_the_plan_refused_is_known_for_each_host_for_a_while<D: JobStore>(
    subject: Subject<D>,
) {
    let refused = || Brought::NotInPlan {
        why: "Your plan does not allow premium".to_owned(),
    };
    for at in [NOW, NOW + 1] {
        subject
            .fetch("https://a.example/", PREMIUM.rendered(), refused(), at)
            .await;
        subject
            .fetch("https://a.example/", PREMIUM, refused(), NOW)
            .await;
    }
    for (since, expected) in [
        (NOW, vec![PREMIUM, PREMIUM.rendered()]),
        (NOW + 1, vec![PREMIUM.rendered()]),
        (NOW + 2, vec![]),
    ] {
        let known = subject.foreknown("b.example", NOW, since).await;
        assert_eq!((known.known, known.not_in_plan), (None, expected));
    }
}
