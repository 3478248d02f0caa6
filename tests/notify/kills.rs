//! Each event is told at least once and in order, by the webhook and under a cursor, whatever is
//! killed meanwhile: the daemon, the readers and the receiver, at moments that one seed draws.

use std::{collections::BTreeMap, time::Duration};

use rustix::process::Signal;
use serde_json::{Deserializer, Value};

use super::{
    fail, notifying, number,
    receiver::{Act, Message, Receiver, status},
};
use crate::common::{
    Harness,
    program::{Program, parserd, stderr, written},
};

/// The longest that all of them are left alone.
const LONGEST_LIFE_MS: u64 = 700;

fn size(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |size| {
        size.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number"))
    })
}

/// A reader of the history under a cursor, and what those before it wrote.
struct Reader {
    args: Vec<&'static str>,
    program: Program,
    written: Vec<Vec<u8>>,
}

impl Reader {
    fn start(harness: &Harness, cursor: &'static str, how: &[&'static str]) -> Self {
        let mut args = vec!["events", "--follow", "--type", "failed", "--cursor", cursor];
        args.extend(how);
        Self {
            program: Program::start(parserd(harness, &args)),
            args,
            written: Vec::new(),
        }
    }

    /// Kills it and starts the next one.
    async fn kill(&mut self, harness: &Harness) {
        let next = Program::start(parserd(harness, &["--version"]));
        let killed = std::mem::replace(&mut self.program, next);
        self.written.push(kill(killed).await);
        self.program = Program::start(parserd(harness, &self.args));
    }
}

/// Kills it where it stands; what it wrote.
async fn kill(program: Program) -> Vec<u8> {
    program.signal(Signal::KILL);
    let output = program.ended().await;
    assert_eq!(output.status.code(), None, "{}", stderr(&output));
    output.stdout
}

/// How far a cursor has come.
async fn position(harness: &Harness, cursor: &str) -> i64 {
    let sql = format!(
        "SELECT coalesce(max(event_id), 0) || '' FROM event_cursors WHERE name = '{cursor}'"
    );
    number(harness, &sql).await
}

/// Waits until a cursor has come further than `before`, and says how far.
async fn further(harness: &Harness, cursor: &str, before: i64) -> i64 {
    let mut found = before;
    harness
        .wait_until(cursor, async || {
            found = position(harness, cursor).await;
            found > before
        })
        .await;
    found
}

/// A daemon for which the minute after the last POST is over.
async fn daemon(harness: &Harness) -> Program {
    let sql = "DELETE FROM meta WHERE key = 'webhook_last_post'";
    harness.sql(sql).await.unwrap();
    Program::start(parserd(harness, &["run"]))
}

/// What a receiver does that is not well: most is well, and some of it takes its time.
fn acts(random: &mut fastrand::Rng) -> Vec<Act> {
    let mut act = || match random.u32(0..8) {
        0 => status("500 Oops"),
        1 => Act::Silence,
        2 | 3 => Act::Late(Duration::from_millis(random.u64(0..200))),
        _ => status("204 No Content"),
    };
    (0..4).map(|_| act()).collect()
}

