//! `parserd events`: what happened to jobs, gates, budget and batch, a line an event.

use std::{io, process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::{
    cli::{
        Exit, fold,
        named::Named,
        output::{Out, print_error},
        shutdown,
    },
    clock::Clock,
    config::Settings,
    core::{nearest::nearest, notice::EventFilter, text::escaped},
    present::event_line::EventLine,
    store::{Commits as _, JobStore as _, Role, Store, history::EventRow, notices::WEBHOOK_CURSOR},
};

/// What goes on of an event's line is indented by this much.
const HANG: usize = 2;

/// How many events are read at once.
const STEP: usize = 500;

/// The first pause before a program is run once more, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Shows what happened to jobs, gates, budget and batch, in order, a line an event.
///
/// With --cursor it goes on where it stopped: each event is handed on at least once. With --exec a
/// program is run for each event, with its JSON on standard input; where it does not end with 0 it is
/// run again, after growing pauses, before the next event's turn.
#[derive(Debug, clap::Args)]
pub struct EventsArgs {
    /// Go on, and show each event as it happens
    #[arg(long)]
    follow: bool,

    /// Go on where the reader of this name stopped; kept in the database
    #[arg(long, value_name = "NAME", value_parser = cursor)]
    cursor: Option<String>,

    /// Only events of this type, such as finished, failed, poor_result, gate_closed or batch_done;
    /// may be repeated
    #[arg(long = "type", value_name = "TYPE", value_parser = EVENT_TYPE,
        hide_possible_values = true)]
    types: Vec<String>,

    /// Run this command (by sh) for each event, instead of showing it
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,

    /// Print JSON, an object a line
    #[arg(long)]
    json: bool,
}

const EVENT_TYPE: Named<String> = Named::new(EventFilter::types, event_type);

fn event_type(text: &str) -> Result<String, String> {
    let types = EventFilter::types();
    if types.contains(&text) {
        return Ok(text.to_owned());
    }
    let hint = nearest(text, types.iter().copied())
        .map_or_else(String::new, |near| format!("did you mean {near}? "));
    Err(format!("{hint}the types are {}", types.join(", ")))
}

fn cursor(text: &str) -> Result<String, String> {
    match text.chars().count() {
        _ if text == WEBHOOK_CURSOR => {
            Err("this one is the webhook's (notify.url): choose another name".to_owned())
        }
        1..=100 => Ok(text.to_owned()),
        _ => Err("a cursor's name has 1 to 100 characters".to_owned()),
    }
}

/// Where events go.
struct Hand {
    out: Out,
    json: bool,
    exec: Option<String>,
}

pub(super) async fn events(settings: &Settings, args: EventsArgs) -> anyhow::Result<Exit> {
    // Where there is no database, there is none to make.
    let mut store = Store::open(settings.database_path(), Role::Reader).await?;
    if args.cursor.is_some() {
        store.close().await;
        store = Store::open(settings.database_path(), Role::Tool).await?;
    }
    let mut told = std::pin::pin!(shutdown());
    let result = tokio::select! {
        biased;
        () = &mut told => Ok(()),
        result = hand_on(&store, args) => result,
    };
    store.close().await;
    result.map(|()| Exit::Done)
}

async fn hand_on(store: &Store, args: EventsArgs) -> anyhow::Result<()> {
    let _held = match &args.cursor {
        Some(name) => Some(store.hold_cursor(name)?),
        None => None,
    };
    let mut hand = Hand {
        out: Out::default(),
        json: args.json,
        exec: args.exec,
    };
    let mut last = match &args.cursor {
        Some(name) => store.cursor(name).await?,
        None => 0,
    };
    let filter = EventFilter::of(args.types);
    let names = filter.names();
    let mut commits = store.commits().await?;
    let clock = Clock::system();
    loop {
        let some = store.events_after(last, names.as_deref(), STEP).await?;
        for told in &some {
            last = told.id;
            if !filter.takes(&told.event.event, &told.event.detail) {
                continue;
            }
            hand.event(told).await?;
            // A program's work is not to be done again: each of its events is kept by itself.
            if let (Some(name), true) = (&args.cursor, hand.exec.is_some()) {
                store.move_cursor(name, last, clock.now()).await?;
            }
        }
        hand.out.flush()?;
        if let (Some(name), false, false) = (&args.cursor, some.is_empty(), hand.exec.is_some()) {
            store.move_cursor(name, last, clock.now()).await?;
        }
        if some.len() == STEP {
            continue;
        }
        if !args.follow {
            return Ok(());
        }
        commits.next().await?;
    }
}

impl Hand {
    async fn event(&mut self, told: &EventRow) -> anyhow::Result<()> {
        let line = EventLine::of(told);
        match &self.exec {
            Some(command) => run_until_done(command, &line).await,
            None if self.json => {
                self.out.json_compact(&line)?;
                self.out.line("")
            }
            None => self
                .out
                .line(&fold::text(fold::width(), &line.words(), HANG)),
        }
    }
}

/// Runs a command until it ends well.
async fn run_until_done(command: &str, line: &EventLine<'_>) -> anyhow::Result<()> {
    let json = serde_json::to_string(line)?;
    let mut pause = FIRST_PAUSE;
    loop {
        let why = match run(command, &json).await {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => status.to_string(),
            Err(error) => format!("it cannot be run: {error}"),
        };
        let pause_s = pause.as_secs();
        print_error(&format!(
            "error: {}, for event {} ({}): {why}; again in {pause_s} s",
            escaped(command),
            line.id,
            escaped(line.event)
        ));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn run(command: &str, json: &str) -> io::Result<std::process::ExitStatus> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        // It is nobody's but parserd's.
        .env_remove("PARSERD__API__KEY")
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let written = async {
            stdin.write_all(json.as_bytes()).await?;
            stdin.write_all(b"\n").await
        };
        match written.await {
            // One that does not read it may be done all the same.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    child.wait().await
}
