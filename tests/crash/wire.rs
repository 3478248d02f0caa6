//! `parserd simulate` as a process of its own, and a relay before it that counts the
//! creates on the wire.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    task::JoinHandle,
};

type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

/// The service behind the relay. Both end when this is dropped.
pub struct Service {
    pub base_url: String,
    sent: Counts,
    relay: JoinHandle<()>,
    _simulator: Child,
}

impl Service {
    pub async fn start(args: &[String]) -> Self {
        let mut simulator = Command::new(env!("CARGO_BIN_EXE_parserd"))
            .args(["simulate", "--listen", "127.0.0.1:0"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(simulator.stdout.take().unwrap())
            .read_line(&mut line)
            .await
            .unwrap();
        let service: SocketAddr = line
            .trim()
            .strip_prefix("listening on http://")
            .unwrap_or_else(|| panic!("the simulator said {line:?}"))
            .parse()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let sent = Counts::default();
        let relay = tokio::spawn(relay(listener, service, Arc::clone(&sent)));
        Self {
            base_url,
            sent,
            relay,
            _simulator: simulator,
        }
    }

    /// How many creates went by under each name.
    pub fn sent(&self) -> BTreeMap<String, usize> {
        self.sent.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn relay(listener: TcpListener, service: SocketAddr, sent: Counts) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let sent = Arc::clone(&sent);
        tokio::spawn(async move {
            // A client that is killed ends in an error here; what it sent went on before.
            let _ended = converse(client, service, &sent).await;
        });
    }
}

async fn converse(client: TcpStream, service: SocketAddr, sent: &Counts) -> io::Result<()> {
    client.set_nodelay(true)?;
    let service = TcpStream::connect(service).await?;
    service.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_service, mut to_service) = service.into_split();
    let answers = tokio::spawn(async move {
        tokio::io::copy(&mut from_service, &mut to_client).await?;
        to_client.shutdown().await
    });
    let mut seen = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let length = from_client.read(&mut chunk).await?;
        if length == 0 {
            break;
        }
        seen.extend_from_slice(&chunk[..length]);
        while let Some((name, end)) = first_create(&seen) {
            *sent.lock().unwrap().entry(name).or_default() += 1;
            seen.drain(..end);
        }
        to_service.write_all(&chunk[..length]).await?;
    }
    to_service.shutdown().await?;
    answers.await?
}

/// The name in the first `POST /parsers` of these bytes, and where it ends.
pub fn first_create(bytes: &[u8]) -> Option<(String, usize)> {
    let post = find(bytes, b"POST /parsers")?;
    let key = b"\"name\":\"";
    let from = post + find(&bytes[post..], key)? + key.len();
    let to = from + find(&bytes[from..], b"\"")?;
    Some((String::from_utf8_lossy(&bytes[from..to]).into_owned(), to))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
