//! `parserd show`: one job, in detail.

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Exit, selector::unknown};
use crate::clock::Clock;
use crate::config::Settings;
use crate::core::budget::Budget;
use crate::core::job::{Action, Job, JobState, UnixMs};
use crate::core::text::escaped;
use crate::present::{changes, foresight, narrate, quality::Detail, remedies::what_to_do};
use crate::store::report::{JobDetails, JobRow};
use crate::store::{Role, Store, StoreError};
use crate::wiring;
use crate::{
    cli::output::{Columns, Out, print_message},
    core::timestamp::iso,
    present::format::{count, grouped, relative},
    store::Queue as _,
};

/// Shows one job with its whole history.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The job's id, or its name
    #[arg(value_name = "ID-or-NAME")]
    job: String,

    /// Print JSON; times are Unix milliseconds
    #[arg(long)]
    json: bool,
}

pub(super) async fn show(settings: &Settings, args: ShowArgs) -> anyhow::Result<Exit> {
    let store = Store::open(settings.database_path(), Role::Reader).await?;
    let found = looked_up(&store, &args.job).await?;
    let Some((details, job)) = found else {
        print_message(&unknown(&store, &args.job).await?);
        store.close().await;
        return Ok(Exit::Failed);
    };
    store.close().await;
    let mut out = Out::default();
    if args.json {
        out.json(&details)?;
    } else {
        let budget = wiring::budget(settings);
        for line in describe(&details, &job, &budget, Clock::system().now()) {
            out.line(&line)?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// The job of this id or name.
pub(super) async fn looked_up(
    store: &Store,
    key: &str,
) -> Result<Option<(JobDetails, Job)>, StoreError> {
    Ok(match store.find(key).await? {
        Some(id) => store.details(id).await?.zip(store.job(id).await?),
        None => None,
    })
}

fn describe(details: &JobDetails, job: &Job, budget: &Budget, now: UnixMs) -> Vec<String> {
    let row = &details.row;
    let mut lines = vec![
        format!("job {}  {}", row.id, escaped(&row.name)),
        String::new(),
    ];
    lines.extend(facts(details, job, budget, now));
    lines.extend(requests(details));
    lines.extend([String::new(), "history".to_owned()]);
    let mut columns = Columns::new(&[]);
    for event in &details.events {
        columns.row([format!("  {}", iso(event.at)), narrate::event(event)]);
    }
    lines.extend(columns.lines());
    lines.extend(found(details));
    lines.extend(examples(details, job));
    lines
}

/// The requests that change or delete the parser.
fn requests(details: &JobDetails) -> Vec<String> {
    let mut columns = Columns::new(&[]);
    for request in &details.update_requests {
        let credits = count_of_credits(request.credits);
        let said = format!("{}, {credits}", changes::request(request));
        columns.row([format!("  {}", iso(request.sent_at)), said]);
    }
    match columns.lines() {
        lines if lines.is_empty() => lines,
        lines => [vec![String::new(), "requests".to_owned()], lines].concat(),
    }
}

fn count_of_credits(credits: i64) -> String {
    match credits {
        0 => "free".to_owned(),
        1 => "1 credit".to_owned(),
        credits => format!("{} credits", grouped(credits)),
    }
}

/// What the parser found, field by field.
fn found(details: &JobDetails) -> Vec<String> {
    let detail = Detail::of(details.quality_detail.as_deref());
    let mut columns = Columns::new(&[]);
    for (field, words) in detail.lines() {
        columns.row([format!("  {}", escaped(field)), words]);
    }
    for (url, why) in detail.checks() {
        let said = why.map_or_else(
            || "held-out page, looked at".to_owned(),
            |why| format!("held-out page, inconclusive: {why}"),
        );
        columns.row([format!("  {}", escaped(url)), said]);
    }
    match columns.lines() {
        lines if lines.is_empty() => lines,
        lines => [vec![String::new(), "what it found".to_owned()], lines].concat(),
    }
}

/// What it does, where it is not to make a parser.
fn action(row: &JobRow) -> Option<&str> {
    if row.is_adoption {
        return Some("adopts a parser that is there, and pays nothing");
    }
    row.is_change().then_some(row.action.as_str())
}

/// What it is and where it stands, a line each.
fn facts(details: &JobDetails, job: &Job, budget: &Budget, now: UnixMs) -> Vec<String> {
    let row = &details.row;
    let mut columns = Columns::new(&[]);
    let mut put = |what: &str, text: String| columns.row([what, &text]);
    if let Some(action) = action(row) {
        put("action", action.to_owned());
    }
    put("state", state(row));
    if let Some(message) = &row.error_message {
        let status = row
            .error_status
            .map_or_else(String::new, |status| format!("HTTP {status}: "));
        put("message", format!("{status}{message}"));
    }
    let is_bad = details.quality.as_deref() == Some("bad");
    if is_bad && job.progress.state == JobState::Finished {
        let what = "look at what the parser found, below: it is of no use as it is";
        put("what to do", what.to_owned());
    } else {
        put("what to do", what_to_do(row, job, budget, now));
    }
    if let Some(id) = &row.parser_id {
        let version = row
            .parser_version
            .map_or_else(String::new, |version| format!(", version {version}"));
        put("parser", format!("{id}{version}"));
    }
    let candidates = &job.progress.candidates;
    if !candidates.is_empty() {
        let ids: Vec<_> = candidates.iter().map(|id| id.0.as_str()).collect();
        put("may be its parser", ids.join(", "));
    }
    if let Some(name) = details
        .remote_name
        .as_ref()
        .filter(|name| **name != row.name)
    {
        put("name at the service", name.clone());
    }
    if let Some(quality) = &details.quality {
        let why = Detail::of(details.quality_detail.as_deref()).reason;
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        put("quality", format!("{quality}{why}"));
    }
    let lines = foresight::lines(row, now).into_iter();
    let lines = lines.chain([("cost", costs(details))]);
    for (what, text) in lines.chain(asked(details)) {
        put(what, text);
    }
    if row.priority != 0 {
        put("priority", row.priority.to_string());
    }
    if let Some(labels) = row.labels_line() {
        put("labels", labels);
    }
    let ago = relative(row.created_at, now);
    put("added", format!("{} ({ago})", iso(row.created_at)));
    columns.lines()
}

/// What the job asks for, a line each.
fn asked(details: &JobDetails) -> Vec<(&'static str, String)> {
    let json = |json: &Option<Box<RawValue>>| json.as_ref().map(|json| json.get().to_owned());
    let each = |what, texts: Vec<String>| texts.into_iter().map(move |text| (what, text));
    if details.row.is_change() {
        let lines = changes::lines(&details.row).into_iter();
        return lines.map(|line| ("change", line)).collect();
    }
    each("example page", texts(details.urls.as_deref()))
        .chain(json(&details.scraper_params).map(|params| ("scraper_params", params)))
        .chain(each("field", fields(details.fields.as_deref())))
        .chain(each("held-out page", texts(details.check_urls.as_deref())))
        .chain(json(&details.expect).map(|expect| ("expect", expect)))
        .collect()
}

/// The example result, or why there is none where there should be.
fn examples(details: &JobDetails, job: &Job) -> Vec<String> {
    let mut lines = vec![String::new(), "example result".to_owned()];
    if let Some(result) = &details.example_result {
        lines.extend(pretty(result));
    } else if job.progress.state == JobState::Finished && job.action != Action::Delete {
        let why = details.events.iter().rev().find_map(narrate::no_examples);
        let why = why.unwrap_or_else(|| "none is kept".to_owned());
        lines.push(format!("  none: {}", escaped(&why)));
    } else {
        lines.clear();
    }
    lines
}

fn state(row: &JobRow) -> String {
    let why = row.park_reason.as_ref().or(row.error_kind.as_ref());
    why.map_or_else(|| row.state.clone(), |why| format!("{} ({why})", row.state))
}

fn costs(details: &JobDetails) -> String {
    let requests = requests_cost(details);
    match details.fetch_credits {
        0 => requests.unwrap_or_else(|| "nothing was sent, nothing was paid".to_owned()),
        credits => format!(
            "{}; fetches of its pages: {}",
            requests.unwrap_or_else(|| "no create was sent".to_owned()),
            count_of_credits(credits)
        ),
    }
}

/// What its creates, updates and deletes cost; none where none was sent.
fn requests_cost(details: &JobDetails) -> Option<String> {
    let creates = details.create_requests.iter();
    let creates = creates.map(|create| (create.outcome.as_str(), create.credits));
    let updates = details.update_requests.iter();
    let updates = updates.map(|update| (update.outcome.as_str(), update.credits));
    let sent: Vec<(&str, i64)> = creates.chain(updates).collect();
    let of = |outcome: &str| sent.iter().filter(|(found, _)| *found == outcome).count();
    let spent = sent.iter().filter(|(outcome, _)| *outcome != "not_made");
    let spent: i64 = spent.map(|(_, credits)| credits).sum();
    let (noun, made) = match details.row.action.as_str() {
        "delete" => ("delete request", "took effect"),
        "update" => ("update request", "took effect"),
        _ => ("create request", "made a parser"),
    };
    if sent.is_empty() {
        return None;
    }
    let parts = [
        (of("made"), made),
        (of("not_made"), "made nothing"),
        (of("pending"), "in doubt"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: String = parts
        .map(|(number, what)| format!(", {number} {what}"))
        .collect();
    let requests = count(sent.len(), noun);
    Some(match spent {
        0 if details.row.is_change() => format!("free: {requests}{parts}"),
        _ => format!("up to {} credits: {requests}{parts}", grouped(spent)),
    })
}

fn texts(raw: Option<&RawValue>) -> Vec<String> {
    match raw.map(|raw| serde_json::from_str(raw.get())) {
        Some(Ok(texts)) => texts,
        Some(Err(_)) => raw.map(|raw| raw.get().to_owned()).into_iter().collect(),
        None => Vec::new(),
    }
}

fn fields(raw: Option<&RawValue>) -> Vec<String> {
    let fields: Vec<Value> = raw
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    let field = |field: &Value| {
        let text = |key: &str| field.get(key).and_then(Value::as_str);
        let kind = text("type").map_or_else(String::new, |kind| format!(" ({kind})"));
        let selector = text("selector").map_or_else(String::new, |at| format!(", at {at}"));
        format!(
            "{}{kind}: {}{selector}",
            text("name").unwrap_or_default(),
            text("description").unwrap_or_default()
        )
    };
    fields.iter().map(field).collect()
}

fn pretty(raw: &RawValue) -> Vec<String> {
    // What is not JSON after all is shown as it is.
    let text = serde_json::from_str::<Value>(raw.get())
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| raw.get().to_owned());
    text.lines()
        .map(|line| format!("  {}", escaped(line)))
        .collect()
}
