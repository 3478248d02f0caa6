//! A second fake of the AI Parser API, written from the service's description alone.
//!
//! What it does wrong is plain data ([`Behaviour`]) that a test sets, and may change while a
//! program talks to it. What was asked of it and what it made is in its [`Books`].

mod behaviour;
mod changes;
mod one;

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

pub use behaviour::{Alter, Behaviour, Call, Effect, Ids, ListShape, Reply, Rule, fixed};
pub use changes::{Base, Changes, Patch, Show, Update, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

/// The account that tests use, unless they say otherwise.
pub const KEY: &str = "independent-key";
/// A second account, with parsers of its own.
pub const OTHER_KEY: &str = "another-account";

#[derive(Clone, Debug)]
pub struct Parser {
    pub id: String,
    pub key: String,
    pub sent: String,
    pub stored: String,
    pub url: String,
    pub made: Instant,
    pub made_at: SystemTime,
    pub deleted: bool,
    pub versions: Vec<Version>,
    /// When it was last patched or deleted.
    pub changed: Option<Instant>,
}

#[derive(Clone, Debug)]
pub struct Post {
    pub at: Instant,
    pub key: String,
    pub name: String,
    pub url: String,
    /// The ids of what it made.
    pub made: Vec<String>,
    pub body: Value,
}

#[derive(Clone, Default)]
pub struct Books {
    pub posts: Vec<Post>,
    pub parsers: Vec<Parser>,
    pub lists: Vec<Instant>,
    pub gets: Vec<(Instant, String)>,
    pub patches: Vec<Patch>,
    /// The ids of DELETEs.
    pub deletes: Vec<String>,
}

impl Books {
    /// The parsers that were made for a job's page.
    pub fn made(&self, url: &str) -> Vec<&Parser> {
        self.parsers.iter().filter(|p| p.url == url).collect()
    }
}

#[derive(Default)]
pub struct World {
    pub does: Behaviour,
    pub books: Books,
    next_id: u64,
    /// So that no two services give out the same id.
    pub salt: u16,
}

impl World {
    fn make(&mut self, post: usize) -> String {
        let Post {
            key,
            name,
            url,
            body,
            ..
        } = self.books.posts[post].clone();
        self.next_id += 1;
        let id = match self.does.ids {
            Ids::Number => format!("{}{}", self.salt, 7000 + self.next_id),
            Ids::Odd => format!("a/b%2F{}?k=v&x#{}+y", self.salt, self.next_id),
            _ => format!("q{:03}zk{}w", self.next_id, self.salt),
        };
        let mut stored = name.clone();
        for (text, alters) in &self.does.names {
            if name.contains(text) {
                for alter in alters {
                    stored = alter.apply(&stored);
                }
            }
        }
        self.books.posts[post].made.push(id.clone());
        self.books.parsers.push(Parser {
            id: id.clone(),
            key,
            sent: name,
            stored,
            url,
            made: Instant::now(),
            made_at: SystemTime::now(),
            deleted: false,
            versions: vec![changes::first_version(&body, &self.does.changes)],
            changed: None,
        });
        id
    }

    fn rule(&mut self, call: Call, name: &str) -> Option<Rule> {
        let rule = self.does.rules.iter_mut().find(|r| {
            r.call == call && r.times > 0 && (r.about.is_empty() || name.contains(&r.about))
        })?;
        rule.times -= 1;
        Some(rule.clone())
    }

    fn id_json(&self, id: &str, created: bool) -> String {
        match self.does.ids {
            Ids::Number => id.to_owned(),
            Ids::Path if created => json!(format!("parsers/{id}")).to_string(),
            Ids::UpperLater if !created => json!(id.to_uppercase()).to_string(),
            _ => json!(id).to_string(),
        }
    }

    fn status(&self, parser: &Parser, version: &Version) -> &'static str {
        if parser.made.elapsed() < self.does.generation
            || version.ready_at > Instant::now()
            || parser.deleted
        {
            "GENERATING"
        } else if version.failed
            || self
                .does
                .fails
                .iter()
                .any(|text| parser.sent.contains(text))
        {
            "FAILED"
        } else {
            self.does.finished
        }
    }

    fn list(&self, key: &str) -> (Vec<(&'static str, String)>, Vec<u8>) {
        let mut items = Vec::new();
        for parser in &self.books.parsers {
            let lags = self.does.changes.list_lag;
            let gone = parser.deleted && parser.changed.is_none_or(|at| at.elapsed() >= lags);
            if parser.key != key || gone || parser.made.elapsed() < self.does.list_lag {
                continue;
            }
            let status = if self.does.list_status_stuck {
                "GENERATING"
            } else {
                self.status(parser, parser.seen(lags))
            };
            let id = self.id_json(&parser.id, false);
            let item = |version: i64| {
                format!(
                    r#"{{"id":{id},"name":{},"status":"{status}","error":null,"generated_at":null,"version":{version}}}"#,
                    json!(parser.stored)
                )
            };
            if let Some((_, raw)) = self
                .does
                .items
                .iter()
                .find(|(text, _)| parser.sent.contains(text))
            {
                items.push(raw.replace("ID", &id));
                continue;
            }
            items.push(item(parser.seen(lags).number));
            match self.does.list {
                ListShape::Versions => items.push(item(1)),
                ListShape::Doubled => items.push(item(parser.seen(lags).number)),
                _ => {}
            }
        }
        let mut headers = Vec::new();
        match &self.does.list {
            ListShape::With(raw) => items.splice(0..0, raw.iter().cloned()).for_each(drop),
            ListShape::Page(size) if items.len() > *size => {
                items.truncate(*size);
                headers.push(("link", "</parsers?page=2>; rel=\"next\"".to_owned()));
            }
            ListShape::Raw(raw) => return (headers, raw.clone().into_bytes()),
            _ => {}
        }
        let mut text = String::new();
        if matches!(self.does.list, ListShape::Bom) {
            text.push('\u{feff}');
        }
        write!(text, "[{}]", items.join(",")).unwrap();
        (headers, text.into_bytes())
    }

    fn details(&mut self, index: usize, version: Option<i64>) -> Option<Vec<u8>> {
        let parser = self.books.parsers[index].clone();
        let version = match version {
            Some(number) => parser.versions.iter().find(|v| v.number == number)?,
            None => parser.seen(self.does.changes.get_lag),
        };
        let status = self.status(&parser, version);
        let mut body = format!(
            r#"{{"id":{},"name":{},"status":"{status}","created_at":"{}","error":{}"#,
            self.id_json(&parser.id, false),
            json!(parser.stored),
            behaviour::rfc3339(parser.made_at),
            if status == "FAILED" {
                "\"DownloadError: Failed to download\""
            } else {
                "null"
            },
        )
        .into_bytes();
        body.extend(self.shown(version).into_bytes());
        if status == self.does.finished {
            let late = self
                .does
                .examples_late
                .iter_mut()
                .find(|(text, n)| parser.sent.contains(**text) && **n > 0);
            if let Some((_, left)) = late {
                *left -= 1;
            } else {
                let odd = self
                    .does
                    .examples
                    .iter()
                    .find(|(text, _)| parser.sent.contains(text));
                let usual = || {
                    json!([{"url": parser.url, "result": {"title": "a"}}])
                        .to_string()
                        .into_bytes()
                };
                body.extend(br#","example_result":"#);
                body.extend(odd.map_or_else(usual, |(_, raw)| raw.clone()));
            }
        }
        body.push(b'}');
        Some(body)
    }
}

pub struct Fake {
    pub address: SocketAddr,
    world: Arc<Mutex<World>>,
    _runtime: tokio::runtime::Runtime,
}

impl Fake {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let world = Arc::new(Mutex::new(World {
            salt: address.port(),
            ..World::default()
        }));
        let shared = Arc::clone(&world);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let world = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&world), request));
                    let served = hyper::server::conn::http1::Builder::new();
                    // A lost answer ends here as an error, and so does a client that was killed.
                    let _ = served.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self {
            address,
            world,
            _runtime: runtime,
        }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what it does from now on.
    pub fn does(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.world().does);
    }

    /// Waits until the books show something; panics after `limit`.
    #[track_caller]
    pub fn until(&self, what: &str, limit: Duration, mut holds: impl FnMut(&Books) -> bool) {
        let begun = Instant::now();
        while !holds(&self.world().books) {
            assert!(begun.elapsed() < limit, "the books never showed: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

async fn answer(
    world: Arc<Mutex<World>>,
    request: Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or("").to_owned();
    let query_key = query
        .split('&')
        .find_map(|p| p.strip_prefix("api_key="))
        .unwrap_or("")
        .to_owned();

    let (hold, response) = {
        let mut guard = world.lock().unwrap();
        let w = &mut *guard;
        if parts.method == Method::POST && path == "/parsers" {
            let sent: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let text = |key: &str| sent[key].as_str().unwrap_or("").to_owned();
            let (key, name) = (text("api_key"), text("name"));
            let url = sent["urls"][0].as_str().unwrap_or("").to_owned();
            w.books.posts.push(Post {
                at: Instant::now(),
                key: key.clone(),
                name: name.clone(),
                url: url.clone(),
                made: Vec::new(),
                body: sent,
            });
            let post = w.books.posts.len() - 1;
            if key != KEY && key != OTHER_KEY {
                (
                    Duration::ZERO,
                    say(401, &[], br#"{"error":"Unauthorized"}"#.to_vec()),
                )
            } else if name.is_empty() || url.is_empty() {
                (
                    Duration::ZERO,
                    say(
                        400,
                        &[],
                        br#"{"error":"name and urls are required"}"#.to_vec(),
                    ),
                )
            } else {
                let rule = w.rule(Call::Create, &name);
                let (effect, hold, reply) = rule
                    .map_or((Effect::Now, Duration::ZERO, Reply::Usual), |r| {
                        (r.effect, r.hold, r.reply)
                    });
                let id = match effect {
                    Effect::Nothing => "nothing".to_owned(),
                    Effect::Now => w.make(post),
                    Effect::Twice => {
                        w.make(post);
                        w.make(post)
                    }
                    Effect::Later(by) => {
                        let world = Arc::clone(&world);
                        tokio::spawn(async move {
                            tokio::time::sleep(by).await;
                            world.lock().unwrap().make(post);
                        });
                        "later".to_owned()
                    }
                };
                let response = match reply {
                    Reply::Usual => {
                        let id = w.id_json(&id, true);
                        say(
                            202,
                            &[],
                            format!(r#"{{"id":{id},"version":{}}}"#, w.does.changes.first)
                                .into_bytes(),
                        )
                    }
                    Reply::WrongId(id) => say(
                        202,
                        &[],
                        json!({"id": id, "version": 0}).to_string().into_bytes(),
                    ),
                    other => special(other),
                };
                (hold, response)
            }
        } else if parts.method == Method::GET && (query_key != KEY && query_key != OTHER_KEY) {
            (
                Duration::ZERO,
                say(401, &[], br#"{"error":"Unauthorized"}"#.to_vec()),
            )
        } else if parts.method == Method::GET && path == "/parsers" {
            w.books.lists.push(Instant::now());
            let rule = w.rule(Call::List, "");
            match rule {
                Some(Rule { hold, reply, .. }) if !matches!(reply, Reply::Usual) => {
                    (hold, special(reply))
                }
                _ => {
                    let (headers, body) = w.list(&query_key);
                    (Duration::ZERO, say(200, &headers, body))
                }
            }
        } else if let Some(path) = path.strip_prefix("/parsers/") {
            one::about_one(&world, w, &parts.method, path, &query_key, &body)
        } else {
            (Duration::ZERO, say(404, &[], b"no such page".to_vec()))
        }
    };
    tokio::time::sleep(hold).await;
    response.ok_or_else(|| io::Error::other("lost on purpose"))
}

type Answer = (Duration, Option<Response<Full<Bytes>>>);

fn special(reply: Reply) -> Option<Response<Full<Bytes>>> {
    match reply {
        Reply::Fixed {
            status,
            headers,
            body,
        } => say(status, &headers, body.into_bytes()),
        Reply::Lost | Reply::Usual | Reply::WrongId(_) => None,
    }
}

fn say(
    status: u16,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
) -> Option<Response<Full<Bytes>>> {
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(Full::new(Bytes::from(body))).ok()
}
