//! A daemon in this process with its listener on a free port.

use std::collections::BTreeMap;

use parserd::{
    clock::Clock,
    engine::daemon::Until,
    engine::worker::Stop,
    store::{Role, Store, StoreError},
    web::{Listener, Vitals},
    wiring,
};
use reqwest::{Client, Method, Response, header::HeaderMap, redirect::Policy};
use tokio::{sync::watch, task::JoinHandle};

use crate::common::Harness;

/// The token of every site that may act.
pub const TOKEN: &str = "a-token-for-tests-only";

pub struct Site {
    pub harness: Harness,
    pub base: String,
    client: Client,
    stop: watch::Sender<Stop>,
    daemon: JoinHandle<Result<(), StoreError>>,
    listener: JoinHandle<()>,
}

impl Site {
    /// Where one can only look.
    pub async fn new(harness: Harness) -> Self {
        Self::open(harness, "127.0.0.1:0", true).await
    }

    /// Where one can only look, and other machines get no page.
    pub async fn remote(mut harness: Harness) -> Self {
        harness.set("http.remote", "true");
        Self::open(harness, "0.0.0.0:0", true).await
    }

    /// Where who has the token may act.
    pub async fn with_actions(mut harness: Harness) -> Self {
        Self::give_token(&mut harness);
        Self::open(harness, "127.0.0.1:0", true).await
    }

    /// Where who has the token may act, and nothing happens by itself.
    pub async fn with_actions_at_rest(mut harness: Harness) -> Self {
        Self::give_token(&mut harness);
        Self::open(harness, "127.0.0.1:0", false).await
    }

    fn give_token(harness: &mut Harness) {
        let path = harness.directory.path().join("token");
        std::fs::write(&path, TOKEN).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        harness.set("http.actions", "true");
        harness.set("http.token_file", path.to_str().unwrap());
    }

    /// Where one can only look, and nothing happens.
    pub async fn at_rest(harness: Harness) -> Self {
        Self::open(harness, "127.0.0.1:0", false).await
    }

    async fn open(mut harness: Harness, listen: &str, is_running: bool) -> Self {
        harness.set("http.listen", listen);
        let settings = harness.settings();
        let store = Store::open(settings.database_path(), Role::Daemon)
            .await
            .unwrap();
        let (stop, stopped) = watch::channel(Stop::No);
        let clock = Clock::system();
        let client = harness.client();
        let daemon = wiring::daemon(
            &settings,
            store.clone(),
            client,
            clock.clone(),
            Until::Stopped,
            stopped,
        )
        .await
        .unwrap();
        let token = settings.page_token().unwrap().cloned();
        let vitals = Vitals::new(&settings, &daemon, store.clone(), clock, token);
        let listener = Listener::bind(settings.http.listen.unwrap()).await.unwrap();
        let base = format!("http://{}", listener.address().unwrap());
        let listener = tokio::spawn(listener.serve(vitals));
        let mut ending = stop.subscribe();
        let daemon = tokio::spawn(async move {
            let ended = match is_running {
                true => daemon.run().await,
                false => {
                    let _stopped = ending.changed().await;
                    Ok(())
                }
            };
            store.close().await;
            ended
        });
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            harness,
            base,
            client,
            stop,
            daemon,
            listener,
        }
    }

    /// Sends a request as it is told to.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        form: &[(&str, &str)],
    ) -> Response {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base))
            .headers(headers);
        if method == Method::POST {
            let mut body = url::form_urlencoded::Serializer::new(String::new());
            body.extend_pairs(form);
            request = request.body(body.finish());
        }
        request.send().await.unwrap()
    }

    /// What is at `path`: its status and text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.send(Method::GET, path, HeaderMap::new(), &[]).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The metrics of this moment, by name with labels.
    pub async fn metrics(&self) -> BTreeMap<String, f64> {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').unwrap();
                (name.to_owned(), value.parse().unwrap())
            })
            .collect()
    }

    /// Waits until a metric has this value.
    pub async fn await_metric(&self, name: &str, value: f64) {
        self.harness
            .wait_until(&format!("{name} is {value}"), async || {
                self.metrics().await.get(name) == Some(&value)
            })
            .await;
    }

    /// Tells the daemon to stop, and goes on listening.
    pub fn stop(&self) {
        self.stop.send_replace(Stop::Drain);
    }

    /// Nobody answers any more, and the daemon goes on.
    pub fn hang_up(&self) {
        self.listener.abort();
    }

    /// Waits for the daemon to end by itself.
    pub async fn ended(self) -> Result<(), StoreError> {
        let ended = self.daemon.await.unwrap();
        self.listener.abort();
        ended
    }

    /// Stops the listener and the daemon.
    pub async fn closed(self) -> Harness {
        self.listener.abort();
        self.stop.send_replace(Stop::Drain);
        self.daemon.await.unwrap().unwrap();
        self.harness
    }
}
