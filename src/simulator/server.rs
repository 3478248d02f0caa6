//! The simulator behind a loopback socket, on the wall clock.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::delivery::{self, WireBody};
use super::{HttpRequest, Reply, Simulator};
use crate::core::job::UnixMs;

/// Larger request bodies are refused, in bytes.
const MAX_REQUEST_BYTES: usize = 10 * 1024 * 1024;

/// Starts simulators.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Listens at this address (port 0: any free one) and answers from now on.
    pub async fn start(addr: SocketAddr, simulator: Simulator) -> io::Result<ServerHandle> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let simulator = Arc::new(Mutex::new(simulator));
        let (commands, received) = mpsc::channel(1);
        let task = tokio::spawn(serve(addr, listener, Arc::clone(&simulator), received));
        Ok(ServerHandle {
            addr,
            simulator,
            commands,
            task,
        })
    }
}

/// A simulator that is listening; it stops when this is dropped.
#[derive(Debug)]
pub struct ServerHandle {
    addr: SocketAddr,
    simulator: Arc<Mutex<Simulator>>,
    commands: mpsc::Sender<SetDown>,
    task: JoinHandle<()>,
}

impl ServerHandle {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL to give to a client.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The time that the simulator goes by.
    pub fn now_ms(&self) -> UnixMs {
        now_ms()
    }

    /// Looks into the simulator, or changes it; no request is answered meanwhile.
    pub fn with<R>(&self, look: impl FnOnce(&mut Simulator) -> R) -> R {
        look(&mut lock(&self.simulator))
    }

    /// Refuses connections and breaks those that are there, or listens again at
    /// the same port. In force when it returns.
    pub async fn set_down(&self, is_down: bool) -> io::Result<()> {
        let (done, outcome) = oneshot::channel();
        let stopped = || io::Error::other("the simulator has stopped");
        let command = SetDown { is_down, done };
        self.commands.send(command).await.map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }

    /// Stops listening and breaks every connection.
    pub async fn shutdown(self) {
        let Self { commands, task, .. } = self;
        drop(commands);
        // The task cannot fail, save by a panic that has been reported.
        let _ = task.await;
    }
}

/// Switches the listener off or on.
#[derive(Debug)]
struct SetDown {
    is_down: bool,
    done: oneshot::Sender<io::Result<()>>,
}

fn now_ms() -> UnixMs {
    jiff::Timestamp::now().as_millisecond()
}

fn lock(simulator: &Mutex<Simulator>) -> MutexGuard<'_, Simulator> {
    // A test that panicked inside `with` must not hide behind a poisoned lock.
    simulator.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts connections until the handle is gone.
async fn serve(
    addr: SocketAddr,
    listener: TcpListener,
    simulator: Arc<Mutex<Simulator>>,
    mut commands: mpsc::Receiver<SetDown>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            command = commands.recv() => {
                let Some(SetDown { is_down, done }) = command else { return };
                let outcome = if is_down {
                    listener = None;
                    connections.shutdown().await;
                    Ok(())
                } else if listener.is_none() {
                    TcpListener::bind(addr).await.map(|bound| listener = Some(bound))
                } else {
                    Ok(())
                };
                // Whoever asked may have stopped waiting.
                let _ = done.send(outcome);
            }
            accepted = accept(listener.as_ref()) => match accepted {
                Ok(stream) => {
                    connections.spawn(converse(stream, Arc::clone(&simulator)));
                }
                Err(error) => {
                    tracing::warn!(%error, "the simulator cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}

/// Answers the requests of one connection.
async fn converse(stream: TcpStream, simulator: Arc<Mutex<Simulator>>) {
    // Without it a small answer may wait for the client's delayed ACK.
    let _ = stream.set_nodelay(true);
    let must_reset = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request| {
        // Pinned, as `poll_without_shutdown` asks for it.
        Box::pin(answer(
            request,
            Arc::clone(&simulator),
            Arc::clone(&must_reset),
        ))
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that goes away and a simulated loss both end in an error here.
    let _ = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    if must_reset.load(Ordering::Relaxed) {
        let stream = connection.into_parts().io.into_inner();
        let _ = stream.set_zero_linger();
    }
}

/// Ends the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

async fn answer(
    request: hyper::Request<Incoming>,
    simulator: Arc<Mutex<Simulator>>,
    must_reset: Arc<AtomicBool>,
) -> Result<hyper::Response<WireBody>, Lost> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_REQUEST_BYTES).collect().await;
    let body = body.map_err(|_| Lost)?.to_bytes();
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let mut request = HttpRequest::new(head.method.as_str(), target, body);
    let authorization = head.headers.get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    request.bearer = authorization
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::to_owned);
    let (reply, _in_flight) = {
        let mut locked = lock(&simulator);
        let in_flight = (!request.is_control()).then(|| {
            locked.traffic.begin();
            RequestGuard(Arc::clone(&simulator))
        });
        (locked.respond(now_ms(), &request), in_flight)
    };
    let (Reply::HttpAnswer { delay_ms, .. } | Reply::Lost { delay_ms, .. }) = reply;
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms.unsigned_abs())).await;
    }
    match reply {
        Reply::HttpAnswer {
            answer, delivery, ..
        } => delivery::response(answer, delivery).map_err(|_| Lost),
        Reply::Lost { is_reset, .. } => {
            must_reset.store(is_reset, Ordering::Relaxed);
            Err(Lost)
        }
    }
}

/// A request under way; ended when dropped, also when its client goes away.
struct RequestGuard(Arc<Mutex<Simulator>>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        lock(&self.0).traffic.end();
    }
}

#[cfg(test)]
mod tests;
