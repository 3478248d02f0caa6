//! `parserd resolve NAME` of an update or delete: what the parser is like now, and what was
//! wanted.

use serde_json::Value;

use super::refuse;
use crate::cli::Exit;
use crate::clock::Clock;
use crate::config::Settings;
use crate::core::field_changes::name_of;
use crate::core::job::{Job, ParserId, Part};
use crate::core::lifecycle::{Transition, decide};
use crate::core::sighting::{KnownVersion, Sighting, compare};
use crate::core::text::escaped;
use crate::engine::operator::{Seen, Word, look};
use crate::store::{PendingUpdate, Store, Updates as _};
use crate::wiring;
use crate::{
    cli::output::{Columns, Out, print_message},
    present::{changes, format::quoted},
};

pub(super) async fn show(settings: &Settings, store: &Store, job: &Job) -> anyhow::Result<Exit> {
    let policy = wiring::policy(settings);
    let event = Word::NotCreated.event(job);
    if let Transition::Ignored(why) = decide(job, event, &policy, Clock::system().now(), 0.0) {
        refuse(job, why);
        return Ok(Exit::Failed);
    }
    let pending = store.pending_update(job.id).await?;
    let named = pending.as_ref().map(|pending| pending.parser_id.clone());
    let Some(parser) = named.or_else(|| job.progress.parser_id.clone()) else {
        refuse(job, "no request of it is on record");
        return Ok(Exit::Failed);
    };
    let target = store.target_by_id(&parser).await?;
    let fields = target.and_then(|target| target.fields);
    let known = KnownVersion {
        latest: pending.as_ref().and_then(|pending| pending.latest_version),
        fields: fields.as_deref().and_then(json),
    };
    let seen = match wiring::hasty_client(settings) {
        Ok(service) => look(&service, &parser).await,
        Err(why) => Seen::Unknown(why),
    };
    let details = store.details(job.id).await?;
    let changed = details.map(|details| changes::lines(&details.row));
    let changed = changed.unwrap_or_default();
    print(job, &parser, pending.as_ref(), &changed, &known, &seen)
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn print(
    job: &Job,
    parser: &ParserId,
    pending: Option<&PendingUpdate>,
    changed: &[String],
    known: &KnownVersion,
    seen: &Seen,
) -> anyhow::Result<Exit> {
    let part = pending.map(|pending| pending.part).or(job.progress.part);
    let wanted = pending.and_then(|pending| pending.fields.as_deref().and_then(json));
    let mut columns = Columns::new(&[]);
    let mut put = |what: &str, text: String| columns.row([what, &text]);
    put("parser", parser.0.clone());
    put("request", request(part).to_owned());
    for line in changed {
        put("change", escaped(line));
    }
    put("before", version(known.latest, known.fields.as_ref()));
    put(
        "wanted",
        match part {
            Some(Part::Delete) => "no such parser".to_owned(),
            _ => version(None, wanted.as_ref()),
        },
    );
    put(
        "now",
        match seen {
            Seen::There(shown) => version(shown.version, shown.fields.as_ref()),
            Seen::Gone(words) => format!("the service does not have it ({words})"),
            Seen::Unknown(why) => format!("not known: {why}"),
        },
    );
    let mut out = Out::default();
    for line in columns.lines() {
        out.line(&line)?;
    }
    out.flush()?;
    let id = job.id;
    if let Some(why) = &job.progress.error_message {
        print_message(&format!("job {id} {}: {}", quoted(&job.name), escaped(why)));
    }
    print_message(&verdict(part, known, wanted.as_ref(), seen));
    let price = match part {
        Some(Part::Free | Part::Delete) => "free",
        Some(Part::Paid) | None => "paid for",
    };
    print_message(&format!(
        "`parserd resolve {id} --adopt {}` says that the request took effect and takes what is \
         there; `parserd resolve {id} --not-created` says that it made nothing, and the next one \
         is {price}",
        escaped(&parser.0)
    ));
    Ok(match seen {
        Seen::Unknown(_) => Exit::Failed,
        Seen::There(_) | Seen::Gone(_) => Exit::Done,
    })
}

const fn request(part: Option<Part>) -> &'static str {
    match part {
        Some(Part::Free) => "renames and removes fields, free",
        Some(Part::Paid) => "adds or modifies fields, paid for",
        Some(Part::Delete) => "deletes the parser, free",
        None => "none is on record",
    }
}

/// `version 3: title, price`
fn version(number: Option<i64>, fields: Option<&Value>) -> String {
    let names = fields.and_then(Value::as_array).map(|fields| {
        let names: Vec<_> = fields.iter().map(name_of).collect();
        names.join(", ")
    });
    let names = names.unwrap_or_else(|| "fields not known".to_owned());
    match number {
        Some(number) => format!("version {number}: {names}"),
        None => names,
    }
}

/// What that looks like, for a person who decides.
fn verdict(
    part: Option<Part>,
    known: &KnownVersion,
    wanted: Option<&Value>,
    seen: &Seen,
) -> String {
    match (part, seen) {
        (_, Seen::Unknown(_)) => "error: what it is like now is not known".to_owned(),
        (Some(Part::Delete), Seen::Gone(_)) => "it looks as if the delete took effect".to_owned(),
        (_, Seen::Gone(_)) => {
            "the parser is gone: somebody deleted it, and there is nothing to change any more"
                .to_owned()
        }
        (Some(Part::Delete), Seen::There(_)) => "it looks as if the delete made nothing".to_owned(),
        (_, Seen::There(shown)) => match compare(known, wanted, shown) {
            Sighting::Unchanged(_) => "it looks as if the request made nothing".to_owned(),
            Sighting::AsWanted(_) => "it looks as if the request took effect".to_owned(),
            Sighting::Otherwise(why) | Sighting::Unclear(why) => {
                format!("it is not known whether it took effect: {}", escaped(&why))
            }
        },
    }
}
