//! `http.listen`: the page, for this machine only, and `/metrics`, `/healthz`, `/readyz`.

mod act;
mod connections;
mod exposition;
mod fold;
mod guard;
mod health;
mod page;
mod reply;
mod session;
mod snapshot;
mod turnstile;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    sync::{Mutex, Notify, Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    api::{Service, client::Client},
    clock::Clock,
    config::{Settings, millis},
    core::budget::Budget,
    core::job::UnixMs,
    core::lifecycle::Policy,
    engine::daemon::Daemon,
    engine::metrics::{Measured, Metrics, Refusal},
    engine::worker::Stop,
    store::{Store, StoreError},
    wiring,
};
use connections::{Connections, Impatient};
use fold::{FoldKind, Folds};
use reply::HttpReply;
use session::Sessions;
use snapshot::SnapshotCache;

/// How long a client may take over its request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client may take none of its answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// How many pages read the database at once: the daemon needs its readers, too.
const MAX_PAGES: usize = 2;

/// What the listener shows.
#[derive(Debug)]
pub struct Vitals {
    store: Store,
    clock: Clock,
    /// When the daemon's loop last came round.
    heartbeat: Arc<AtomicI64>,
    metrics: Arc<Metrics>,
    /// Whether it was told to stop.
    stop: watch::Receiver<Stop>,
    /// What is known of the API key.
    /// Makes the daemon look at what was changed here.
    nudge: Arc<Notify>,
    looks: SnapshotCache,
    /// When the database last took a write for the sake of `/readyz`.
    proved_at: Mutex<Option<UnixMs>>,
    sessions: Sessions,
    /// What may be spent; what was is in the database.
    budget: Budget,
    policy: Policy,
    /// The service, to be asked what costs nothing; else why it cannot be.
    service: Result<Measured<Client>, String>,
    pages: Semaphore,
    folds: Folds,
}

impl Vitals {
    /// What there is to show of `daemon`. With a token, who knows it may act.
    pub fn new<S: Service>(
        settings: &Settings,
        daemon: &Daemon<S, Store>,
        store: Store,
        clock: Clock,
        token: Option<SecretString>,
    ) -> Self {
        Self {
            looks: SnapshotCache::new(
                store.clone(),
                clock.clone(),
                millis(settings.reconcile.settle_after_error),
            ),
            store,
            clock,
            heartbeat: daemon.heartbeat(),
            metrics: daemon.metrics(),
            stop: daemon.stop(),
            nudge: daemon.nudge(),
            proved_at: Mutex::default(),
            sessions: Sessions::new(token),
            budget: wiring::budget(settings),
            policy: wiring::policy(settings),
            service: service(settings, daemon.metrics()),
            pages: Semaphore::new(MAX_PAGES),
            folds: Folds::default(),
        }
    }
}

fn service(settings: &Settings, metrics: Arc<Metrics>) -> Result<Measured<Client>, String> {
    let key = settings.require_key().map_err(|error| error.to_string())?;
    let client = wiring::client(settings, key).map_err(|error| error.to_string())?;
    Ok(Measured::new(client, metrics))
}

/// A listener that is bound and does not serve yet.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Binds the address.
    ///
    /// # Errors
    /// Whatever the system says, such as that the port is taken.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// The address, with the port that the system chose for 0.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves for ever; dropping the future ends every connection.
    pub async fn serve(self, vitals: Vitals) {
        let vitals = Arc::new(vitals);
        let mut connections = Connections::default();
        let sampled = Arc::clone(&vitals);
        let mut sampling = JoinSet::new();
        sampling.spawn(async move { sampled.looks.sample().await });
        let folded = Arc::clone(&vitals);
        sampling.spawn(async move { folded.folds.keep().await });
        loop {
            let (stream, peer) = match self.0.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    vitals
                        .folds
                        .came(FoldKind::NoConnection, Some(error.to_string()));
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let told = Arc::clone(&vitals);
            let serving = async move {
                let is_near = peer.ip().to_canonical().is_loopback();
                let service =
                    service_fn(move |request| answer(Arc::clone(&told), is_near, request));
                let serving = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(Impatient::new(stream, WRITE_TIMEOUT)), service);
                match timeout(CONNECTION_TIMEOUT, serving).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "http.listen: a connection broke"),
                    Err(_) => tracing::debug!("http.listen: a connection took too long"),
                }
            };
            if connections.spawn(serving) {
                vitals.folds.came(FoldKind::Connections, None);
            }
        }
    }
}

async fn answer(
    vitals: Arc<Vitals>,
    is_near: bool,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let reply = match request.uri().path() {
        "/healthz" | "/readyz" | "/metrics" if !is_read => HttpReply::only("GET, HEAD"),
        "/healthz" => HttpReply::plain(health::alive(&vitals)),
        "/readyz" => HttpReply::plain(health::ready(&vitals).await),
        "/metrics" => match exposition::page(&vitals).await {
            Ok(text) => HttpReply::metrics(text),
            Err(error) => unavailable(&vitals, &error),
        },
        // Unencrypted, it is nothing for a network.
        _ if !is_near => {
            vitals.metrics.refused(Refusal::OtherMachine);
            let words =
                "the page is for this machine only: come through a tunnel, such as ssh -L\n";
            HttpReply::plain((StatusCode::FORBIDDEN, words.to_owned()))
        }
        _ => page::answer(&vitals, request).await,
    };
    Ok(reply.into_response())
}

fn unavailable(vitals: &Vitals, error: &StoreError) -> HttpReply {
    vitals
        .folds
        .came(FoldKind::Database, Some(error.to_string()));
    HttpReply::plain((StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")))
}
