//! A directory of its own for each test, the binary in it, and jobs in any state.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use parserd::core::backoff::Schedule;
use parserd::core::job::{Job, JobId, ParserId};
use parserd::core::lifecycle::{Event, Evidence, OnExisting, Policy, Presence, Transition, decide};
use parserd::core::outcome::{
    CreateOutcome, DoubtCause, ErrorDetail, Finished, ListedParser, PollOutcome, Refusal,
};
use parserd::core::quality::QualityGate;
use parserd::core::rules::Rules;
use parserd::store::{Applied, Changes as _, Intent, Queue as _, Role, Store};
use serde_json::Value;
use sqlx::Connection as _;

pub const KEY: &str = "s3cret-key-of-mine";
/// What each create is taken to cost.
const CREDITS: i64 = 30_000;

pub struct Place {
    pub directory: tempfile::TempDir,
}

/// How a command ended.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    #[track_caller]
    pub fn is(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        assert!(
            !self.out.contains(KEY) && !self.err.contains(KEY),
            "the key was printed"
        );
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in: {}", self.err);
        }
        self
    }

    #[track_caller]
    pub fn prints(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.out.contains(part), "{part:?} is not in: {}", self.out);
        }
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal ended it"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn file(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The binary, with nothing of this process's environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parserd"));
        command
            .args(args)
            .env_clear()
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        self.command(args).output().unwrap().into()
    }

    pub fn run_with(&self, env: &[(&str, &str)], args: &[&str]) -> Ended {
        let mut command = self.command(args);
        command.envs(env.iter().copied());
        command.output().unwrap().into()
    }

    /// Does to the database what another program might.
    pub async fn sql(&self, sql: &'static str) {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("parserd.db"));
        let mut connection = sqlx::SqliteConnection::connect_with(&options)
            .await
            .unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    pub async fn store(&self) -> Store {
        Store::open(&self.path("parserd.db"), Role::Tool)
            .await
            .unwrap()
    }

    /// Enqueues jobs of these names and lets each of them see events.
    pub async fn jobs(&self, jobs: Vec<(&str, Vec<Event>)>) {
        let lines: Vec<String> = jobs.iter().map(|(name, _)| job_line(name)).collect();
        self.file("given.jsonl", &lines.join("\n"));
        self.run(&["enqueue", "given.jsonl"]).is(0);
        let store = self.store().await;
        for (name, events) in jobs {
            let id = store.find(name).await.unwrap().unwrap();
            for event in events {
                drive(&store, id, event).await;
            }
        }
        store.close().await;
    }

    /// Where a job stands, as `parserd show` tells it.
    pub fn shown(&self, job: &str) -> Value {
        self.run(&["show", job, "--json"]).is(0).json()
    }

    pub fn state(&self, job: &str) -> String {
        self.shown(job)["state"].as_str().unwrap().to_owned()
    }
}

/// A job as a line of JSON Lines.
pub fn job_line(name: &str) -> String {
    serde_json::json!({"name": name, "urls": ["https://example.com/page"]}).to_string()
}

pub async fn drive(store: &Store, id: JobId, event: Event) {
    let job: Job = store.job(id).await.unwrap().unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    let Transition::Change(change) = decide(&job, event, &policy(), now, 0.0) else {
        panic!("the event means nothing to {job:?}");
    };
    let intent = Intent {
        credits: CREDITS,
        sent_at: now,
        ..Intent::default()
    };
    let applied = store.apply(&job, &change, intent, now).await.unwrap();
    assert!(matches!(applied, Applied::Durable { .. }));
}

fn policy() -> Policy {
    let schedule = Schedule {
        initial_interval_ms: 60_000,
        multiplier: 2.0,
        max_interval_ms: 60_000,
    };
    Policy {
        rules: Rules::KEPT,
        on_existing: OnExisting::Adopt,
        poll: schedule,
        first_look_ms: None,
        poll_timeout_ms: 600_000,
        retry: schedule,
        max_attempts: 5,
        settle_ms: 900_000,
        settle_after_error_ms: 900_000,
        quality_gate: QualityGate::Report,
        min_fill: 0.5,
        ladder: None,
    }
}

