//! The webhook: tells a receiver what happened, beside the work.
//!
//! What is told is read from the history, and how far it was told is kept there: whatever ends the
//! process, each event is told at least once, in order. No job waits for it, and what is not told
//! yet takes no memory beyond one message.

mod batch;
mod log;

use std::time::Duration;

use tokio::sync::watch;

use self::{batch::Batch, log::Trouble};
use crate::{
    api::{
        client::{
            ClientError,
            webhook::{Receiver, SignedMessage},
        },
        text::Quoter,
    },
    clock::Clock,
    config::{Webhook, WebhookUrl},
    core::{
        job::{DurationMs, UnixMs},
        notice::NoticeType,
        webhook::{Answer, Pace, Posts, Turn, WebhookSecret},
    },
    store::{
        Facts as _, JobStore as _, LAST_POST, Store, StoreError, notices::WEBHOOK_CURSOR,
        wake::Wake,
    },
};
use secrecy::SecretString;

/// How many events a message has, and how many are read at once.
const MAX_EVENTS: usize = 500;

/// Between two looks at a history that grows.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// How long it waits after the database refused something.
const STORE_PAUSE: Duration = Duration::from_secs(10);

/// What nobody is to be told of is passed over in memory: that is kept once it is so many events,
/// or after so long.
const KEPT_EVENTS: i64 = 1_000;
const KEPT_INTERVAL_MS: DurationMs = 600_000;

/// Sends notices, one message after the other.
#[derive(Debug)]
pub struct Sender {
    store: Store,
    clock: Clock,
    receiver: Receiver,
    url: WebhookUrl,
    secret: WebhookSecret,
    on: Vec<NoticeType>,
    pace: Pace,
    /// Those that hide the API key and the webhook's own secret.
    quoters: [Quoter; 2],
    host: Option<String>,
    /// Up to this event everything was told, or is none to be told of.
    position: i64,
    /// As much of that as the database knows.
    kept: i64,
    kept_at: DurationMs,
    batch: Option<Batch>,
    posts: Posts,
    trouble: Trouble,
}

/// Whether nothing more will happen, and what is left is to be sent.
type Finishing = watch::Receiver<bool>;

/// Has a webhook that is set up later begin at the events of then.
///
/// # Errors
/// Whatever the database says.
pub async fn forget(store: &Store) -> Result<(), StoreError> {
    match store.known_cursor(WEBHOOK_CURSOR).await? {
        Some(_) => store.forget_cursor(WEBHOOK_CURSOR).await,
        None => Ok(()),
    }
}

