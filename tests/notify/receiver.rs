//! A receiver on loopback that keeps what it got and answers as it is told to.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::common::PATIENCE;

/// What it answers to one request.
#[derive(Debug, Clone)]
pub enum Act {
    /// A status line, and header lines each with its end.
    Answer(&'static str, String),
    /// Nothing, for as long as the other side waits.
    Silence,
    /// 204, after so long.
    Late(Duration),
}

pub fn status(line: &'static str) -> Act {
    Act::Answer(line, String::new())
}

/// A message that it got.
#[derive(Debug, Clone)]
pub struct Message {
    /// `POST /path HTTP/1.1`.
    pub request_line: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Message {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn events(&self) -> Vec<Value> {
        self.json()["data"]["events"].as_array().unwrap().clone()
    }

    pub fn ids(&self) -> Vec<i64> {
        let events = self.events();
        events.iter().map(|it| it["id"].as_i64().unwrap()).collect()
    }
}

#[derive(Debug, Default)]
struct State {
    acts: VecDeque<Act>,
    messages: Vec<Message>,
}

pub struct Receiver {
    pub url: String,
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    task: Option<JoinHandle<()>>,
    /// Bound and no more: it keeps the port from others while nobody listens.
    _reserved: TcpSocket,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Receiver {
    /// Does these first, and answers 204 from then on.
    pub async fn playing(acts: impl IntoIterator<Item = Act>) -> Self {
        let reserved = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = reserved.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            acts: acts.into_iter().collect(),
            messages: Vec::new(),
        }));
        Self {
            url: format!("http://{address}/hook"),
            task: Some(listen(address, Arc::clone(&state))),
            state,
            address,
            _reserved: reserved,
        }
    }

    /// Ends with all its connections where it stands. What it got is kept.
    pub async fn kill(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _cancelled = task.await;
        }
    }

    /// Listens again where it did before, with these acts in place of those that are left.
    pub async fn revive(&mut self, acts: impl IntoIterator<Item = Act>) {
        self.kill().await;
        self.play(acts);
        self.task = Some(listen(self.address, Arc::clone(&self.state)));
    }

    /// Does these next.
    pub fn play(&self, acts: impl IntoIterator<Item = Act>) {
        self.state.lock().unwrap().acts = acts.into_iter().collect();
    }

    pub fn messages(&self) -> Vec<Message> {
        self.state.lock().unwrap().messages.clone()
    }

    /// Every event that was told in a message, as often as it was.
    pub fn ids(&self) -> Vec<i64> {
        self.messages().iter().flat_map(Message::ids).collect()
    }

    /// Waits until so many messages came.
    pub async fn wait_for(&self, count: usize) -> Vec<Message> {
        self.wait_until(|messages| messages.len() >= count).await
    }

    /// Waits until the messages are as wanted.
    pub async fn wait_until(&self, is_so: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let messages = self.messages();
                if is_so(&messages) {
                    return messages;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited
            .await
            .unwrap_or_else(|_| panic!("waited in vain: {:?}", self.messages()))
    }
}

/// A socket at a port that others of this receiver have too.
fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// The connections end with the task.
fn listen(address: SocketAddr, state: Arc<Mutex<State>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let listener = loop {
            match bind(address).and_then(|socket| socket.listen(1024)) {
                Ok(listener) => break listener,
                // A program that was just started may have the last one open until it runs.
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{error}"),
            }
        };
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(serve(stream, Arc::clone(&state)));
        }
    })
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut stream = BufReader::new(stream);
    // One that ends without a request sent nothing.
    while let Some(message) = read(&mut stream).await {
        let act = {
            let mut state = state.lock().unwrap();
            state.messages.push(message);
            state.acts.pop_front().unwrap_or(status("204 No Content"))
        };
        let (line, headers) = match act {
            Act::Silence => {
                // Until the other side hangs up.
                let _ended = stream.read_u8().await;
                return;
            }
            Act::Late(delay) => {
                tokio::time::sleep(delay).await;
                ("204 No Content", String::new())
            }
            Act::Answer(line, headers) => (line, headers),
        };
        let head = format!("HTTP/1.1 {line}\r\n{headers}content-length: 0\r\n\r\n");
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Message> {
    let mut request_line = String::new();
    if stream.read_line(&mut request_line).await.ok()? == 0 {
        return None;
    }
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(
            name.parse::<HeaderName>().unwrap(),
            value.parse::<HeaderValue>().unwrap(),
        );
    }
    let length = headers.get("content-length")?.to_str().ok()?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(Message {
        request_line: request_line.trim_end().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}