fn words(status: u16, message: &str) -> ErrorDetail {
    ErrorDetail {
        status: Some(status),
        message: message.to_owned(),
    }
}

fn sent(name: &str, outcome: CreateOutcome) -> Vec<Event> {
    let listed = Event::Listed {
        presence: Presence::Absent,
        remote_name: format!("{name}_pd_tag"),
        recreation: 0,
    };
    vec![listed, Event::CreateAnswered(outcome)]
}

pub fn generating(name: &str) -> Vec<Event> {
    let created = CreateOutcome::Created {
        parser_id: ParserId(format!("parser-of-{name}")),
        version: Some(0),
    };
    sent(name, created)
}

pub fn finished(name: &str) -> Vec<Event> {
    let result = r#"[{"url": "https://example.com/page",
        "result": {"title": "A\u001b[31m title"}}]"#;
    let finished = Finished {
        judgement: None,
        version: Some(0),
        generated_at: None,
        example_result: serde_json::value::RawValue::from_string(result.to_owned()).ok(),
        lack: None,
        fields: None,
        made_from: None,
        in_use: None,
        replaces: None,
    };
    let mut events = generating(name);
    events.push(Event::Polled(PollOutcome::Finished(finished)));
    events
}

/// Jobs in seven states, each with what happened to it.
pub fn jobs_in_each_state() -> Vec<(&'static str, Vec<Event>)> {
    vec![
        ("waits", vec![]),
        ("doubt", in_doubt("doubt")),
        ("makes", generating("makes")),
        ("poor", out_of_credits("poor")),
        ("which", ambiguous("which")),
        ("done", finished("done")),
        ("broken", generation_failed("broken")),
    ]
}

pub fn generation_failed(name: &str) -> Vec<Event> {
    let mut events = generating(name);
    let text = "DownloadError: \u{1b}[31mFailed\u{9b}\nto download";
    events.push(Event::Polled(PollOutcome::Failed(words(200, text))));
    events
}

pub fn rejected(name: &str) -> Vec<Event> {
    sent(name, CreateOutcome::Rejected(words(400, "no such field")))
}

pub fn out_of_credits(name: &str) -> Vec<Event> {
    sent(
        name,
        CreateOutcome::Refused(Refusal::Credits, words(402, "credits exhausted")),
    )
}

pub fn in_doubt(name: &str) -> Vec<Event> {
    sent(
        name,
        CreateOutcome::InDoubt(DoubtCause::AnswerLost, words(0, "reset")),
    )
}

/// A create in doubt of which the list shows two parsers: only a person can settle it.
pub fn parked_in_doubt(name: &str) -> Vec<Event> {
    let mut events = in_doubt(name);
    events.push(Event::Reconciled {
        evidence: Evidence::Several(vec![ParserId("p1".to_owned()), ParserId("p2".to_owned())]),
        listed_at: jiff::Timestamp::now().as_millisecond(),
    });
    events
}

pub fn ambiguous(name: &str) -> Vec<Event> {
    let listed = |id: &str| ListedParser {
        id: ParserId(id.to_owned()),
        name: format!("{name}_pd_tag"),
        version: None,
        failed: false,
        settled: true,
    };
    vec![Event::Listed {
        presence: Presence::Several(vec![listed("p1"), listed("p2")]),
        remote_name: format!("{name}_pd_tag"),
        recreation: 0,
    }]
}

pub fn adopted(name: &str, parser: &str) -> Vec<Event> {
    vec![Event::Listed {
        presence: Presence::One(ListedParser {
            id: ParserId(parser.to_owned()),
            name: format!("{name}_pd_tag"),
            version: None,
            failed: false,
            settled: false,
        }),
        remote_name: format!("{name}_pd_tag"),
        recreation: 0,
    }]
}
