//! Many faults at once, drawn from a seed.

use std::time::Duration;

use crate::bench::Bench;
use crate::fake::{Alter, Call, Effect, Reply, Rule, fixed};

const MS: fn(u64) -> Duration = Duration::from_millis;

const NAMES: [&str; 6] = [
    "Tom & Jerry",
    "a  b   c",
    "Zürich & Genf",
    "UPPER one",
    "plain",
    "long name that goes on and on and on",
];

fn draw_rule(rng: &mut fastrand::Rng) -> Rule {
    let effect = match rng.u8(0..4) {
        0 => Effect::Nothing,
        1 => Effect::Later(MS(rng.u64(50..600))),
        _ => Effect::Now,
    };
    let reply = match rng.u8(0..8) {
        0 | 1 => Reply::Lost,
        2 => fixed([502, 503, 504, 520, 408][rng.usize(0..5)], "gateway"),
        3 => fixed(500, "extraction failed"),
        4 => fixed(202, "{\"id\":"),
        5 => fixed(202, "{\"version\":0}"),
        // What says "refused" made nothing.
        6 => return Rule::create("", Effect::Nothing, fixed(429, "busy")),
        _ => return Rule::create("", Effect::Now, Reply::Usual).hold(MS(rng.u64(0..300))),
    };
    Rule::create("", effect, reply).hold(MS(rng.u64(0..400)))
}

fn soak(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let bench = Bench::new(|b| {
        b.list_lag = MS(rng.u64(0..500));
        b.generation = MS(rng.u64(0..300));
        for alter in [
            Alter::HtmlEscape,
            Alter::Collapse,
            Alter::Nfd,
            Alter::Lower,
            Alter::NoAscii('_'),
        ] {
            if rng.bool() {
                b.names
                    .push((["", "a", "&", "n"][rng.usize(0..4)], vec![alter]));
            }
        }
        b.rules = (0..8).map(|_| draw_rule(&mut rng)).collect();
        b.rules.push(Rule {
            call: Call::List,
            ..Rule::get("", fixed(502, "gateway")).times(rng.usize(0..4))
        });
        b.rules
            .push(Rule::get("", fixed(500, "oh")).times(rng.usize(0..4)));
    });
    let tell = |bench: &Bench| {
        let world = bench.fake.world();
        let posts: Vec<_> = world
            .books
            .posts
            .iter()
            .map(|p| (&p.name, &p.made))
            .collect();
        format!(
            "PARSERD_TEST_FAKE_SEED={seed}\nposts {posts:#?}\nbehaviour {:#?}",
            world.does
        )
    };
    let slugs: Vec<String> = (0..NAMES.len()).map(|i| format!("page{i}")).collect();
    let jobs: Vec<_> = NAMES
        .into_iter()
        .zip(slugs.iter().map(String::as_str))
        .collect();
    bench.enqueue(&jobs);
    for _ in 0..rng.usize(0..3) {
        let daemon = bench.daemon();
        let requests = rng.usize(1..12);
        bench.fake.until("requests", MS(20_000), |b| {
            b.posts.len() + b.gets.len() >= requests || b.parsers.len() == NAMES.len()
        });
        daemon.kill();
    }
    let ended = bench.run(&["run", "--until-done"], MS(40_000));
    assert!(
        ended.code.is_some(),
        "did not end\n{}\n{}",
        bench.jobs_brief(),
        tell(&bench)
    );
    let mut faults = bench.audit();
    for name in NAMES {
        let job = bench.job(name);
        let gave_up = job.error_kind.as_deref() == Some("server_error") && job.creates >= 3;
        if job.state != "FINISHED" && !gave_up {
            faults.push(format!("{name:?}: {job:?}"));
        }
    }
    assert!(
        faults.is_empty(),
        "{}\n{}\n{}",
        faults.join("\n"),
        bench.jobs_brief(),
        tell(&bench)
    );
}

#[test]
fn a_soak_of_faults() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    if let Some(seed) = number("PARSERD_TEST_FAKE_SEED") {
        return soak(seed);
    }
    let runs = number("PARSERD_TEST_FAKE_RUNS").unwrap_or(4);
    let begin = number("PARSERD_TEST_FAKE_FROM").unwrap_or(1);
    std::thread::scope(|scope| {
        for lane in 0..2 {
            scope.spawn(move || {
                (begin..begin + runs)
                    .filter(|seed| seed % 2 == lane)
                    .for_each(soak)
            });
        }
    });
}
