//! Many faults at once, drawn from a seed.

use std::time::{Duration, Instant};

use super::bench::Bench;
use super::fake::{Alter, Books, Call, Effect, Reply, Rule, fixed};

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
    let mut bench = Bench::new(|b| {
        b.list_lag = MS(rng.u64(0..500));
        b.generation = MS(rng.u64(0..300));
        for alter in [
            Alter::HtmlEscape,
            Alter::Collapse,
            Alter::Nfd,
            Alter::Lower,
            Alter::NoAscii('_'),
            Alter::Suffix(" 2"),
        ] {
            if rng.u8(0..3) == 0 {
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
    // Where a tag is not sent, or cut off, a person may have to say which parser is whose.
    let tagged = rng.u8(0..4) > 0;
    bench.set("create.name_tag", if tagged { "true" } else { "false" });
    let cut = rng.u8(0..5) == 0;
    if cut {
        let alter = if rng.bool() {
            Alter::CutChars(rng.usize(5..40))
        } else {
            Alter::CutBytes(rng.usize(5..40))
        };
        bench.fake.does(|b| b.names.push(("", vec![alter])));
    }
    let does = format!("{:#?}", bench.fake.world().does);
    let tell = |bench: &Bench| {
        let world = bench.fake.world();
        let posts: Vec<_> = world
            .books
            .posts
            .iter()
            .map(|p| (&p.name, &p.made))
            .collect();
        format!(
            "PARSERD_TEST_FAKE_SEED={seed} tagged={tagged}\n{}\nposts {posts:#?}\n{does}",
            bench.jobs_brief()
        )
    };
    let slugs: Vec<String> = (0..NAMES.len()).map(|i| format!("page{i}")).collect();
    let jobs: Vec<_> = NAMES
        .into_iter()
        .zip(slugs.iter().map(String::as_str))
        .collect();
    bench.enqueue(&jobs);
    for _ in 0..rng.usize(0..4) {
        let count = |b: &Books| b.posts.len() + b.gets.len() + b.lists.len();
        let before = count(&bench.fake.world().books);
        let daemon = bench.daemon();
        let requests = rng.usize(1..16);
        // It may have nothing left to ask for.
        let begun = Instant::now();
        while count(&bench.fake.world().books) < before + requests && begun.elapsed() < MS(1500) {
            std::thread::sleep(MS(5));
        }
        let asked = count(&bench.fake.world().books) > before;
        if asked && rng.u8(0..3) == 0 {
            let (code, output) = daemon.stop(MS(10_000));
            assert_eq!(code, Some(0), "after SIGTERM: {output}\n{}", tell(&bench));
        } else {
            daemon.kill();
        }
    }
    let settled = |bench: &Bench, may_give_up: bool| {
        let ended = bench.run(&["run", "--until-done"], MS(40_000));
        assert!(
            ended.code.is_some(),
            "did not end\n{}\n{}",
            ended.err,
            tell(bench)
        );
        let mut faults = bench.audit();
        for name in NAMES {
            let job = bench.job(name);
            let gave_up = may_give_up && job.error_kind.as_deref() == Some("server_error");
            let asks = (cut || !tagged) && job.park_reason.as_deref() == Some("ambiguous");
            if job.state != "FINISHED" && !gave_up && !asks {
                faults.push(format!("{name:?}: {job:?}"));
            }
        }
        assert!(
            faults.is_empty(),
            "{}\n{}\n{}",
            faults.join("\n"),
            crate::independent::bench::tail(&ended.err),
            tell(bench)
        );
    };
    settled(&bench, true);
    // The service behaves; what was given up is tried again, and nothing that was paid is paid again.
    bench.fake.does(|b| b.rules.clear());
    bench.ok(&["retry", "--state", "FAILED", "--all", "--yes"]);
    settled(&bench, false);
    if tagged && !cut && rng.bool() {
        let posts = bench.fake.world().books.posts.len();
        for end in ["", "-wal", "-shm", ".lock"] {
            let file = bench.path(&format!("parserd.db{end}"));
            if crate::independent::bench::exists(&file) {
                std::fs::remove_file(file).unwrap();
            }
        }
        bench.enqueue(&jobs);
        bench.work(20);
        let now = bench.fake.world().books.posts.len();
        assert_eq!(now, posts, "a lost database paid again\n{}", tell(&bench));
    }
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
        for lane in 0..4 {
            scope.spawn(move || {
                (begin..begin + runs)
                    .filter(|seed| seed % 4 == lane)
                    .for_each(soak)
            });
        }
    });
}