/// Why there is no sender.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The HTTP client cannot be set up.
    #[error("cannot set up the webhook")]
    Receiver(#[from] ClientError),
    /// The database refused.
    #[error("cannot read how far the webhook has come")]
    Store(#[from] StoreError),
}

impl Sender {
    /// A sender that goes on where the last one stopped; the first one begins at the end of the
    /// history. Nothing is sent before [`run`](Self::run).
    ///
    /// # Errors
    /// Where the HTTP client cannot be set up, and whatever the database says.
    pub async fn new(
        webhook: &Webhook,
        api_key: &SecretString,
        store: Store,
        clock: Clock,
        pace: Pace,
    ) -> Result<Self, SenderError> {
        let receiver = Receiver::new(webhook.url.whole())?;
        let position = match store.known_cursor(WEBHOOK_CURSOR).await? {
            Some(position) => position,
            None => {
                let end = store.last_event().await?;
                store.move_cursor(WEBHOOK_CURSOR, end, clock.now()).await?;
                end
            }
        };
        let posts = match store.fact(LAST_POST).await? {
            Some(last) => Posts::resumed(clock.now().saturating_sub(last), clock.lasting_ms()),
            None => Posts::default(),
        };
        Ok(Self {
            receiver,
            url: webhook.url.clone(),
            secret: webhook.secret.clone(),
            on: webhook.on.clone(),
            pace,
            quoters: [
                Quoter::hiding(api_key),
                Quoter::hiding(webhook.secret.base64()),
            ],
            host: host(),
            position,
            kept: position,
            kept_at: clock.lasting_ms(),
            batch: None,
            posts,
            trouble: Trouble::default(),
            store,
            clock,
        })
    }

    /// Goes on until it is dropped, or the receiver wants no more. Once it is `finishing`, until what
    /// happened is sent, or a POST fails.
    pub async fn run(mut self, mut finishing: Finishing) {
        loop {
            match self.send_all(&mut finishing).await {
                Ok(()) => return,
                // The daemon says so, and ends.
                Err(StoreError::Replaced { .. } | StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "the webhook cannot read what happened; it is tried again");
                    self.clock.sleep(STORE_PAUSE).await;
                }
            }
        }
    }

    /// Sends what is to be sent, for as long as [`run`](Self::run) says.
    async fn send_all(&mut self, finishing: &mut Finishing) -> Result<(), StoreError> {
        let mut commits = self.store.commits().await?;
        loop {
            match self.posts.turn(&self.pace, self.clock.lasting_ms()) {
                Turn::Never => return Ok(()),
                Turn::Wait(_) if self.posts.failures() > 0 && *finishing.borrow() => return Ok(()),
                // Nothing is read meanwhile: what waits costs nothing.
                Turn::Wait(left_ms) => {
                    if *finishing.borrow() && !self.has_batch().await? {
                        return self.keep().await;
                    }
                    let left = Duration::from_millis(left_ms.unsigned_abs());
                    if *finishing.borrow() {
                        // A minute in which nothing happens reads as a run that hangs.
                        tracing::info!(
                            "all is done but the last notices: they are sent in {} s, as there is one POST a minute; a run that is stopped before leaves them to the next one",
                            left.as_secs() + 1
                        );
                    }
                    tokio::select! {
                        () = self.clock.sleep(left) => {}
                        Ok(()) = finishing.changed() => {}
                    }
                }
                Turn::Send => {
                    self.has_batch().await?;
                    match &self.batch {
                        Some(batch) => {
                            let answer = self.post(batch).await?;
                            self.take_in(&answer).await?;
                        }
                        None if *finishing.borrow() => return self.keep().await,
                        None => self.rest(&mut commits, finishing).await?,
                    }
                }
            }
        }
    }

    /// Whether there is something to send; it stays the same until it is accepted.
    async fn has_batch(&mut self) -> Result<bool, StoreError> {
        if self.batch.is_none() {
            self.batch = self.collect().await?;
        }
        Ok(self.batch.is_some())
    }

    /// Nothing is to be told: waits until something happened.
    async fn rest(
        &mut self,
        commits: &mut Wake,
        finishing: &mut Finishing,
    ) -> Result<(), StoreError> {
        let passed_ms = self.clock.lasting_ms() - self.kept_at;
        let is_due = passed_ms >= KEPT_INTERVAL_MS || self.position - self.kept >= KEPT_EVENTS;
        if self.position > self.kept && is_due {
            self.keep().await?;
        }
        // A quiet database is looked at all the same, so that what was passed over is kept.
        let interval = Duration::from_millis(KEPT_INTERVAL_MS.unsigned_abs());
        tokio::select! {
            committed = commits.next_of_all() => committed?,
            Ok(()) = finishing.changed() => return Ok(()),
            () = self.clock.sleep(interval) => return Ok(()),
        }
        self.clock.sleep(LOOK_PAUSE).await;
        Ok(())
    }

    async fn post(&self, batch: &Batch) -> Result<Answer, StoreError> {
        let now = self.clock.now();
        // First, so that a restart in the middle of it knows.
        match self.store.keep(LAST_POST, &now).await {
            Ok(()) => {}
            Err(error @ (StoreError::Replaced { .. } | StoreError::Closed)) => return Err(error),
            // A notice may be about this very trouble.
            Err(error) => {
                tracing::warn!(%error, "cannot keep when a notice was sent; a restart may send the next one at once");
            }
        }
        let timestamp_s = now.div_euclid(1000);
        let message = SignedMessage {
            id: batch.id.clone(),
            timestamp_s,
            signature: self.secret.sign(&batch.id, timestamp_s, &batch.body),
            body: batch.body.clone(),
        };
        Ok(self.receiver.post(&message, now).await)
    }

    async fn take_in(&mut self, answer: &Answer) -> Result<(), StoreError> {
        let now = self.clock.lasting_ms();
        self.posts = self.posts.after(answer, now);
        let wait = self.posts.turn(&self.pace, now);
        self.trouble.log(answer, wait, &self.url, now);
        if *answer != Answer::Accepted {
            return Ok(());
        }
        let Some(batch) = self.batch.take() else {
            return Ok(());
        };
        tracing::debug!(events = batch.events, "notices were sent");
        self.position = batch.last;
        self.keep().await
    }

    /// Keeps how far it has come.
    async fn keep(&mut self) -> Result<(), StoreError> {
        let now: UnixMs = self.clock.now();
        self.store
            .move_cursor(WEBHOOK_CURSOR, self.position, now)
            .await?;
        self.kept = self.position;
        self.kept_at = self.clock.lasting_ms();
        Ok(())
    }
}

/// The name of this machine.
#[cfg(unix)]
fn host() -> Option<String> {
    let name = rustix::system::uname();
    let name = name.nodename().to_str().ok()?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(not(unix))]
fn host() -> Option<String> {
    None
}