/// The whole lines of one that was killed while it wrote.
fn lines(written: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(written).unwrap();
    let (whole, _torn) = text.rsplit_once('\n').unwrap_or_default();
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// All of these and no others were told, each for the first time after those before it, and what was
/// told again as it was the first time. How many were.
fn check(what: &str, told: &[Value], expected: &[i64]) -> usize {
    let mut seen: BTreeMap<i64, &Value> = BTreeMap::new();
    for event in told {
        let id = event["id"].as_i64().unwrap();
        match seen.get(&id) {
            Some(first) => assert_eq!(*first, event, "{what}: {id} came again, and otherwise"),
            None => {
                let last = seen.last_key_value().map_or(0, |(last, _)| *last);
                assert!(last < id, "{what}: {id} came first after {last}");
                seen.insert(id, event);
            }
        }
    }
    let lost: Vec<_> = expected
        .iter()
        .filter(|id| !seen.contains_key(id))
        .collect();
    assert!(lost.is_empty(), "{what}: lost {lost:?}");
    assert_eq!(seen.len(), expected.len(), "{what}: more than there are");
    told.len() - seen.len()
}

/// One id of a message stands for the same events.
fn check_ids(messages: &[Message]) {
    let mut known: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for message in messages {
        let id = message.header("webhook-id");
        let ids = message.ids();
        assert_eq!(*known.entry(id).or_insert_with(|| ids.clone()), ids, "{id}");
    }
}

#[tokio::test]
async fn killed_again_and_again_all_is_told_in_order_and_repeats_bear_their_id() {
    let events = size("PARSERD_TEST_EVENTS", 300);
    let kills = size("PARSERD_TEST_KILLS", 6);
    let seed = size("PARSERD_TEST_FIRST_SEED", 1) as u64;
    let mut random = fastrand::Rng::with_seed(seed);
    let started = std::time::Instant::now();
    let mut receiver = Receiver::playing(acts(&mut random)).await;
    let mut harness = notifying(&receiver.url).await;
    harness.set("notify.on", "failed");
    let mut hook = Program::start(parserd(&harness, &["run"]));
    // It begins at the end of the history.
    harness
        .wait_until("it runs", async || {
            String::from_utf8_lossy(&written(&hook.stderr)).contains("notices are sent")
        })
        .await;
    let mut exec = Reader::start(&harness, "exec", &["--exec", "cat >> told.jsonl"]);
    let mut json = Reader::start(&harness, "json", &["--json"]);
    let mut receiver_kills = 0;
    for n in 0..kills {
        let count = events * (n + 1) / kills - events * n / kills;
        fail(&harness, count, &format!("of round {n}")).await;
        // The moment of the kill is what is drawn here; nothing waits for it.
        tokio::time::sleep(Duration::from_millis(random.u64(0..LONGEST_LIFE_MS))).await;
        if random.u32(0..3) == 0 {
            receiver.kill().await;
            receiver_kills += 1;
            tokio::time::sleep(Duration::from_millis(random.u64(0..100))).await;
        }
        for reader in [&mut exec, &mut json] {
            if random.bool() {
                reader.kill(&harness).await;
            }
        }
        kill(hook).await;
        hook = daemon(&harness).await;
        if random.bool() {
            receiver.revive(acts(&mut random)).await;
        }
    }
    let killing = started.elapsed();

    let sql = "SELECT id || '' FROM job_events WHERE event = 'failed' ORDER BY id";
    let expected = harness.sql(sql).await.unwrap();
    let expected: Vec<i64> = expected.iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(expected.len(), events);
    let last = *expected.last().unwrap();
    receiver.revive([]).await;
    let mut at = position(&harness, "notify").await;
    while at < last {
        // After each POST there is a minute: the next daemon is told that it is over.
        kill(hook).await;
        hook = daemon(&harness).await;
        at = further(&harness, "notify", at).await;
    }
    for cursor in ["exec", "json"] {
        let mut at = position(&harness, cursor).await;
        while at < last {
            at = further(&harness, cursor, at).await;
        }
    }
    let lives = [exec.written.len(), json.written.len()];
    kill(exec.program).await;
    json.written.push(kill(json.program).await);

    let messages = receiver.messages();
    check_ids(&messages);
    let told: Vec<_> = messages.iter().flat_map(Message::events).collect();
    let again = check("the webhook", &told, &expected);
    // A program whose parent was killed may have got its event without the end of its line.
    let file = std::fs::read(harness.directory.path().join("told.jsonl")).unwrap();
    let told: Vec<Value> = Deserializer::from_slice(&file)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let exec_again = check("--exec", &told, &expected);
    let told: Vec<_> = json.written.iter().flat_map(|life| lines(life)).collect();
    let json_again = check("--json", &told, &expected);
    println!(
        "{events} events, killed: the daemon {kills} times, the receiver {receiver_kills}, the readers \
         {lives:?}, in {:.0} s; {} messages; told again: {again} by the webhook, {exec_again} by --exec, \
         {json_again} by --json; {:.0} s in all",
        killing.as_secs_f64(),
        messages.len(),
        started.elapsed().as_secs_f64(),
    );
}

#[tokio::test]
async fn a_second_reader_of_a_cursor_is_refused_until_the_first_is_gone_however_it_ends() {
    let harness = Harness::new(&[]).await;
    super::make(&harness).await;
    fail(&harness, 1, "one").await;
    let first = Program::start(parserd(
        &harness,
        &["events", "--follow", "--cursor", "mail"],
    ));
    harness
        .wait_until("it has read", async || !written(&first.stdout).is_empty())
        .await;
    let args: [&[&str]; 2] = [
        &["events", "--cursor", "mail"],
        &["events", "--follow", "--cursor", "mail"],
    ];
    for args in args {
        let output = Program::start(parserd(&harness, args)).ended().await;
        let words = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(
            words.contains("another `parserd events` reads with --cursor mail"),
            "{words}"
        );
        assert!(output.stdout.is_empty());
    }
    // Another cursor, and none, are free.
    for args in [&["events", "--cursor", "chat"][..], &["events"]] {
        let output = Program::start(parserd(&harness, args)).ended().await;
        assert!(output.status.success(), "{}", stderr(&output));
    }
    kill(first).await;
    let output = Program::start(parserd(&harness, &["events", "--cursor", "mail"]))
        .ended()
        .await;
    assert!(output.status.success(), "{}", stderr(&output));
}
