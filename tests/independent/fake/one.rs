//! What is asked of one parser.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::Value;

use super::behaviour::{Call, Effect, Reply, Rule};
use super::changes::{self, Patch};
use super::{Answer, World, say, special};

/// A GET, PATCH or DELETE of one parser.
pub(super) fn about_one(
    world: &Arc<Mutex<World>>,
    w: &mut World,
    method: &Method,
    path: &str,
    key: &str,
    body: &[u8],
) -> Answer {
    let mut path = path.split('/').map(changes::decoded);
    let (id, version) = (path.next().unwrap_or_default(), path.next());
    let version = version.map(|v| v.parse::<i64>().unwrap_or(-1));
    let sent: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let key = sent["api_key"].as_str().unwrap_or(key).to_owned();
    w.roll_back();
    let index = w.books.parsers.iter().position(|p| {
        p.id.eq_ignore_ascii_case(&id) && p.key == key && p.made.elapsed() >= w.does.get_lag
    });
    let there = index.filter(|i| w.is_there(&w.books.parsers[*i]));
    let name = index.map_or_else(|| id.clone(), |i| w.books.parsers[i].sent.clone());
    let none = || say(404, &[], br#"{"error":"no such parser"}"#.to_vec());
    if *method == Method::GET {
        w.books.gets.push((Instant::now(), id));
        return match w.rule(Call::Get, &name) {
            Some(Rule { hold, reply, .. }) if !matches!(reply, Reply::Usual) => {
                (hold, special(reply))
            }
            _ => {
                let shown = there.and_then(|index| w.details(index, version));
                let shown = shown.map(|body| say(200, &[], body));
                (Duration::ZERO, shown.unwrap_or_else(none))
            }
        };
    }
    let call = if *method == Method::PATCH {
        Call::Patch
    } else {
        Call::Delete
    };
    let patch = w.books.patches.len();
    if call == Call::Patch {
        let mut change = sent.clone();
        change.as_object_mut().map(|c| c.remove("api_key"));
        let (paid, made) = (changes::is_paid(&sent), None);
        let base = version;
        w.books.patches.push(Patch {
            id,
            base,
            change,
            paid,
            made,
        });
    } else {
        w.books.deletes.push(id);
    }
    let rule = w
        .rule(call, &name)
        .unwrap_or_else(|| Rule::change(call, Effect::Now, Reply::Usual));
    let effect = move |w: &mut World| match (index, call) {
        (Some(index), Call::Delete) => w.delete(index),
        (Some(index), _) if there.is_some() => w.patch(index, version, &sent, patch),
        _ => (404, r#"{"error":"no such parser"}"#.to_owned()),
    };
    let usual = match rule.effect {
        Effect::Nothing => (503, String::new()),
        Effect::Now => effect(w),
        Effect::Twice => {
            effect(w);
            effect(w)
        }
        Effect::Later(by) => {
            later(Arc::clone(world), by, effect);
            (503, String::new())
        }
    };
    let response = match rule.reply {
        Reply::Usual => say(usual.0, &[], usual.1.into_bytes()),
        other => special(other),
    };
    (rule.hold, response)
}

fn later<T>(
    world: Arc<Mutex<World>>,
    by: Duration,
    effect: impl Fn(&mut World) -> T + Send + 'static,
) {
    tokio::spawn(async move {
        tokio::time::sleep(by).await;
        effect(&mut world.lock().unwrap());
    });
}
