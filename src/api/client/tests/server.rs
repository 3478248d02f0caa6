//! A server that plays a script, byte for byte, and keeps what it was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// What to do about one request. Connections stay open for the next one,
/// unless the act says otherwise.
pub enum Act {
    /// Answers with these bytes.
    RawAnswer(Vec<u8>),
    /// Answers with these bytes and closes the connection.
    AnswerAndClose(Vec<u8>),
    /// Answers with these bytes and is silent until the client hangs up.
    AnswerAndHang(Vec<u8>),
    /// Answers with the first bytes, then with the second ones without end.
    AnswerForEver(Vec<u8>, Vec<u8>),
    /// Answers with these bytes before it reads the body.
    AnswerDuringBody(Vec<u8>),
    /// Resets the connection, having read the whole request.
    Reset,
    /// Resets the connection, having read no body.
    ResetDuringBody,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct SeenRequest {
    /// The connection it came over, counted from 0.
    pub connection: usize,
    /// Request line and headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl SeenRequest {
    pub fn request_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

#[derive(Default)]
struct ServerState {
    acts: VecDeque<Act>,
    seen: Vec<SeenRequest>,
}

pub struct TestServer {
    pub url: Url,
    state: Arc<Mutex<ServerState>>,
}

impl TestServer {
    pub async fn playing(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(ServerState {
            acts: acts.into_iter().collect(),
            ..ServerState::default()
        }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    // Whatever the client breaks off is the test's business.
                    let _ = converse(stream, connection, &state).await;
                });
                connection += 1;
            }
        });
        Self {
            url: url.parse().unwrap(),
            state,
        }
    }

    pub fn seen(&self) -> Vec<SeenRequest> {
        self.state.lock().unwrap().seen.clone()
    }
}

/// A port on which nothing listens.
pub async fn refused_url() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    url.parse().unwrap()
}

pub fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

async fn converse(
    mut stream: TcpStream,
    connection: usize,
    state: &Mutex<ServerState>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let Some(head) = read_head(&mut stream, &mut bytes).await? else {
            return Ok(());
        };
        let act = state.lock().unwrap().acts.pop_front();
        match &act {
            Some(Act::ResetDuringBody) => return stream.set_zero_linger(),
            Some(Act::AnswerDuringBody(answer)) => stream.write_all(answer).await?,
            _ => {}
        }
        let body = read_body(&mut stream, &mut bytes, &head).await?;
        state.lock().unwrap().seen.push(SeenRequest {
            connection,
            head,
            body,
        });
        match act {
            Some(Act::RawAnswer(answer)) => stream.write_all(&answer).await?,
            Some(Act::AnswerAndClose(answer)) => return stream.write_all(&answer).await,
            Some(Act::AnswerAndHang(answer)) => {
                stream.write_all(&answer).await?;
                stream.read_to_end(&mut bytes).await?;
            }
            Some(Act::AnswerForEver(answer, more)) => {
                stream.write_all(&answer).await?;
                loop {
                    stream.write_all(&more).await?;
                }
            }
            Some(Act::Reset | Act::ResetDuringBody) => return stream.set_zero_linger(),
            Some(Act::AnswerDuringBody(_)) => {}
            None => return Ok(()),
        }
    }
}

async fn read_head(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<Option<String>> {
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            let head = std::mem::replace(bytes, rest);
            return Ok(Some(String::from_utf8(head).unwrap()));
        }
        if stream.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    }
}

async fn read_body(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
    head: &str,
) -> std::io::Result<String> {
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.parse().unwrap());
    while bytes.len() < length {
        if stream.read_buf(bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let rest = bytes.split_off(length);
    let body = std::mem::replace(bytes, rest);
    Ok(String::from_utf8(body).unwrap())
}
