//! `http.listen`: `/metrics`, `/healthz`, `/readyz`, on a loopback address.

use std::{
    convert::Infallible,
    fmt::Write as _,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    clock::Clock,
    gate::GateReason,
    job::{DurationMs, UnixMs},
    store::{Store, StoreError},
};

/// A loop that has not come round for so long is stuck; it never sleeps longer than
/// a sixth of it.
const STUCK_AFTER_MS: DurationMs = 60_000;

/// How long a client may take over its request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections are served at once; more wait.
const MAX_CONNECTIONS: usize = 64;

/// What the listener tells of.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// When the daemon's loop last came round.
    pub heartbeat: Arc<AtomicI64>,
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
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= MAX_CONNECTIONS {
                connections.join_next().await;
            }
            let stream = match self.0.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "http.listen: cannot take a connection");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let vitals = vitals.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| answer(vitals.clone(), request));
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "http.listen: a connection broke");
                }
            });
            while connections.try_join_next().is_some() {}
        }
    }
}

async fn answer(
    vitals: Vitals,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, kind, body) = if request.method() != Method::GET {
        (
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "only GET\n".to_owned(),
        )
    } else {
        match request.uri().path() {
            "/healthz" => health(&vitals),
            "/readyz" => readiness(&vitals).await,
            "/metrics" => match metrics(&vitals).await {
                Ok(text) => (StatusCode::OK, METRICS, text),
                Err(error) => unavailable(&error),
            },
            _ => (
                StatusCode::NOT_FOUND,
                TEXT,
                "there are /metrics, /healthz and /readyz\n".to_owned(),
            ),
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    Ok(response)
}

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

type Page = (StatusCode, &'static str, String);

fn unavailable(error: &StoreError) -> Page {
    tracing::warn!(%error, "http.listen: the database does not answer");
    (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{error}\n"))
}

/// Alive: the loop comes round.
fn health(vitals: &Vitals) -> Page {
    let silent_ms = vitals.clock.now() - vitals.heartbeat.load(Ordering::Relaxed);
    if silent_ms <= STUCK_AFTER_MS {
        (StatusCode::OK, TEXT, "ok\n".to_owned())
    } else {
        let body = format!(
            "the daemon's loop has not come round for {} s\n",
            silent_ms / 1000
        );
        (StatusCode::SERVICE_UNAVAILABLE, TEXT, body)
    }
}

/// Ready: the database answers and the key was not refused.
async fn readiness(vitals: &Vitals) -> Page {
    match vitals.store.gates().await {
        Err(error) => unavailable(&error),
        Ok(gates) => {
            let refused = gates
                .iter()
                .any(|(_, closure)| closure.reason == GateReason::Unauthorized);
            if refused {
                let body = "the service refuses the API key\n".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, TEXT, body)
            } else {
                (StatusCode::OK, TEXT, "ready\n".to_owned())
            }
        }
    }
}

async fn metrics(vitals: &Vitals) -> Result<String, StoreError> {
    let now: UnixMs = vitals.clock.now();
    let counts = vitals.store.counts().await?;
    let gates = vitals.store.gates().await?;
    let spent = vitals.store.spent(now).await?.in_all;
    let mut page = String::new();
    family(
        &mut page,
        "parserd_jobs",
        "gauge",
        "Jobs by state.",
        counts
            .states
            .iter()
            .map(|(state, count)| (format!("{{state=\"{state}\"}}"), *count)),
    );
    family(
        &mut page,
        "parserd_jobs_parked",
        "gauge",
        "PARKED jobs by reason.",
        counts
            .parked
            .iter()
            .map(|(reason, count)| (format!("{{reason=\"{reason}\"}}"), *count)),
    );
    family(
        &mut page,
        "parserd_creates_in_doubt",
        "gauge",
        "Creates whose outcome is not known.",
        [(String::new(), counts.in_doubt)],
    );
    family(
        &mut page,
        "parserd_gate_closed",
        "gauge",
        "Closed gates of the account, by what they stand before and why.",
        gates.iter().map(|(scope, closure)| {
            (
                format!("{{scope=\"{scope}\",reason=\"{}\"}}", closure.reason),
                1,
            )
        }),
    );
    family(
        &mut page,
        "parserd_credits_spent",
        "gauge",
        "Credits of every create not known to have made nothing.",
        [(String::new(), spent)],
    );
    family(
        &mut page,
        "parserd_last_round_timestamp_seconds",
        "gauge",
        "When the daemon's loop last came round, Unix time.",
        [(
            String::new(),
            vitals.heartbeat.load(Ordering::Relaxed) / 1000,
        )],
    );
    Ok(page)
}

/// One family in Prometheus' text format.
fn family(
    page: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    samples: impl IntoIterator<Item = (String, i64)>,
) {
    let _infallible = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _infallible = writeln!(page, "{name}{labels} {value}");
    }
}
