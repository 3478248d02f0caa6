//! `http.listen`: the page, for this machine only, and `/metrics`, `/healthz`, `/readyz`.

mod act;
mod chart;
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
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    middleware,
    response::{IntoResponse as _, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    sync::{Mutex, Notify, watch},
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
    engine::metrics::{Measured, Metrics, PageRefusal},
    engine::worker::Stop,
    store::Store,
    wiring,
};
use connections::{Connections, Impatient};
use fold::{FoldKind, Folds};
use session::Sessions;
use snapshot::SnapshotCache;

/// How long a client may take over its request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client may take none of its answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

type Shared = Arc<Vitals>;

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
        let (near, far) = routes(&vitals);
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
            let is_near = peer.ip().to_canonical().is_loopback();
            let service = TowerToHyperService::new(if is_near { &near } else { &far }.clone());
            let serving = async move {
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

/// What this machine is served, and what others are.
fn routes(vitals: &Shared) -> (Router, Router) {
    let probes = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || reply::only("GET, HEAD"));
    let bounded = |routes: Router<Shared>| {
        let routes = routes.layer(middleware::map_response(reply::bounded));
        routes.with_state(Arc::clone(vitals))
    };
    let near = probes.clone().merge(page::routes(vitals));
    (bounded(near), bounded(probes.fallback(other_machine)))
}

async fn metrics(State(vitals): State<Shared>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    match exposition::page(&vitals).await {
        Ok(text) => ([(CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => {
            let words = error.to_string();
            vitals.folds.came(FoldKind::Database, Some(words.clone()));
            (StatusCode::SERVICE_UNAVAILABLE, words + "\n").into_response()
        }
    }
}

/// Unencrypted, the page is nothing for a network.
async fn other_machine(State(vitals): State<Shared>) -> (StatusCode, &'static str) {
    vitals.metrics.refused(PageRefusal::OtherMachine);
    (
        StatusCode::FORBIDDEN,
        "the page is for this machine only: come through a tunnel, such as ssh -L\n",
    )
}
